"""Files of messages: one message (``.eml``, a file of a Maildir) or many behind each other (mbox, RFC 4155). No I/O."""

from __future__ import annotations

import re  # single characters only: its time is linear in the text
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.sources.mail.mime import MAX_MESSAGE_BYTES
from decnet.sources.split import WITNESS_BYTES, LineBatch, Position, fingerprint_of, tail_digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MBOX_MARK = b"From "
"""The first line of a message in an mbox begins with this; the same within a message is quoted with ``>``."""
_BETWEEN = b"\n\n" + MBOX_MARK
_CRLF_BETWEEN = b"\r\n\r\n" + MBOX_MARK
_WINDOW = len(_CRLF_BETWEEN)
_TELLING = frozenset(
    {b"received", b"return-path", b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"delivered-to"}
    | {b"x-original-to", b"reply-to", b"content-type", b"dkim-signature", b"envelope-to"}
)
_LEAST_TELLING = 2
_HEADER = re.compile(rb"^([A-Za-z][A-Za-z0-9-]{0,60}+):", re.MULTILINE)
_BOM = b"\xef\xbb\xbf"


def is_mail(head: bytes) -> bool:
    """Whether a file that begins with ``head`` holds messages: it is an mbox, or begins with headers, some telling."""
    if is_mbox(head):
        return True
    bare = head.removeprefix(_BOM)
    top = bare.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    names = {name.lower() for name in _HEADER.findall(top)}
    return _HEADER.match(top) is not None and len(names & _TELLING) >= _LEAST_TELLING


def is_mbox(head: bytes) -> bool:
    """Whether a file that begins with ``head`` holds messages behind each other; of a pipe four bytes are seen."""
    return head[: len(MBOX_MARK)] in {MBOX_MARK, MBOX_MARK.rstrip()}


def messages_of_folder(path: str) -> list[str] | None:
    """The messages of a Maildir (https://cr.yp.to/proto/maildir.html), by name; None where ``path`` is none."""
    folder = Path(path)
    parts = [folder / "new", folder / "cur"]
    if not all(part.is_dir() for part in parts):
        return None
    found = (each for part in parts for each in part.iterdir() if not each.name.startswith("."))
    return [str(each) for each in sorted(found, key=lambda each: each.name) if each.is_file()]


class MessageSplitter:
    """Cuts a stream into messages, as :class:`~decnet.sources.split.LineSplitter` cuts one into lines.

    Of a message beyond :data:`~decnet.sources.mail.mime.MAX_MESSAGE_BYTES` one byte more than that is kept, by which it
    is known to be cut. ``is_mbox`` is False for a file that is one message. What is quoted in an mbox stays quoted.
    """

    def __init__(self, file: str, start: Position | None = None, before: bytes = b"", *, is_mbox: bool = True) -> None:
        start = start or Position()
        self._file = file
        self._is_mbox = is_mbox
        self._fingerprint = start.fingerprint
        self._offset = start.offset
        self._line = start.line
        self._tail = before
        self._head = b""
        self._open = bytearray()
        self._open_bytes = 0

    @property
    def line(self) -> int:
        """The number of the message that is being read."""
        return self._line

    @property
    def consumed(self) -> int:
        """The bytes taken in so far, counted from the start of the file."""
        return self._offset + self._open_bytes

    def recent(self) -> bytes:
        """Up to 4 KiB of what was taken in last; less where a message was cut."""
        if self._open_bytes > len(self._open):
            return b""
        return (self._tail + bytes(self._open[-WITNESS_BYTES:]))[-WITNESS_BYTES:]

    def feed(self, chunk: bytes) -> LineBatch | None:
        """The messages that ``chunk`` completes; None when it completes none."""
        if not self._fingerprint:
            self._head = (self._head + chunk)[:WITNESS_BYTES]
            self._fingerprint = fingerprint_of(self._head)
        first_line, messages = self._line, list(self._completed(chunk))
        return LineBatch(messages, first_line, self._position()) if messages else None

    def finish(self) -> LineBatch | None:
        """The last message, which may still grow if it is one of an mbox; None when there is none."""
        if not self._open_bytes:
            return None
        message, line = bytes(self._open[: MAX_MESSAGE_BYTES + 1]), self._line
        if self._is_mbox:
            return LineBatch([message], line, self._position(), complete=False)
        self._fingerprint = self._fingerprint or fingerprint_of(self._head + b"\n")
        self._close(message)
        return LineBatch([message], line, self._position())

    def _completed(self, chunk: bytes) -> Iterator[bytes]:
        """Messages that a line of the next one ends; the rest of ``chunk`` is held."""
        searched = max(len(self._open) - _WINDOW, 0)
        self._open += chunk
        self._open_bytes += len(chunk)
        while self._is_mbox and (end := self._end_of_first(searched)) is not None:
            message, rest = bytes(self._open[: min(end, MAX_MESSAGE_BYTES + 1)]), self._open[end:]
            cut = self._open_bytes - len(self._open)  # what was left out of an overlong message
            self._open_bytes = end + cut
            self._close(message)
            self._open, self._open_bytes, searched = rest, len(rest), 0
            yield message
        self._cut()

    def _end_of_first(self, searched: int) -> int | None:
        ends = [
            at + len(mark) - len(MBOX_MARK)
            for mark in (_BETWEEN, _CRLF_BETWEEN)
            if (at := self._open.find(mark, searched)) >= 0
        ]
        return min(ends, default=None)

    def _cut(self) -> None:
        """Of a message that is too long its beginning is held, and its end as far as it may begin the next."""
        if len(self._open) > MAX_MESSAGE_BYTES + 1 + _WINDOW:
            del self._open[MAX_MESSAGE_BYTES + 1 : -_WINDOW]

    def _close(self, message: bytes) -> None:
        """``message`` is delivered: what comes next stands behind it."""
        self._line += 1
        self._offset += self._open_bytes
        self._tail = (self._tail + message[-WITNESS_BYTES:])[-WITNESS_BYTES:]
        self._open, self._open_bytes = bytearray(), 0

    def _position(self) -> Position:
        return Position(self._fingerprint, self._offset, self._line, tail_digest_of(self._tail))
