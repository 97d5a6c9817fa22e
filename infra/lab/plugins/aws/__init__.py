"""A stand-in for pulumi-aws that serves tests only: same types and names, AWS is moto's server on loopback."""
