"""What files in messages are, whatever their names say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from decnet.sources.mail.archives import MAX_ENTRIES, archive_of
from tests.sources.mail.files import (
    RAR4_ENCRYPTED,
    RAR4_PLAIN,
    RAR5_ENCRYPTED_FILE,
    RAR5_ENCRYPTED_NAMES,
    RAR5_PLAIN,
    SEVEN_ENCRYPTED,
    SEVEN_PLAIN,
    SHORTCUT,
    ole,
    zipped,
)
from tests.sources.mail.messages import attachment, multipart, record

if TYPE_CHECKING:
    from decnet.models.mail import Attachment

STARTS = [b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"]


def examined(name: str, content: bytes) -> Attachment:
    (found,) = record(multipart(attachment(name, content))).attachments
    return found


@pytest.mark.parametrize(
    ("name", "content", "file_type", "traits"),
    [
        ("setup.exe", b"MZ\x90", "pe", {"executable"}),
        ("invoice.pdf", b"MZ\x90", "pe", {"executable", "type_mismatch"}),
        ("invoice.pdf.exe", b"MZ\x90", "pe", {"executable", "double_extension"}),
        ("photo.jpg", b"#!/bin/sh\n", "script", {"executable", "type_mismatch"}),
        ("\u202efdp.exe", b"MZ", "pe", {"executable", "right_to_left_override"}),
        ("a.lnk", SHORTCUT, "shortcut", {"shortcut"}),
        ("a.pdf", SHORTCUT, "shortcut", {"shortcut", "type_mismatch"}),
        ("a.iso", bytes(0x8001) + b"CD001" + bytes(9), "disk_image", {"disk_image"}),
        ("a.img", b"\0\0\0", "unknown", {"disk_image"}),
        ("a.jpg", b"\x89PNG\r\n\x1a\n", "png", set()),
        ("a.pdf", b"%PDF-1.7", "pdf", set()),
        ("a.docm", zipped("[Content_Types].xml", "word/vbaProject.bin"), "ooxml", {"macro"}),
        ("a.docx", zipped("[Content_Types].xml", "word/document.xml"), "ooxml", set()),
        ("a.doc", ole("Root Entry", "VBA", "_VBA_PROJECT"), "ole", {"macro"}),
        ("a.doc", ole("Root Entry", "WordDocument"), "ole", set()),
        ("a.zip", zipped("a.txt", "b.lnk"), "zip", {"shortcut"}),
        ("a.zip", zipped("report.pdf.exe"), "zip", {"executable", "double_extension"}),
        ("a.zip", zipped("a.txt", encrypted=True), "zip", {"encrypted_archive"}),
        ("run.js", b"var a = new ActiveXObject('x')", "script", {"executable"}),
        ("notes.txt", b"some notes", "text", set()),
        ("empty.txt", b"", "empty", set()),
    ],
)
def test_a_file_is_told_by_its_bytes_and_its_name(name: str, content: bytes, file_type: str, traits: set[str]) -> None:
    found = examined(name, content)
    assert (found.file_type, set(found.traits)) == (file_type, traits)


def test_words_about_macros_in_a_document_are_none() -> None:
    words = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(77) + "the stream _VBA_PROJECT\0".encode("utf-16-le") + bytes(200)
    )
    assert examined("a.doc", words).traits == ()


@pytest.mark.parametrize(
    ("content", "kind", "encrypted"),
    [
        (zipped("a"), "zip", False),
        (zipped("a", encrypted=True), "zip", True),
        (zipped("a", encrypted=True)[:40], "zip", False),
        (SEVEN_ENCRYPTED, "7z", True),
        (SEVEN_PLAIN, "7z", False),
        (RAR4_ENCRYPTED, "rar", True),
        (RAR4_PLAIN, "rar", False),
        (RAR5_ENCRYPTED_NAMES, "rar", True),
        (RAR5_ENCRYPTED_FILE, "rar", True),
        (RAR5_PLAIN, "rar", False),
    ],
)
def test_an_archive_tells_whether_it_needs_a_password(content: bytes, kind: str, *, encrypted: bool) -> None:
    found = archive_of(content)
    assert found is not None
    assert (found.format, found.is_encrypted) == (kind, encrypted)


@pytest.mark.parametrize(
    "start", [b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"]
)
@pytest.mark.parametrize("rest", [b"", b"\xff" * 300, bytes(300), b"\x80" * 300])
def test_damaged_archives_raise_nothing(start: bytes, rest: bytes) -> None:
    assert archive_of(start + rest) is not None


def test_a_directory_that_is_too_long_is_cut_and_said_to_be() -> None:
    packed = zipped(*(f"{number}.txt" for number in range(MAX_ENTRIES + 5)))
    found = archive_of(packed)
    assert found is not None
    assert (len(found.names), found.is_cut) == (MAX_ENTRIES, True)
    assert record(multipart(attachment("a.zip", packed))).limits == ("archive",)


@pytest.mark.parametrize(
    ("script", "signs"),
    [
        ("var b = new Blob([x]); URL.createObjectURL(b)", {"blob", "create_object_url"}),
        ("navigator.msSaveOrOpenBlob(b, 'x.exe'); atob('%s')" % ("QUJD" * 300), {"ms_save_blob", "atob_large"}),
        ("a.href='data:application/zip;base64,UEs='; a.download = 'x'", {"data_url_download", "download_attribute"}),
        ("console.log('x')", set()),
    ],
)
def test_a_page_that_makes_a_file_by_script_shows_signs(script: str, signs: set[str]) -> None:
    found = examined("report.html", f"<html><script>{script}</script></html>".encode())
    assert (found.file_type, set(found.signs)) == ("html", signs)
    assert ("html_smuggling" in found.traits) == (len(signs) >= 2)


def test_an_extension_that_we_do_not_know_is_not_repeated() -> None:
    assert examined("a.alice", b"x").extension == "other"
    assert examined("noend", b"x").extension == ""


def test_a_name_split_and_encoded_is_put_together() -> None:
    part = (
        b"Content-Type: application/x-a\r\nContent-Disposition: attachment;\r\n"
        b" filename*0*=utf-8''invoice%2Epdf; filename*1=.exe\r\n\r\nMZ"
    )
    (found,) = record(multipart(part)).attachments
    assert (found.extension, "double_extension" in found.traits) == ("exe", True)
