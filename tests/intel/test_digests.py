"""The list of known malware: from MalwareBazaar's export to the look-up of one digest."""

from __future__ import annotations

import hashlib
import random
import zipfile
from typing import TYPE_CHECKING

import pytest

from decnet.errors import InputRefused
from decnet.intel import malwarebazaar
from decnet.intel.digests import DigestFile, write_digests
from decnet.intel.malwarebazaar import digests_in

if TYPE_CHECKING:
    from pathlib import Path

HEADER = """\
################################################################
# MalwareBazaar full malware samples dump (CSV)                #
################################################################
#
# "first_seen_utc","sha256_hash","md5_hash","sha1_hash","reporter","file_name","file_type_guess","mime_type","signature"
"""


def digest(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def csv_of(*numbers: int) -> str:
    rows = (
        f'"2026-11-22 23:57:02", "{digest(number).hex()}", "{"0" * 32}", "{"1" * 40}", "abuse_ch", "a,b.exe", "exe"'
        for number in numbers
    )
    return HEADER + "\r\n".join(rows) + "\r\n# Number of entries: 3\r\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "list"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def zipped(folder: Path, *members: tuple[str, str]) -> Path:
    path = folder / "full.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return path


def test_the_csv_export_is_read(tmp_path: Path) -> None:
    assert list(digests_in(written(tmp_path, csv_of(1, 2, 3)))) == [digest(1), digest(2), digest(3)]


def test_the_zipped_export_is_read(tmp_path: Path) -> None:
    assert list(digests_in(zipped(tmp_path, ("full.csv", csv_of(1, 2))))) == [digest(1), digest(2)]


def test_plain_digests_are_read_in_any_case(tmp_path: Path) -> None:
    text = f"# sha256\n{digest(1).hex()}\r\n\n{digest(2).hex().upper()}\n{'z' * 64}\n{'ä' * 32}\n"
    assert list(digests_in(written(tmp_path, text))) == [digest(1), digest(2)]


@pytest.mark.parametrize("text", ["", HEADER, "<html>please log in</html>", b"\x00" * 200_000, b"PK\x03\x04 no zip"])
def test_what_holds_no_digest_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(InputRefused, match="no SHA-256"):
        digests_in(written(tmp_path, text))


def test_an_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="holds 2 files"):
        digests_in(zipped(tmp_path, ("a", csv_of(1)), ("b", csv_of(2))))


def test_an_archive_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, ("full.csv", csv_of(*range(2_000))))
    data = bytearray(path.read_bytes())
    data[5_000:6_000] = bytes(1_000)
    path.write_bytes(data)
    with pytest.raises(InputRefused, match="cannot be unpacked"):
        list(digests_in(path))


def test_a_bomb_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(malwarebazaar, "MAX_LIST_BYTES", 1 << 20)
    with pytest.raises(InputRefused, match="longer than 1,048,576 bytes"):
        list(digests_in(zipped(tmp_path, ("full.csv", csv_of(1) + " " * (8 << 20)))))


def test_every_digest_on_the_list_is_found_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "intel" / "known"
    count = write_digests(path, [digest(number % 20_000) for number in range(40_000)])
    known = DigestFile(path)

    assert count == len(known) == 20_000
    assert all(known.holds(digest(number)) for number in range(20_000))
    assert not any(known.holds(digest(number)) for number in range(20_000, 40_000))


def test_digests_at_the_edges_are_found(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - any digests
    edges = [bytes(32), b"\xff" * 32, bytes(31) + b"\1", *(b"\xab\xcd" + chance.randbytes(30) for _ in range(300))]
    write_digests(tmp_path / "known", edges)
    known = DigestFile(tmp_path / "known")

    assert all(known.holds(edge) for edge in edges)
    assert not known.holds(b"\xab\xcd" + bytes(30))
    assert not known.holds(b"")
    assert not known.holds(bytes(31))
    assert not known.holds(bytes(33))


def test_the_end_of_one_digest_and_the_beginning_of_the_next_are_no_digest(tmp_path: Path) -> None:
    first, second = b"\1\1" + b"\1" * 6 + b"\1\1" + bytes(22), b"\1\1" + b"\2" * 30
    write_digests(tmp_path / "known", [first, second])
    across = first[8:16] + second[:8] + bytes(16)

    assert across[:2] == b"\1\1"
    assert not DigestFile(tmp_path / "known").holds(across)


def test_an_empty_list_knows_nothing(tmp_path: Path) -> None:
    assert write_digests(tmp_path / "known", []) == 0
    assert not DigestFile(tmp_path / "known").holds(digest(1))


@pytest.mark.parametrize("keep", [0, 10, 4_000, -1, -16, -17])
def test_a_damaged_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "known"
    write_digests(path, map(digest, range(100)))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputRefused, match="update-feeds"):
        DigestFile(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no list of digests"):
        DigestFile(written(tmp_path, b"x" * (1 << 20)))
