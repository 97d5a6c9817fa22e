"""`./lab plan`: all that a stack would make, who reaches it and what it costs, without an account and without making anything."""
