"""What a file in a message is: by its bytes, by the end of its name, and where the two contradict each other.

Macros are told by the directory of the container: [MS-OVBA] 2.2.1 has a stream ``_VBA_PROJECT``, which an OLE file
lists in an entry of 128 bytes ([MS-CFB] 2.6.1), and an OOXML file holds ``vbaProject.bin``. No document is ever parsed.
"""

from __future__ import annotations

import re  # single characters and literals only: their time is linear in the text
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from decnet.models.mail import Attachment
from decnet.sources.mail.archives import Archive, archive_of
from decnet.sources.mail.mime import decoded_text, decoded_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.models.mail import FileType, SmugglingSign, Trait
    from decnet.sources.mail.mime import Part

MAX_PAGE_BYTES = 512 << 10
"""Of a page or a script this much is looked at."""
_HEAD_BYTES = 1_024
_MAX_EXTENSION_CHARS = 12
_LEAST_SIGNS = 2
_ISO_MARK, _ISO_MARK_AT = b"CD001", 0x8001
_VHD_FOOTER, _VHD_FOOTER_BYTES = b"conectix", 512
_VBA_ENTRY = "_VBA_PROJECT\0".encode("utf-16-le")
_ENTRY_BYTES, _NAME_BYTES_AT, _TYPE_AT, _STREAM = 128, 64, 66, 2

_MAGIC: tuple[tuple[bytes, FileType], ...] = (
    (b"MZ", "pe"),
    (b"\x7fELF", "elf"),
    (b"\xfe\xed\xfa\xce", "macho"),
    (b"\xfe\xed\xfa\xcf", "macho"),
    (b"\xce\xfa\xed\xfe", "macho"),
    (b"\xcf\xfa\xed\xfe", "macho"),
    (b"\xca\xfe\xba\xbe", "java_class"),
    (b"\x4c\x00\x00\x00\x01\x14\x02\x00", "shortcut"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x8b", "gzip"),
    (b"MSCF", "cab"),
    (b"vhdxfile", "disk_image"),
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"#!", "script"),
    (b"[InternetShortcut]", "shortcut"),
)
"""First bytes, after https://en.wikipedia.org/wiki/List_of_file_signatures."""

_PROGRAMS = frozenset(
    {"exe", "scr", "com", "pif", "cpl", "dll", "sys", "msi", "elf", "bin", "run", "app", "jar", "class"}
)
_SCRIPTS = frozenset(
    {"js", "jse", "vbs", "vbe", "wsf", "wsh", "hta", "ps1", "bat", "cmd", "sh", "py", "php", "pl", "rb", "sct"}
)
_SHORTCUTS = frozenset({"lnk", "url", "library-ms", "search-ms", "website"})
_IMAGES = frozenset({"iso", "img", "vhd", "vhdx", "udf", "dmg"})
_ARCHIVES = frozenset({"zip", "7z", "rar", "gz", "tar", "cab", "ace", "arj"})
_PAGES = frozenset({"html", "htm", "shtml", "xhtml", "svg", "mht", "mhtml"})
_HARMLESS = frozenset(
    {
        "pdf",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "ppt",
        "pptx",
        "rtf",
        "txt",
        "csv",
        "jpg",
        "jpeg",
        "png",
        "gif",
        "bmp",
        "webp",
    }
    | {
        "tif",
        "tiff",
        "mp3",
        "mp4",
        "wav",
        "avi",
        "xml",
        "json",
        "eml",
        "ics",
        "vcf",
        "odt",
        "ods",
        "odp",
        "htm",
        "html",
    }
)
_WITH_MACROS = frozenset({"docm", "dotm", "xlsm", "xltm", "xlam", "xlsb", "pptm", "potm", "ppsm"})
_EXECUTABLE = _PROGRAMS | _SCRIPTS
_RUNS_WHEN_OPENED = _EXECUTABLE | _SHORTCUTS | _IMAGES
_KNOWN = _RUNS_WHEN_OPENED | _ARCHIVES | _PAGES | _HARMLESS | _WITH_MACROS
_EXECUTABLE_TYPES: frozenset[FileType] = frozenset({"pe", "elf", "macho", "java_class", "script"})
_TURNED = frozenset("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")

_SIGNS: tuple[tuple[SmugglingSign, re.Pattern[str]], ...] = (
    ("blob", re.compile(r"\bnew\s{1,10}+Blob\s{0,10}+\(")),
    ("create_object_url", re.compile(r"createObjectURL", re.IGNORECASE)),
    ("ms_save_blob", re.compile(r"msSave(?:OrOpen)?Blob", re.IGNORECASE)),
    ("data_url_download", re.compile(r"data:application/[a-z0-9.+-]{1,80}+;base64", re.IGNORECASE)),
    (
        "download_attribute",
        re.compile(r"\.download\s{0,10}+=|\sdownload\s{0,10}+=|setAttribute\(.download", re.IGNORECASE),
    ),
)
_ATOB = re.compile(r"\batob\s{0,10}+\(")
_LARGE_BASE64 = re.compile(r"[A-Za-z0-9+/]{1000}")
_SCRIPT_WORDS = re.compile(
    r"WScript\.|ActiveXObject|CreateObject\(|@echo off|powershell(?:\.exe)? |<\?php|Invoke-Expression", re.IGNORECASE
)


class Examined(NamedTuple):
    """An attachment, and whether its directory had more entries than are looked at."""

    attachment: Attachment
    is_cut: bool


def examine(part: Part) -> Examined:
    """What the file in ``part`` is; raises nothing, whatever it holds."""
    name = decoded_words(part.filename)
    extension = extension_of(name)
    kind = file_type(part.content, extension)
    archive = archive_of(part.content) if kind in {"zip", "7z", "rar"} else None
    if kind == "zip" and archive is not None and _is_ooxml(archive):
        kind = "ooxml"
    page = decoded_text(part.content[:MAX_PAGE_BYTES], part.charset) if kind in {"html", "svg"} else ""
    signs = tuple(smuggling_signs(page)) if page else ()
    attachment = Attachment(
        sha256(part.content).hexdigest(),
        len(part.content),
        kind,
        extension,
        archive.format if archive is not None and kind != "ooxml" else "",
        tuple(_traits(part.content, kind, name, extension, archive, len(signs))),
        signs,
    )
    return Examined(attachment, archive is not None and archive.is_cut)


def extension_of(name: str) -> str:
    """The end of a name: one that we know, ``other``, or nothing."""
    stem, dot, end = name.strip().rpartition(".")
    if not dot or not stem:
        return ""
    return end.lower() if len(end) <= _MAX_EXTENSION_CHARS and end.lower() in _KNOWN else "other"


def file_type(content: bytes, extension: str) -> FileType:
    """What ``content`` is by its bytes; ``extension`` only decides between kinds of text."""
    if not content:
        return "empty"
    for magic, kind in _MAGIC:
        if content.startswith(magic):
            return kind
    if (
        content[_ISO_MARK_AT : _ISO_MARK_AT + len(_ISO_MARK)] == _ISO_MARK
        or _VHD_FOOTER in content[-_VHD_FOOTER_BYTES:]
    ):
        return "disk_image"
    head = content[:_HEAD_BYTES]
    return "unknown" if b"\0" in head else _text_type(content, head, extension)


def _text_type(content: bytes, head: bytes, extension: str) -> FileType:
    lower = head.lower()
    if b"<svg" in lower:
        return "svg"
    if b"<html" in lower or b"<!doctype html" in lower or b"<script" in lower or extension in _PAGES:
        return "html"
    if extension in _SCRIPTS or _SCRIPT_WORDS.search(content[:MAX_PAGE_BYTES].decode("latin-1")):
        return "script"
    return "mail" if lower.startswith((b"received:", b"return-path:", b"from:")) else "text"


def smuggling_signs(page: str) -> Iterator[SmugglingSign]:
    """Signs of a page that puts a file together by script and saves it."""
    for sign, pattern in _SIGNS:
        if pattern.search(page):
            yield sign
    if _ATOB.search(page) and _LARGE_BASE64.search(page):
        yield "atob_large"


def _traits(
    content: bytes, kind: FileType, name: str, extension: str, archive: Archive | None, signs: int
) -> Iterator[Trait]:
    inner = {extension_of(entry) for entry in archive.names} if archive is not None and kind != "ooxml" else set()
    if _has_macro(content, kind, archive):
        yield "macro"
    if archive is not None and archive.is_encrypted:
        yield "encrypted_archive"
    if signs >= _LEAST_SIGNS:
        yield "html_smuggling"
    if kind == "shortcut" or extension in _SHORTCUTS or inner & _SHORTCUTS:
        yield "shortcut"
    if kind == "disk_image" or extension in _IMAGES or inner & _IMAGES:
        yield "disk_image"
    if kind in _EXECUTABLE_TYPES or extension in _EXECUTABLE or inner & _EXECUTABLE:
        yield "executable"
    runs = kind in _EXECUTABLE_TYPES or kind in {"shortcut", "disk_image"}
    if runs and extension not in _RUNS_WHEN_OPENED and extension not in {"", "other"}:
        yield "type_mismatch"
    if any(_is_doubled(entry) for entry in (name, *(archive.names if inner & _RUNS_WHEN_OPENED and archive else ()))):
        yield "double_extension"
    if not _TURNED.isdisjoint(name):
        yield "right_to_left_override"


def _is_doubled(name: str) -> bool:
    """``invoice.pdf.exe``: what is shown first is harmless, what counts is not."""
    stem, _, end = name.strip().rpartition(".")
    return end.lower() in _RUNS_WHEN_OPENED and extension_of(stem.rstrip()) in _HARMLESS


def _is_ooxml(archive: Archive) -> bool:
    return "[Content_Types].xml" in archive.names


def _has_macro(content: bytes, kind: FileType, archive: Archive | None) -> bool:
    if kind == "ooxml" and archive is not None:
        return any(name.lower().endswith("vbaproject.bin") for name in archive.names)
    return kind == "ole" and _lists_vba(content)


def _lists_vba(content: bytes) -> bool:
    """Whether an entry of the directory of an OLE file is the stream of a VBA project."""
    at = content.find(_VBA_ENTRY)
    while at >= 0:
        size = int.from_bytes(content[at + _NAME_BYTES_AT : at + _NAME_BYTES_AT + 2], "little")
        is_entry = at % _ENTRY_BYTES == 0 and size == len(_VBA_ENTRY)
        if is_entry and content[at + _TYPE_AT : at + _TYPE_AT + 1] == bytes([_STREAM]):
            return True
        at = content.find(_VBA_ENTRY, at + 2)
    return False
