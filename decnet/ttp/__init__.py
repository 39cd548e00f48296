"""Events in, tags out."""
