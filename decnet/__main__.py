"""``python -m decnet``."""

from decnet.cli.app import main

main()
