"""Bytes in, whole lines out, with a position after each batch that a later run can resume from. No I/O."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from decnet.sources.base import Reason, Refusal

MAX_LINE_BYTES = 1 << 20
"""A longer line is skipped and reported; it also bounds what the splitter holds in memory."""
WITNESS_BYTES = 4096
"""How much of a file's head and of the text before a position is digested to know the content again."""

_DIGEST_BYTES = 16


class Position(msgspec.Struct, frozen=True, gc=False):
    """A place between two lines, and what tells whether another file has the same content up to there.

    ``offset`` counts decompressed bytes, ``line`` is the number of the next line (the first is 1). ``fingerprint`` is
    of the first line (its first 4 KiB at most), ``tail`` of up to 4 KiB before the offset; both are empty until there
    is a first line.
    """

    fingerprint: str = ""
    offset: int = 0
    line: int = 1
    tail: str = ""


class LineBatch(msgspec.Struct, frozen=True, gc=False):
    """Lines without their newlines; the first has number ``first_line``.

    ``refusals`` are over-long lines that stood before ``first_line``. ``end`` is where to resume once this batch is
    stored. With ``complete`` false the only line has no newline yet and ``end`` stands before it, so a caller that
    refuses the line reads it again, whole, the next time.
    """

    lines: list[bytes]
    first_line: int
    end: Position
    complete: bool = True
    refusals: tuple[Refusal, ...] = ()

    @property
    def end_offset(self) -> int:
        """The decompressed bytes up to which everything was delivered."""
        return self.end.offset


def fingerprint_of(head: bytes) -> str:
    """The digest of the first line in ``head``, or of its first 4 KiB; empty when there is not that much yet."""
    end = head.find(b"\n", 0, WITNESS_BYTES)
    if end >= 0:
        return _digest(head[:end])
    return _digest(head[:WITNESS_BYTES]) if len(head) >= WITNESS_BYTES else ""


def tail_digest_of(before: bytes) -> str:
    """The digest of the last 4 KiB of ``before``, the text that ends at a position."""
    return _digest(before[-WITNESS_BYTES:])


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


class LineSplitter:
    """Cuts a stream into batches of lines; how the stream was chunked makes no difference to the lines.

    ``start`` is where the stream begins within its file and ``before`` the (up to 4 KiB of) text in front of it.
    A chunk must not be larger than a line may be, :data:`MAX_LINE_BYTES`.
    """

    def __init__(self, file: str, start: Position | None = None, before: bytes = b"") -> None:
        start = start or Position()
        self._file = file
        self._fingerprint = start.fingerprint
        self._offset = start.offset
        self._line = start.line
        self._tail = before
        self._head = b""
        self._open = b""  # the line that has no newline yet; only its end once it is over-long
        self._open_bytes = 0

    @property
    def line(self) -> int:
        """The number of the line that is being read."""
        return self._line

    @property
    def consumed(self) -> int:
        """The bytes taken in so far, counted from the start of the file."""
        return self._offset + self._open_bytes

    def recent(self) -> bytes:
        """Up to 4 KiB of what was taken in last."""
        return (self._tail + self._open)[-WITNESS_BYTES:]

    def feed(self, chunk: bytes) -> LineBatch | None:
        """The lines that ``chunk`` completes; None when it completes none."""
        if not self._fingerprint:
            self._head = (self._head + chunk)[:WITNESS_BYTES]
            self._fingerprint = fingerprint_of(self._head)
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            self._hold(chunk)
            return None
        block = self._open + chunk[:cut] if self._open else chunk[:cut]
        refusals = self._refuse_overlong(block)
        if refusals:
            block = block[block.index(b"\n") + 1 :]
        first_line = self._line
        lines = _lines_of(block)
        self._line += len(lines)
        self._offset += len(block)
        self._tail = block[-WITNESS_BYTES:] if len(block) >= WITNESS_BYTES else (self._tail + block)[-WITNESS_BYTES:]
        self._open, self._open_bytes = b"", 0
        self._hold(chunk[cut:])
        return LineBatch(lines, first_line, self._position(), refusals=refusals)

    def finish(self) -> LineBatch | None:
        """The last line, which has no newline; None when there is none."""
        if not self._open_bytes:
            return None
        if self._open_bytes > MAX_LINE_BYTES:
            refusals = (self._overlong(self._open_bytes),)
            return LineBatch([], self._line, self._position(), complete=False, refusals=refusals)
        return LineBatch([self._open.removesuffix(b"\r")], self._line, self._position(), complete=False)

    def _hold(self, piece: bytes) -> None:
        self._open_bytes += len(piece)
        self._open = self._open + piece if self._open else piece
        if self._open_bytes > MAX_LINE_BYTES:
            self._open = self._open[-WITNESS_BYTES:]

    def _refuse_overlong(self, block: bytes) -> tuple[Refusal, ...]:
        """A refusal when the first line of ``block`` is over-long (no other can be), and the state after that line."""
        if len(block) <= MAX_LINE_BYTES and self._open_bytes <= MAX_LINE_BYTES:
            return ()
        end = block.index(b"\n") + 1
        line_bytes = self._open_bytes - len(self._open) + end
        if line_bytes - 1 <= MAX_LINE_BYTES:
            return ()
        refusal = self._overlong(line_bytes - 1)
        self._line += 1
        self._offset += line_bytes
        self._tail = block[:end][-WITNESS_BYTES:]
        return (refusal,)

    def _overlong(self, line_bytes: int) -> Refusal:
        return Refusal(self._file, self._line, Reason.TOO_LONG, f"{line_bytes} bytes, at most {MAX_LINE_BYTES}")

    def _position(self) -> Position:
        return Position(self._fingerprint, self._offset, self._line, tail_digest_of(self._tail))


def _lines_of(block: bytes) -> list[bytes]:
    """The lines of ``block``, which ends with a newline or is empty."""
    if b"\r\n" in block:
        block = block.replace(b"\r\n", b"\n")
    lines = block.split(b"\n")
    lines.pop()
    return lines
