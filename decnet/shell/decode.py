"""Decoders of attacker text: base64, hex, compressed data. Each is total and bounded; none raises."""

from __future__ import annotations

import bz2
import lzma
import zlib
from binascii import Error, a2b_base64
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from .limits import Budget

_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_BASE64: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_BASE32: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_GZIP: Final = 31  # zlib's code for a gzip header
_XZ_MEMORY: Final = 1 << 24  # bytes; a larger dictionary is refused
_MAX_BITS: Final = 40_000  # base32 characters: the sum is done in one large number


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def base64_bytes(data: bytes) -> bytes | None:
    """The bytes behind base64 text (URL alphabet too); None when it is none. A cut end is tolerated."""
    text = data.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n\0").partition(b"=")[0]
    if not text or not _BASE64.issuperset(text):
        return None
    text = text[: len(text) - (len(text) % 4 == 1)]
    try:
        return a2b_base64(text + b"=" * (-len(text) % 4))
    except Error:  # pragma: no cover (nothing is left that it refuses)
        return None


def base32_bytes(data: bytes) -> bytes | None:
    """The bytes behind base32 text, None when it is none or too long."""
    text = data.translate(None, b" \t\r\n").rstrip(b"=").upper()[:_MAX_BITS]
    if not text or not set(text) <= set(_BASE32):
        return None
    number = int(text.translate(bytes.maketrans(_BASE32, b"0123456789abcdefghijklmnopqrstuv")), 32)
    count = len(text) * 5 // 8
    return (number >> (len(text) * 5 - count * 8)).to_bytes(count, "big")


def hex_bytes(data: bytes) -> bytes | None:
    """The bytes behind hex digits; everything up to the first other character, None when there is none."""
    text = data.translate(None, b" \t\r\n:").replace(b"\\x", b"").replace(b"0x", b"")
    end = next((index for index, code in enumerate(text) if code not in _HEX), len(text))
    text = text[: end - end % 2]
    return bytes.fromhex(text.decode("ascii")) if text else None


def inflate(data: bytes, kind: str, budget: Budget) -> bytes | None:
    """The start of compressed data, never more than the budget; None when nothing comes out."""
    try:
        decoder = _decompressor(kind)
        out = decoder.decompress(data, max(1, budget.decoded))
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError):
        return None
    if not decoder.eof and len(out) >= budget.decoded:
        budget.hit("decoded_bytes")
    return out or None


def _decompressor(kind: str) -> _Decompressor:
    if kind == "gzip":
        return zlib.decompressobj(_GZIP)
    return bz2.BZ2Decompressor() if kind == "bzip2" else lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


def translate(data: bytes, old: bytes, new: bytes) -> bytes:
    """What ``tr old new`` prints: sets with ranges, the last of ``new`` repeated."""
    source, target = _set(old), _set(new)
    if not source or not target:
        return data
    target += target[-1:] * (len(source) - len(target))
    table = bytearray(range(256))
    for before, after in zip(source, target, strict=False):
        table[before] = after
    return data.translate(bytes(table))


def delete(data: bytes, unwanted: bytes) -> bytes:
    """What ``tr -d unwanted`` prints."""
    return data.translate(None, _set(unwanted))


_CLASSES: Final = {
    b"[:upper:]": b"A-Z",
    b"[:lower:]": b"a-z",
    b"[:digit:]": b"0-9",
    b"[:space:]": b" \t\n\r\v\f",
    b"[:alpha:]": b"A-Za-z",
    b"[:alnum:]": b"A-Za-z0-9",
}


def _set(text: bytes) -> bytes:
    for name, members in _CLASSES.items():
        text = text.replace(name, members)
    if text[:1] == b"[" and text[-1:] == b"]" and b"-" in text:
        text = text[1:-1]
    out = bytearray()
    index = 0
    while index < len(text) and len(out) < 1024:  # noqa: PLR2004 (four times every byte)
        if text[index + 1 : index + 2] == b"-" and index + 2 < len(text) and text[index] <= text[index + 2]:
            out += bytes(range(text[index], text[index + 2] + 1))
            index += 3
        else:
            out.append(text[index])
            index += 1
    return bytes(out)
