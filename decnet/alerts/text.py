"""Attacker text within one line: nothing in it ends the line, steers a terminal or changes the direction of writing."""

from __future__ import annotations


def one_line(text: str, limit: int) -> str:
    r"""``text``, cut, with everything that cannot be seen spelt out as Python does: ``\n``, ``\x1b``, ``\u202e``."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else _spelt(char) for char in cut)


def ascii_line(text: str, limit: int) -> str:
    """The same in ASCII alone."""
    line = one_line(text, limit)
    return line if line.isascii() else "".join(char if char.isascii() else _spelt(char) for char in line)


def _spelt(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
