"""Reading real files: packed, growing, rotated, truncated, damaged, and going on where the last run ended."""

from __future__ import annotations

import gzip
import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import zstandard

from decnet.errors import InputRefused
from decnet.sources.lines import LogReader, oldest_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from decnet.sources.split import LineBatch, Position

NOBODY = 65_534
LINES = [f'{{"number":{number}}}'.encode() for number in range(5000)]
TEXT = b"\n".join(LINES) + b"\n"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def read_all(path: Path, start: Position | None = None, chunk_bytes: int = 4096) -> list[LineBatch]:
    return list(LogReader(str(path), chunk_bytes=chunk_bytes).batches(start))


def lines_of(batches: list[LineBatch]) -> list[bytes]:
    return [line for batch in batches for line in batch.lines]


@pytest.mark.parametrize("packing", PACKERS)
def test_log_is_told_by_its_first_bytes_and_not_by_its_name(tmp_path: Path, packing: str) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(PACKERS[packing](TEXT))
    assert lines_of(read_all(log)) == LINES


@pytest.mark.parametrize("packing", PACKERS)
def test_reading_goes_on_where_the_last_run_ended(tmp_path: Path, packing: str) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(PACKERS[packing](TEXT))
    first = read_all(log)[0]

    rest = read_all(log, first.end)

    assert rest[0].first_line == len(first.lines) + 1
    assert first.lines + lines_of(rest) == LINES


def test_position_in_a_plain_log_holds_in_its_packed_copy(tmp_path: Path) -> None:
    log, packed = tmp_path / "cowrie.json", tmp_path / "cowrie.json.1.gz"
    log.write_bytes(TEXT)
    packed.write_bytes(gzip.compress(TEXT))
    reader = LogReader(str(packed))
    rest = list(reader.batches(read_all(log)[2].end))
    assert reader.has_resumed
    assert lines_of(rest)[-1] == LINES[-1]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"other first line\n" + TEXT, id="another file"),
        pytest.param(LINES[0] + b"\n" + b"x" * len(TEXT) + b"\n", id="same first line, other text"),
        pytest.param(LINES[0] + b"\n", id="shorter"),
        pytest.param(b"", id="empty"),
        pytest.param(gzip.compress(TEXT)[:200], id="damaged"),
    ],
)
def test_position_of_other_content_starts_again_at_the_first_line(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(TEXT)
    position = read_all(log)[1].end
    log.write_bytes(content)
    reader = LogReader(str(log))
    try:
        batches = list(reader.batches(position))
    except InputRefused:
        batches = []
    assert not reader.has_resumed
    assert all(batch.first_line == 1 for batch in batches[:1])


def test_half_written_last_line_is_read_whole_the_next_time(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(b"one\ntw")
    last = read_all(log)[-1]
    assert (last.lines, last.complete) == ([b"tw"], False)

    log.write_bytes(b"one\ntwo\n")

    (again,) = read_all(log, last.end)
    assert (again.first_line, again.lines, again.complete) == (2, [b"two"], True)


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_several_packed_members_are_one_log(tmp_path: Path, packing: str) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(PACKERS[packing](TEXT[:1000]) + PACKERS[packing](TEXT[1000:]))
    assert lines_of(read_all(log)) == LINES


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_packed_log_that_ends_early_gives_its_lines_and_then_says_so(tmp_path: Path, packing: str) -> None:
    log = tmp_path / "cowrie.json"
    packed = PACKERS[packing](os.urandom(1 << 19).hex().encode().replace(b"0", b"\n"))
    log.write_bytes(packed[: len(packed) // 2])
    found: list[LineBatch] = []
    with pytest.raises(InputRefused, match=r"cowrie\.json:\d+: .* data ends early"):
        found.extend(LogReader(str(log)).batches())
    assert lines_of(found)


@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_damaged_packed_log_is_refused_by_name(tmp_path: Path, packing: str) -> None:
    log = tmp_path / "cowrie.json"
    packed = bytearray(PACKERS[packing](TEXT))
    packed[len(packed) // 2 : len(packed) // 2 + 50] = b"\xff" * 50
    log.write_bytes(packed)
    with pytest.raises(InputRefused, match=r"cowrie\.json"):
        read_all(log)


def test_packed_log_that_unpacks_a_thousandfold_is_read_in_small_pieces(tmp_path: Path) -> None:
    log = tmp_path / "bomb.zst"
    log.write_bytes(zstandard.ZstdCompressor(level=19).compress(b"x" * (64 << 20) + b"\nlast\n"))
    (batch,) = read_all(log)
    assert batch.lines == [b"last"]
    assert len(batch.refusals) == 1


def test_directory_missing_file_and_odd_name_are_refused_with_a_way_out(tmp_path: Path) -> None:
    for path, said in (
        (str(tmp_path), "is a directory; name the log files in it"),
        (str(tmp_path / "absent.json"), "there is no such file; check the path"),
        ("a\0b", "is no file name"),
    ):
        with pytest.raises(InputRefused, match=said):
            list(LogReader(path).batches())


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may read everything, so root becomes nobody for a moment."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_unreadable_file_is_refused_with_a_way_out(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.touch(mode=0)
    with an_ordinary_user(), pytest.raises(InputRefused, match="grant read access"):
        read_all(log)


def test_empty_file_has_no_batches(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.touch()
    assert read_all(log) == []


@pytest.mark.parametrize("packing", PACKERS)
def test_standard_input_is_read_packed_or_not(packing: str) -> None:
    reader = LogReader("-", standard_input=io.BytesIO(PACKERS[packing](TEXT)))
    assert lines_of(list(reader.batches())) == LINES


class Writer:
    """Acts on the log each time its reader waits, then tells it to stop."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)

    def __call__(self, seconds: float) -> bool:
        assert seconds <= 0.2
        if not self.steps:
            return True
        self.steps.pop(0)()
        return False


def follow(log: Path, *steps: Callable[[], object], start: Position | None = None) -> list[tuple[int, bytes]]:
    batches = LogReader(str(log), wait_for_stop=Writer(*steps)).batches(start)
    return [(batch.first_line + i, line) for batch in batches for i, line in enumerate(batch.lines)]


def append(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)


def test_followed_log_delivers_what_is_appended_and_joins_half_lines(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(b"one\n")
    found = follow(log, lambda: append(log, b"tw"), lambda: append(log, b"o\nthree\nfo"))
    assert found == [(1, b"one"), (2, b"two"), (3, b"three")]


def test_followed_log_that_is_renamed_is_finished_before_the_new_one(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(b"old 1\n")

    def rotate() -> None:
        append(log, b"old 2\nold 3")
        log.rename(tmp_path / "cowrie.json.2026-11-22")
        log.write_bytes(b"new 1\n")

    assert follow(log, rotate) == [(1, b"old 1"), (2, b"old 2"), (3, b"old 3"), (1, b"new 1")]


def test_followed_log_that_is_gone_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(b"old\n")
    assert follow(log, log.unlink, lambda: None, lambda: log.write_bytes(b"new\n")) == [(1, b"old"), (1, b"new")]


@pytest.mark.parametrize("after", [b"n\n", b"a longer line than before\n"], ids=["shorter", "grown past it"])
def test_followed_log_that_is_truncated_starts_again(tmp_path: Path, after: bytes) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(b"old line\n")
    assert follow(log, lambda: log.write_bytes(after)) == [(1, b"old line"), (1, after.rstrip())]


def test_following_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(b"one\n")
    position = read_all(log)[-1].end
    append(log, b"two\n")
    assert follow(log, lambda: append(log, b"three\n"), start=position) == [(2, b"two"), (3, b"three")]


def test_packed_log_is_not_followed(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json.gz"
    log.write_bytes(gzip.compress(b"one\n"))
    assert follow(log) == [(1, b"one")]


def test_rotated_logs_are_read_in_the_order_of_writing() -> None:
    in_order = [
        "a/other.json",
        "a/cowrie.json.10.gz",
        "a/cowrie.json.2.zst",
        "a/cowrie.json.1",
        "a/cowrie.json.2026-11-21",
        "a/cowrie.json.2026-11-22.gz",
        "a/cowrie.json",
        "-",
    ]
    shuffled = [in_order[0], in_order[6], *reversed(in_order[1:6]), in_order[7]]
    assert oldest_first(shuffled) == in_order


@pytest.mark.parametrize("packing", PACKERS)
def test_a_file_that_vanishes_while_it_is_read_is_read_to_its_end(tmp_path: Path, packing: str) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(PACKERS[packing](TEXT))
    batches = LogReader(str(log), chunk_bytes=4096).batches()
    first = next(batches)
    log.unlink()
    assert lines_of([first, *batches]) == LINES
