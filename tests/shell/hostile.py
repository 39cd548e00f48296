"""Texts made to be slow: one piece over and over, each kind of nesting, quoting and expansion that a shell knows."""

from __future__ import annotations

from tests.shell.fuzz import PIECES

_MORE = (
    "(x);",
    "(x);a|",
    "a(){ a;};",
    "echo id|sh|",
    "a=$a$a;",
    "a=$a$a;sh -c ",
    "{1..99}",
    "$(a)",
    "x)",
    "a=(b);",
    '"$(',
)


def hostile_texts(size: int) -> dict[str, str]:
    """Each piece repeated to ``size`` characters, by piece."""
    pieces = (*PIECES, *(f"{piece};" for piece in PIECES), *(f"{piece} a|" for piece in PIECES), *_MORE)
    return {piece: (piece * size)[:size] for piece in pieces}
