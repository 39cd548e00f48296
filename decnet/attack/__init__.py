"""ATT&CK as data: which techniques exist in a release, what became of older ones, and how a newer release comes in."""
