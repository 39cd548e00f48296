"""One raw record in, Events out: how logs are read, told apart and understood."""
