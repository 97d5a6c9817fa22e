"""A stand-in for pulumi-kubernetes where its published plugin can't be fetched: same types, child names and URNs."""
