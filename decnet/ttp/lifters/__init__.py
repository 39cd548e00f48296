"""Lifters tell techniques from other things than one text: figures over many events, mail, browsers, verdicts."""
