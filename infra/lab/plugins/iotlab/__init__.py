"""The lab's own Pulumi plugin: resource types that no published provider has."""
