"""What the directory of an archive says: encrypted or not, and which names are in it. Nothing is ever unpacked.

Only directories are read, each capped in bytes and entries, so what an archive would unpack to makes no difference.
Formats: ZIP APPNOTE 6.3.10 (4.3.7, 4.3.12, 4.3.16), 7zFormat.txt of the LZMA SDK, the technotes of RAR 4 and RAR 5.0.
"""

from __future__ import annotations

import lzma
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.models.mail import ArchiveFormat

MAX_ENTRIES = 1_000
_MAX_NAME_BYTES = 512
_MAX_HEADER_BYTES = 1 << 20

_ZIP_END, _ZIP_ENTRY, _ZIP_LOCAL = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_ZIP_END_BYTES, _ZIP_ENTRY_BYTES, _ZIP_LOCAL_BYTES = 22, 46, 30
_ZIP_COMMENT_BYTES = 0xFFFF
_ZIP_ENCRYPTED = 0x1

_7Z = b"7z\xbc\xaf\x27\x1c"
_7Z_HEADER_BYTES = 32
_7Z_AES = b"\x06\xf1\x07\x01"
_7Z_ENCODED = 0x17
_7Z_LZMA, _7Z_LZMA2 = b"\x03\x01\x01", b"\x21"
_7Z_PACK_INFO, _7Z_SIZE, _7Z_CODERS, _7Z_FOLDER = 0x06, 0x09, 0x07, 0x0B
_7Z_ID_BYTES, _7Z_HAS_PROPERTIES = 0x0F, 0x20

_RAR4, _RAR5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
_RAR4_MAIN, _RAR4_FILE, _RAR4_LONG = 0x73, 0x74, 0x8000
_RAR4_ALL_ENCRYPTED, _RAR4_FILE_ENCRYPTED = 0x80, 0x04
_RAR4_HEAD_BYTES = 7
_RAR5_FILE, _RAR5_ALL_ENCRYPTED, _RAR5_FILE_ENCRYPTED = 2, 4, 1
_RAR5_EXTRA, _RAR5_DATA = 0x1, 0x2
_MAX_RECORDS = 8


class Archive(NamedTuple):
    """An archive by its directory. ``names`` are those of up to 1,000 entries; ``is_cut``: there are more."""

    format: ArchiveFormat
    is_encrypted: bool = False
    names: tuple[str, ...] = ()
    is_cut: bool = False


def archive_of(content: bytes) -> Archive | None:
    """The directory of ``content``; None where it is no archive of a kind that we know. Raises nothing."""
    if content.startswith((_ZIP_LOCAL, _ZIP_END)):
        return _zip(content)
    if content.startswith(_7Z):
        return Archive("7z", is_encrypted=_7Z_AES in _7z_header(content))
    if content.startswith(_RAR5):
        return Archive("rar", is_encrypted=any(_rar5_encryption(content)))
    if content.startswith(_RAR4):
        return Archive("rar", is_encrypted=any(_rar4_encryption(content)))
    return None


def _zip(content: bytes) -> Archive:
    end = content.rfind(_ZIP_END, max(len(content) - _ZIP_END_BYTES - _ZIP_COMMENT_BYTES, 0))
    start = _number(content, end + 16, 4) if end >= 0 else -1
    entries = list(_zip_entries(content, start, _ZIP_ENTRY)) if start >= 0 else []
    if not entries:  # a directory that is cut off or forged: what stands in front of the first file is enough
        entries = list(_zip_entries(content, 0, _ZIP_LOCAL))[:1]
    is_encrypted = any(flags & _ZIP_ENCRYPTED for flags, _ in entries)
    names = tuple(name for _, name in entries[:MAX_ENTRIES])
    return Archive("zip", is_encrypted, names, len(entries) > MAX_ENTRIES)


def _zip_entries(content: bytes, at: int, mark: bytes) -> Iterator[tuple[int, str]]:
    """Flags and name of each entry, one more than :data:`MAX_ENTRIES` at most."""
    is_central = mark == _ZIP_ENTRY
    head = _ZIP_ENTRY_BYTES if is_central else _ZIP_LOCAL_BYTES
    flags_at, lengths_at, lengths = (8, 28, 3) if is_central else (6, 26, 2)
    for _ in range(MAX_ENTRIES + 1):
        if content[at : at + len(mark)] != mark or at + head > len(content):
            return
        sizes = [_number(content, at + lengths_at + 2 * place, 2) for place in range(lengths)]
        name = content[at + head : at + head + min(sizes[0], _MAX_NAME_BYTES)]
        yield _number(content, at + flags_at, 2), name.decode("utf-8", "replace")
        at += head + sum(sizes)


def _7z_header(content: bytes) -> bytes:
    """The header with the list of coders, unpacked where it is packed by LZMA and no more than a mebibyte."""
    start = _7Z_HEADER_BYTES + _number(content, 12, 8)
    header = content[start : start + min(_number(content, 20, 8), _MAX_HEADER_BYTES)]
    if not header or header[0] != _7Z_ENCODED or _7Z_AES in header:
        return header
    try:
        return _7z_unpacked_header(content, header)
    except (lzma.LZMAError, IndexError, ValueError):
        return header


def _7z_unpacked_header(content: bytes, header: bytes) -> bytes:
    reader = _Reader(header, 1)
    if reader.byte() != _7Z_PACK_INFO:
        return header
    start = _7Z_HEADER_BYTES + reader.number()
    reader.number()  # packed streams, of which the first is the header
    if reader.byte() != _7Z_SIZE:
        return header
    size = reader.number()
    reader.byte()
    if reader.byte() != _7Z_CODERS or reader.byte() != _7Z_FOLDER:
        return header
    reader.take(3)  # one folder, not external, one coder
    flags = reader.byte()
    codec = reader.take(flags & _7Z_ID_BYTES)
    properties = reader.take(reader.number()) if flags & _7Z_HAS_PROPERTIES else b""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_lzma_filter(codec, properties)])
    return unpacker.decompress(content[start : start + min(size, _MAX_HEADER_BYTES)], _MAX_HEADER_BYTES)


def _lzma_filter(codec: bytes, properties: bytes) -> dict[str, int]:
    """The filter in the words of Python's ``lzma``; a dictionary no larger than what may be unpacked."""
    if codec == _7Z_LZMA2:
        return {"id": lzma.FILTER_LZMA2, "dict_size": _MAX_HEADER_BYTES}
    if codec != _7Z_LZMA or not properties:
        raise ValueError("packed in a way that is not looked into")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    return {"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": _MAX_HEADER_BYTES}


class _Reader:
    """Reads a 7z header. Beyond its end there is an ``IndexError``."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def byte(self) -> int:
        """One byte."""
        self._at += 1
        return self._data[self._at - 1]

    def take(self, size: int) -> bytes:
        """So many bytes."""
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self) -> int:
        """A number of one to nine bytes: leading ones of the first say how many follow."""
        first, value = self.byte(), 0
        mask = 0x80
        for place in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * place)
            value |= self.byte() << (8 * place)
            mask >>= 1
        return value


def _rar4_encryption(content: bytes) -> Iterator[bool]:
    """For each of the first blocks whether it says that something is encrypted."""
    at = len(_RAR4)
    for _ in range(MAX_ENTRIES):
        if at + _RAR4_HEAD_BYTES > len(content):
            return
        kind, flags, size = content[at + 2], _number(content, at + 3, 2), _number(content, at + 5, 2)
        encrypted = {_RAR4_MAIN: _RAR4_ALL_ENCRYPTED, _RAR4_FILE: _RAR4_FILE_ENCRYPTED}.get(kind, 0)
        yield bool(flags & encrypted)
        has_data = kind == _RAR4_FILE or flags & _RAR4_LONG
        at += max(size, _RAR4_HEAD_BYTES) + (_number(content, at + _RAR4_HEAD_BYTES, 4) if has_data else 0)


def _rar5_encryption(content: bytes) -> Iterator[bool]:
    """The same of the fifth version, whose numbers have seven bits to a byte."""
    at = len(_RAR5)
    for _ in range(MAX_ENTRIES):
        size, start = _seven_bit_number(content, at + 4)
        if not size:
            return
        kind, behind = _seven_bit_number(content, start)
        flags, behind = _seven_bit_number(content, behind)
        extra, behind = _seven_bit_number(content, behind) if flags & _RAR5_EXTRA else (0, behind)
        data, behind = _seven_bit_number(content, behind) if flags & _RAR5_DATA else (0, behind)
        end = start + size
        is_file = kind == _RAR5_FILE and extra
        yield kind == _RAR5_ALL_ENCRYPTED or bool(is_file and _has_encryption(content, end - extra, end))
        at = end + data


def _has_encryption(content: bytes, at: int, end: int) -> bool:
    """Whether the extra area of a file has a record about encryption."""
    for _ in range(_MAX_RECORDS):
        size, start = _seven_bit_number(content, at)
        if not size or start >= end:
            return False
        kind, _ = _seven_bit_number(content, start)
        if kind == _RAR5_FILE_ENCRYPTED:
            return True
        at = start + size
    return False


def _seven_bit_number(content: bytes, at: int) -> tuple[int, int]:
    """A number and what stands behind it; 0 beyond the end."""
    value = 0
    for place, byte in enumerate(content[max(at, 0) : max(at, 0) + 8]):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value, at + place + 1
    return 0, at


def _number(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size], "little")
