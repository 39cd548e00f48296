r"""Backslash escapes of ``$'…'``, ``echo -e`` and ``printf``: ``\x77``, ``\167``, ``\n``."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_LETTERS: Final = {
    "a": 7,
    "b": 8,
    "e": 27,
    "E": 27,
    "f": 12,
    "n": 10,
    "r": 13,
    "t": 9,
    "v": 11,
    "\\": 92,
    "'": 39,
    '"': 34,
    "?": 63,
}
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_OCTAL: Final = frozenset("01234567")
_WIDTHS: Final = {"x": 2, "u": 4, "U": 8}
MAX_ESCAPE: Final = 9
"""Characters of the longest escape behind its backslash: ``U`` and eight digits."""


def to_bytes(text: str) -> bytes:
    """Text as the bytes that a terminal would have sent."""
    return text.encode("utf-8", "surrogatepass")


def to_text(raw: bytes) -> str:
    """Bytes as text: UTF-8 where they are, one character per byte otherwise."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def unescape(text: str) -> bytes:
    r"""The bytes that ``echo -e`` prints for ``text``; ``\c`` ends it."""
    if "\\" not in text:
        return to_bytes(text)
    out = bytearray()
    head, *pieces = text.split("\\")
    out += to_bytes(head)
    index = 0
    while index < len(pieces):
        piece = pieces[index]
        if not piece:  # two backslashes, or one at the end
            out += b"\\"
            index += 1
            if index < len(pieces):
                out += to_bytes(pieces[index])
        elif piece[0] == "c":
            break
        else:
            code, used = _escape(piece[:MAX_ESCAPE])
            out += code
            if used < len(piece):
                out += to_bytes(piece[used:])
        index += 1
    return bytes(out)


@lru_cache(maxsize=1_024)  # a program sent as \x7f\x45… is hundreds of them, of 256
def _escape(piece: str) -> tuple[bytes, int]:
    """The bytes of the escape at the start of ``piece``, which follows a backslash, and its length."""
    letter = piece[0]
    if letter in _OCTAL:
        used = _run(piece, 0, 4 if letter == "0" else 3, _OCTAL)
        return bytes((int(piece[:used], 8) & 255,)), used
    if letter in _WIDTHS:
        used = _run(piece, 1, _WIDTHS[letter], _HEX)
        if used > 1:
            code = int(piece[1:used], 16)
            is_byte = letter == "x" or code > 0x10FFFF  # noqa: PLR2004 (the last code point)
            return (bytes((code & 255,)) if is_byte else to_bytes(chr(code))), used
    if letter in _LETTERS:
        return bytes((_LETTERS[letter],)), 1
    return to_bytes("\\" + letter), 1


def _run(piece: str, start: int, width: int, digits: frozenset[str]) -> int:
    end = start
    while end < len(piece) and end - start < width and piece[end] in digits:
        end += 1
    return end


def ansi_c(text: str) -> str:
    """The value of ``$'text'``."""
    return to_text(unescape(text)) if "\\" in text else text
