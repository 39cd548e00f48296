"""Tags out, in the formats that other tools load without edits."""
