"""Lines do not depend on how the bytes arrived, and memory does not depend on the file."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from decnet.sources.base import Reason
from decnet.sources.split import MAX_LINE_BYTES, LineBatch, LineSplitter, fingerprint_of

MIB = 1 << 20


def batches_of(*chunks: bytes) -> list[LineBatch]:
    splitter = LineSplitter("log")
    found = [splitter.feed(chunk) for chunk in chunks]
    return [batch for batch in (*found, splitter.finish()) if batch is not None]


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\x00", b"\n")), st.lists(st.integers(0, 300)))
def test_lines_do_not_depend_on_the_chunks(text: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    whole, cut_up = batches_of(text), batches_of(*(text[a:b] for a, b in pairwise(edges)))

    assert [line for batch in cut_up for line in batch.lines] == [line for batch in whole for line in batch.lines]
    assert [batch.end for batch in cut_up][-1:] == [batch.end for batch in whole][-1:]


def test_lines_are_numbered_from_one_without_gaps() -> None:
    first, second = batches_of(b"a\nb\nc", b"c\nd\n")
    assert (first.first_line, first.lines) == (1, [b"a", b"b"])
    assert (second.first_line, second.lines) == (3, [b"cc", b"d"])
    assert second.end_offset == 9


def test_carriage_return_before_a_newline_is_dropped() -> None:
    (batch,) = batches_of(b"a\r\nb\rc\r\n")
    assert batch.lines == [b"a", b"b\rc"]


def test_last_line_without_newline_does_not_advance_the_position() -> None:
    whole, half = batches_of(b'{"a":1}\n{"b":')
    assert half.lines == [b'{"b":']
    assert not half.complete
    assert half.end == whole.end


def test_line_of_50_mib_is_skipped_in_constant_memory_and_reported() -> None:
    splitter = LineSplitter("log")
    assert splitter.feed(b"first\n" + b"x" * 1000) is not None
    for _ in range(50):
        assert splitter.feed(b"x" * MIB) is None
        assert len(splitter._open) <= MAX_LINE_BYTES
    batch = splitter.feed(b"x\nlast\n")

    assert batch is not None
    assert (batch.first_line, batch.lines) == (3, [b"last"])
    (refusal,) = batch.refusals
    assert (refusal.line, refusal.reason) == (2, Reason.TOO_LONG)
    assert batch.end_offset == len(b"first\n") + 1000 + 50 * MIB + 1 + len(b"\nlast\n")


def test_line_of_exactly_the_limit_is_delivered_and_one_byte_more_is_not() -> None:
    (fits,) = batches_of(b"x" * MAX_LINE_BYTES, b"\n")
    (too_long,) = batches_of(b"x" * MAX_LINE_BYTES, b"x\n")
    assert len(fits.lines[0]) == MAX_LINE_BYTES
    assert (too_long.lines, len(too_long.refusals), too_long.end.line) == ([], 1, 2)


def test_overlong_last_line_without_newline_is_reported_and_not_advanced_over() -> None:
    (batch,) = batches_of(b"x" * MIB, b"x" * MIB)
    assert not batch.complete
    assert [refusal.reason for refusal in batch.refusals] == [Reason.TOO_LONG]
    assert batch.end_offset == 0


def test_fingerprint_needs_a_whole_first_line_or_4_kib() -> None:
    assert fingerprint_of(b"half a li") == ""
    assert fingerprint_of(b"line\nmore") == fingerprint_of(b"line\n")
    assert fingerprint_of(b"x" * 4096) == fingerprint_of(b"x" * 5000) != ""
