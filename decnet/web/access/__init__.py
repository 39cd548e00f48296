"""Who asks: passwords, tokens and keys, and what each of them may do."""
