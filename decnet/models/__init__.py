"""What is true of the domain: events, actors, tags, rules. No I/O here."""
