"""A mail server that accepts, keeps and records, and never delivers anything: nothing here can open a connection."""
