"""Files that are attached to messages of tests."""

from __future__ import annotations

import io
import zipfile

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
SHORTCUT = b"\x4c\x00\x00\x00\x01\x14\x02\x00" + bytes(100)
RAR4_ENCRYPTED = b"Rar!\x1a\x07\x00" + b"\0\0\x73\x00\x00\x0d\x00" + bytes(6) + b"\0\0\x74\x04\x80\x20\x00" + bytes(40)
RAR4_PLAIN = RAR4_ENCRYPTED.replace(b"\x74\x04\x80", b"\x74\x00\x80")
RAR5_ENCRYPTED_NAMES = b"Rar!\x1a\x07\x01\x00" + b"\0\0\0\0" + b"\x05\x04\x00\x00\x00\x0f"
RAR5_ENCRYPTED_FILE = b"Rar!\x1a\x07\x01\x00" + b"\0\0\0\0" + b"\x07\x02\x01\x03" + b"\0" + b"\x02\x01\x00"
RAR5_PLAIN = b"Rar!\x1a\x07\x01\x00" + b"\0\0\0\0" + b"\x04\x02\x00\x00\x00"
SEVEN_AES = b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(4) + (0).to_bytes(8, "little") + (9).to_bytes(8, "little") + bytes(4)
SEVEN_ENCRYPTED = SEVEN_AES + b"\x17\x06\x00\x01\x24\x06\xf1\x07\x01"
SEVEN_PLAIN = SEVEN_AES + b"\x01\x04\x06\x00\x01\x21\x00\x00\x00"


def zipped(*names: str, encrypted: bool = False) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            # A ZipInfo has a fixed date: bytes that name a test must be the same in every process.
            archive.writestr(zipfile.ZipInfo(name), b"x")
    content = packed.getvalue()
    if not encrypted:
        return content
    return content.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")


def ole(*streams: str) -> bytes:
    """The directory of an OLE file: entries of 128 bytes."""
    entries = (
        (name + "\0").encode("utf-16-le").ljust(64, b"\0") + (2 * len(name) + 2).to_bytes(2, "little") + b"\x02"
        for name in streams
    )
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\0") + b"".join(
        entry.ljust(128, b"\0") for entry in entries
    )
