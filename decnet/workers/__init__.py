"""What runs: the direct mode of the command line."""
