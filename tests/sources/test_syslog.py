"""Syslog frames and headers, as the RFCs and as real senders write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.sources.syslog import MAX_MESSAGE_BYTES, BadFrame, Frame, FrameSplitter, record_of

RECORD = b'{"eventid":"cowrie.command.input","input":"[id] <1> a\\nb"}'


def frames_of(data: bytes, sizes: tuple[int, ...] = ()) -> list[Frame]:
    """What a splitter makes of ``data`` in chunks of ``sizes``, the rest in one."""
    splitter, found = FrameSplitter(), list[Frame]()
    for size in sizes:
        found += splitter.feed(data[:size])
        data = data[size:]
    return [*found, *splitter.feed(data), *splitter.finish()]


def counted(text: bytes) -> bytes:
    return b"%d %s" % (len(text), text)


@pytest.mark.parametrize(
    "header",
    [
        b"<134>1 2026-11-18T12:00:00.000003-07:00 svr04 cowrie 711 ID47 - ",
        b'<165>1 2026-11-18T12:00:00Z svr04 evntslog - ID47 [x@32473 iut="3" why="a \\] \\" b"][y@32473 z="1"] ',
        b"<34>1 - - - - - - \xef\xbb\xbf",
        b"<134>Nov 18 12:00:00 svr04 cowrie[711]: ",
        b"<13>Nov  8 12:00:00 2001:db8::1 cowrie: ",
        b"<14>",
    ],
)
def test_the_record_stands_behind_every_spelling_of_a_header(header: bytes) -> None:
    assert record_of(header + RECORD) == RECORD


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0", b""])
def test_the_end_of_a_datagram_is_no_part_of_its_record(end: bytes) -> None:
    assert record_of(b"<14>" + RECORD + end) == RECORD


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (RECORD, BadFrame.NO_PRIORITY),
        (b"<>" + RECORD, BadFrame.NO_PRIORITY),
        (b"<9999>" + RECORD, BadFrame.NO_PRIORITY),
        (b"<1a>" + RECORD, BadFrame.NO_PRIORITY),
        (b"", BadFrame.NO_PRIORITY),
        (b"<134>1 2026-11-18T12:00:00Z svr04 cowrie", BadFrame.NO_HEADER),
        (b'<134>1 - - - - - [x y="never ends', BadFrame.NO_HEADER),
        (b"<134>1 - - - - - oops " + RECORD, BadFrame.NO_HEADER),
        (b"<14>" + b"x" * MAX_MESSAGE_BYTES, BadFrame.TOO_LONG),
    ],
)
def test_what_is_no_syslog_message_is_told_by_its_reason(frame: bytes, reason: BadFrame) -> None:
    assert record_of(frame) is reason


def test_a_length_or_an_end_of_line_tells_where_a_frame_ends() -> None:
    assert frames_of(counted(b"<1>a\nb") + counted(b"<1>c")) == [b"<1>a\nb", b"<1>c"]
    assert frames_of(b"<1>a\n\n<1>b\r\n<1>5 c\0<1>d") == [b"<1>a", b"<1>b\r", b"<1>5 c", b"<1>d"]


def test_a_counted_frame_that_is_cut_off_is_none() -> None:
    assert frames_of(counted(b"<1>a") + b"20 <1>b") == [b"<1>a"]


@pytest.mark.parametrize("length", [b"0 ", b"05 ", b"12345678 ", b"99999999", b"1x "])
def test_without_a_usable_length_the_connection_is_lost(length: bytes) -> None:
    splitter = FrameSplitter()
    assert splitter.feed(counted(b"<1>a") + length + b"<1>b") == [b"<1>a", BadFrame.NO_LENGTH]
    assert splitter.is_lost


@pytest.mark.parametrize("size", [1, 1_000, 1 << 20])
def test_a_message_that_is_too_long_is_passed_over_in_bounded_memory(size: int) -> None:
    long = b"<1>" + b"x" * (5 * MAX_MESSAGE_BYTES)
    for data in (counted(long) + counted(b"<1>b"), long + b"\n<1>b\n"):
        splitter, found, most = FrameSplitter(), list[Frame](), 0
        for start in range(0, len(data), size):
            found += splitter.feed(data[start : start + size])
            most = max(most, len(splitter._held))
            if size == 1 and start > MAX_MESSAGE_BYTES:  # the rest in one, byte by byte takes its time
                found += splitter.feed(data[start + 1 :])
                break
        assert found == [BadFrame.TOO_LONG, b"<1>b"]
        assert most <= MAX_MESSAGE_BYTES


messages = st.lists(st.binary(max_size=40).map(lambda body: b"<1>" + body.translate(None, b"\n\0")), max_size=8)


@given(messages, st.lists(st.integers(1, 30), max_size=12).map(tuple), st.booleans())
def test_how_the_bytes_were_chunked_makes_no_difference(sent: list[bytes], sizes: tuple[int, ...], count: bool) -> None:  # noqa: FBT001
    data = b"".join(counted(text) if count else text + b"\n" for text in sent)
    assert frames_of(data, sizes) == sent


@given(st.binary(max_size=300), st.lists(st.integers(1, 30), max_size=12).map(tuple))
def test_no_bytes_raise(data: bytes, sizes: tuple[int, ...]) -> None:
    for frame in frames_of(data, sizes):
        assert isinstance(frame, BadFrame) or isinstance(record_of(frame), bytes | BadFrame)
