"""What may be written to a terminal. Attacker text reaches a screen only through :func:`shown`."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

MAX_SHOWN_CHARS = 2_000
_CONTROL_PICTURES = 0x2400
_DELETE, _DELETE_PICTURE = 0x7F, "␡"
_SPACE = 0x20
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: str, limit: int = MAX_SHOWN_CHARS) -> str:
    """``text`` as a person may see it: control characters as symbols, direction and zero-width marks spelt out, cut."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(map(_visible, cut))


def _visible(char: str) -> str:
    point = ord(char)
    if point < _SPACE:
        return chr(_CONTROL_PICTURES + point)
    if point == _DELETE:
        return _DELETE_PICTURE
    if unicodedata.category(char) in _UNSEEN:
        return f"‹U+{point:04X}›"
    return char


def print_json(value: object) -> None:
    """``value`` as one JSON document on standard output, pure ASCII."""
    print(json.dumps(value, ensure_ascii=True, indent=2))  # noqa: T201 - this is the output


def print_json_line(value: object) -> None:
    """``value`` as one line of JSON on standard output, pure ASCII, at once."""
    print(json.dumps(value, ensure_ascii=True), flush=True)  # noqa: T201 - this is the output


def console(*, stderr: bool = False) -> Console:
    """A console that treats text as text: no mark-up, no guessing of colours."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)
