"""What attackers touch: programs of our own that pretend to be something else, and record who believed it."""
