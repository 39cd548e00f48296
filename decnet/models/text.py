"""Attacker text as every database can hold it: one reversible escape, applied before hashing and storing.

Honeypots record what is no text: NUL (refused by PostgreSQL), lone surrogates (no UTF-8 form), invalid UTF-8.
Each becomes a mark that starts with ``␛`` (U+241B, the *picture* of an escape); that character itself is doubled.

======================  ============
recorded                kept as
======================  ============
NUL                     ``␛0``
invalid byte E9         ``␛xe9``
lone surrogate U+DCE9   ``␛udce9``
``␛``                   ``␛␛``
======================  ============
"""

from __future__ import annotations

import codecs

MARK = "␛"
_FIRST_SURROGATE, _LAST_SURROGATE = "\ud800", "\udfff"
_BYTE_TO_SURROGATE = 0xDC00  # PEP 383 keeps an undecodable byte XX as U+DCXX


def canonical_text(raw: str | bytes) -> str:
    """``raw`` with everything that is no text marked; total, and two inputs of one type never meet in one text."""
    if isinstance(raw, bytes):
        marked = raw.replace(MARK.encode(), MARK.encode() * 2).replace(b"\0", f"{MARK}0".encode())
        return marked.decode("utf-8", "decnet-mark")
    if raw.isascii():
        return raw if "\0" not in raw else raw.replace("\0", f"{MARK}0")
    doubled = raw.replace(MARK, MARK * 2).replace("\0", f"{MARK}0")
    try:
        doubled.encode()
    except UnicodeEncodeError:
        return "".join(_mark_surrogate(char) for char in doubled)
    return doubled


def original_text(text: str) -> str:
    """What :func:`canonical_text` was given; an invalid byte comes back as PEP 383 spells it."""
    head, *pieces = text.split(MARK)
    out = [head]
    doubled = False
    for piece in pieces:
        if doubled or piece:
            out.append(piece if doubled else _unmarked(piece))
            doubled = False
        else:
            out.append(MARK)
            doubled = True
    return "".join(out)


def _unmarked(piece: str) -> str:
    """``piece``, which followed a mark, with the character that the mark stood for in front."""
    if piece[0] == "0":
        return "\0" + piece[1:]
    if piece[0] == "x":
        return chr(_BYTE_TO_SURROGATE + int(piece[1:3], 16)) + piece[3:]
    return chr(int(piece[1:5], 16)) + piece[5:]


def _mark_surrogate(char: str) -> str:
    return f"{MARK}u{ord(char):04x}" if _FIRST_SURROGATE <= char <= _LAST_SURROGATE else char


def _mark_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(f"{MARK}x{byte:02x}" for byte in bad), error.end


codecs.register_error("decnet-mark", _mark_bytes)
