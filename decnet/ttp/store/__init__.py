"""Where rules come from, and how their text becomes something that can be matched."""
