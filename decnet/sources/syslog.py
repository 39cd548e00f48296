"""Syslog as an envelope: a stream of bytes in, frames out, and of each frame the record that it carries. No I/O.

::

    <134>1 2026-11-18T12:00:00Z svr04 cowrie 711 - - {"eventid":"cowrie.login.failed", ...}   RFC 5424
    <134>Nov 18 12:00:00 svr04 cowrie[711]: {"eventid":"cowrie.login.failed", ...}            RFC 3164
    95 <134>1 2026-11-18T12:00:00Z svr04 cowrie 711 - - {"eventid": ...}                      RFC 6587 3.4.1

A header is passed over and believed in nothing: who an event is about stands in its record. Of a header in the old
style, which every program spells in its own way, the record is what begins with the first brace.
"""

from __future__ import annotations

from enum import StrEnum

MAX_MESSAGE_BYTES = 64 * 1024
"""A longer message is passed over and counted."""

_MAX_LENGTH_DIGITS = 7
_MAX_PRIORITY_DIGITS = 3
_HEADER_FIELDS = 5  # TIMESTAMP HOSTNAME APP-NAME PROCID MSGID, RFC 5424 6.2
_BOM = b"\xef\xbb\xbf"
_ENDS = b"\r\n\0"


class BadFrame(StrEnum):
    """Every reason for which a frame carries no record."""

    TOO_LONG = f"longer than {MAX_MESSAGE_BYTES} bytes"
    NO_LENGTH = "counted frames without a usable length; the connection is closed"
    NO_PRIORITY = "does not begin with a priority, as in <134>"
    NO_HEADER = "header breaks off"


Frame = bytes | BadFrame


class FrameSplitter:
    """Cuts the bytes of one connection into frames; how they were chunked makes no difference.

    The first byte tells how the sender frames: a digit begins a length (RFC 6587 3.4.1), anything else a text that ends
    with a newline (3.4.2) or, as Python's ``SysLogHandler`` writes it, with NUL. It holds one frame of memory at most.
    :attr:`is_lost` tells that a length was unusable: nothing of what follows can be told apart, so hang up.
    """

    def __init__(self) -> None:
        self._held = b""
        self._is_counted: bool | None = None
        self._to_skip = 0
        self._is_skipping_line = False
        self.is_lost = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that ``chunk`` completes."""
        if self._is_counted is None and chunk:
            self._is_counted = chunk[:1].isdigit()
        return self._counted(chunk) if self._is_counted else self._lines(chunk)

    def finish(self) -> list[Frame]:
        """A last text without its end, when the sender has hung up; a part of a counted frame is no frame."""
        left, self._held = self._held, b""
        return [left] if left and not self._is_counted else []

    def _lines(self, chunk: bytes) -> list[Frame]:
        *whole, self._held = (self._held + chunk.replace(b"\0", b"\n")).split(b"\n")
        if whole and self._is_skipping_line:
            whole, self._is_skipping_line = whole[1:], False
        found: list[Frame] = [_capped(line) for line in whole if line.strip(_ENDS)]
        if len(self._held) > MAX_MESSAGE_BYTES or self._is_skipping_line:
            if not self._is_skipping_line:
                found.append(BadFrame.TOO_LONG)
            self._held, self._is_skipping_line = b"", True
        return found

    def _counted(self, chunk: bytes) -> list[Frame]:
        found: list[Frame] = []
        skipped = min(self._to_skip, len(chunk))
        self._to_skip -= skipped
        text, place = self._held + chunk[skipped:], 0
        while place < len(text):
            digits, space, _ = text[place : place + _MAX_LENGTH_DIGITS + 1].partition(b" ")
            if not _is_length(digits) or (not space and len(digits) > _MAX_LENGTH_DIGITS):
                self.is_lost = True
                self._held = b""
                return [*found, BadFrame.NO_LENGTH]
            start = place + len(digits) + 1
            end = start + int(digits)
            if not space or (end > len(text) and end - start <= MAX_MESSAGE_BYTES):
                break
            if end - start > MAX_MESSAGE_BYTES:
                found.append(BadFrame.TOO_LONG)
                self._to_skip = max(0, end - len(text))
            else:
                found.append(text[start:end])
            place = end
        self._held = text[place:]
        return found


def _is_length(digits: bytes) -> bool:
    return digits.isdigit() and not digits.startswith(b"0")


def record_of(frame: bytes) -> Frame:
    """The record in ``frame``, or why there is none."""
    text = frame.rstrip(_ENDS)
    if len(text) > MAX_MESSAGE_BYTES:
        return BadFrame.TOO_LONG
    after = _after_priority(text)
    if after is None:
        return BadFrame.NO_PRIORITY
    if after.startswith(b"1 "):
        return _modern_record(after)
    brace = after.find(b"{")
    return after[brace:] if brace >= 0 else after.strip()


def _after_priority(text: bytes) -> bytes | None:
    """What follows ``<134>``; None where that is not there."""
    digits, end, _ = text[1 : _MAX_PRIORITY_DIGITS + 2].partition(b">")
    if text[:1] != b"<" or not end or not digits.isdigit():
        return None
    return text[len(digits) + 2 :]


def _modern_record(after: bytes) -> Frame:
    """The message behind ``1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA`` (RFC 5424 6)."""
    parts = after.split(b" ", _HEADER_FIELDS + 1)
    if len(parts) <= _HEADER_FIELDS + 1:
        return BadFrame.NO_HEADER
    rest = parts[-1]
    end = _end_of_data(rest)
    if end is None:
        return BadFrame.NO_HEADER
    return rest[end:].removeprefix(b" ").removeprefix(_BOM)


def _end_of_data(rest: bytes) -> int | None:
    """Where the structured data end: after ``-``, or after the last of ``[id name="value"]...`` (RFC 5424 6.3).

    A quote, a backslash and a bracket within a value are escaped with a backslash. None where they have no end.
    """
    if rest[:1] == b"-":
        return 1
    place, is_quoted = 0, False
    while place < len(rest):
        byte = rest[place : place + 1]
        if byte == b"\\" and is_quoted:
            place += 1
        elif byte == b'"':
            is_quoted = not is_quoted
        elif byte == b"]" and not is_quoted and rest[place + 1 : place + 2] != b"[":
            return place + 1
        elif place == 0 and byte != b"[":
            return None
        place += 1
    return None


def _capped(line: bytes) -> Frame:
    return line if len(line) <= MAX_MESSAGE_BYTES else BadFrame.TOO_LONG
