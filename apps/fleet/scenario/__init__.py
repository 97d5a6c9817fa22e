"""A scenario of many clients, carried out once from a plan, and counted."""
