"""Reads logs line by line: plain, gzip or Zstandard (told by their first bytes), standard input, and growing files.

Files of messages are told by their first bytes as well and cut into messages: what is a line elsewhere is one of them.

:class:`LogReader` yields :class:`~decnet.sources.split.LineBatch` in constant memory. A batch ends with a
:class:`~decnet.sources.split.Position`; given back later, reading goes on there if the file still has that content,
and at its beginning if not.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from decnet.errors import InputRefused
from decnet.sources.mail.mailbox import MessageSplitter, is_mail, is_mbox
from decnet.sources.split import MAX_LINE_BYTES, LineBatch, LineSplitter, Position
from decnet.sources.streams import CHUNK_BYTES, ByteStream, CompressedDataError, OpenLog, PipeStream, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Splitter = LineSplitter | MessageSplitter

STANDARD_INPUT = "-"
POLL_SECONDS = 0.2

_MAX_ROTATION_DIGITS = 3
_DATE_DIGITS = 8


class LogReader:
    """Reads the log at ``path`` (``-`` is standard input).

    With ``wait_for_stop`` a plain file is followed: at its end the reader calls it with the seconds to wait; true
    means stop (``threading.Event().wait`` fits). When the path names another file (rotation by renaming), the rest of
    the old one is delivered first; when the file became shorter or holds other text (rotation by truncation), reading
    starts again at line 1. Packed files and pipes do not grow: they are read once, to their end.

    ``has_resumed`` tells, once the first batch is there, whether ``start`` was found again.
    """

    def __init__(
        self,
        path: str,
        *,
        wait_for_stop: Callable[[float], bool] | None = None,
        standard_input: BinaryIO | None = None,
        chunk_bytes: int = CHUNK_BYTES,
        first_bytes: int | None = None,
    ) -> None:
        self.path = path
        self.has_resumed = False
        self._wait_for_stop = wait_for_stop
        self._standard_input = standard_input
        self._chunk_bytes = min(chunk_bytes, MAX_LINE_BYTES)
        self._next_bytes = min(first_bytes or chunk_bytes, self._chunk_bytes)

    def fingerprint(self) -> str:
        """What tells this log from others: the digest of its first line; empty for a pipe, or when there is none yet.

        :raises InputRefused: the file cannot be opened or read.
        """
        if self.path == STANDARD_INPUT:
            return ""
        with self._opened() as log:
            try:
                return log.fingerprint() if log.is_regular else ""
            except CompressedDataError:
                return ""
            except OSError as error:
                raise _refused(self.path, error) from error

    def batches(self, start: Position | None = None) -> Iterator[LineBatch]:
        """Batches in file order, from ``start`` if the content up to there is the same as it was.

        :raises InputRefused: the file cannot be opened or read on. What could be read was yielded before.
        """
        if self.path == STANDARD_INPUT:
            yield from self._read_standard_input()
        elif self._wait_for_stop is None:
            yield from self._read_file(start)
        else:
            yield from self._follow(start, self._wait_for_stop)

    def _read_standard_input(self) -> Iterator[LineBatch]:
        pipe = PipeStream(self._standard_input or sys.stdin.buffer)
        head = pipe.peek()
        splitter = _splitter(self.path, head)
        yield from self._drain(unpacked(pipe, head), splitter)
        yield from _last_line(splitter)

    def _read_file(self, start: Position | None) -> Iterator[LineBatch]:
        with self._opened() as log:
            splitter = self._resume(log, start)
            yield from self._drain(log.stream, splitter)
            yield from _last_line(splitter)

    def _follow(self, start: Position | None, wait_for_stop: Callable[[float], bool]) -> Iterator[LineBatch]:
        while True:
            with self._opened() as log:
                splitter = self._resume(log, start)
                yield from self._drain(log.stream, splitter)
                while log.is_plain and not self._is_replaced(log, splitter):
                    if wait_for_stop(POLL_SECONDS):
                        return
                    if not self._is_overwritten(log, splitter):
                        yield from self._drain(log.stream, splitter)
                if not self._is_overwritten(log, splitter):
                    yield from self._drain(log.stream, splitter)
                    yield from _last_line(splitter)
                if not log.is_plain:
                    return
            start = None

    def _is_replaced(self, log: OpenLog, splitter: Splitter) -> bool:
        """Whether the path names other content by now; a path that names nothing for a moment is waited for."""
        try:
            now = Path(self.path).stat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _refused(self.path, error) from error
        return (now.st_dev, now.st_ino) != log.identity or self._is_overwritten(log, splitter)

    def _is_overwritten(self, log: OpenLog, splitter: Splitter) -> bool:
        """Whether what was read is no longer in the file: it was truncated, and may have grown again since."""
        if not log.is_plain:
            return False
        recent = splitter.recent()
        try:
            return log.text_before(splitter.consumed, len(recent)) != recent
        except OSError as error:
            raise _refused(self.path, error) from error

    def _drain(self, stream: ByteStream, splitter: Splitter) -> Iterator[LineBatch]:
        """Every line up to the end of ``stream`` as it is now, except a last one without a newline."""
        while True:
            try:
                chunk = stream.read(self._next_bytes)
                self._next_bytes = min(2 * self._next_bytes, self._chunk_bytes)
            except CompressedDataError as error:
                raise InputRefused(
                    f"{self.path}:{splitter.line}: {error}; the lines before were read; get a complete copy, "
                    "or unpack it as far as it goes and read that"
                ) from error
            except OSError as error:
                raise _refused(f"{self.path}:{splitter.line}", error) from error
            if not chunk:
                return
            batch = splitter.feed(chunk)
            if batch is not None:
                yield batch

    @contextmanager
    def _opened(self) -> Iterator[OpenLog]:
        file = self._open()
        with file:
            try:
                log = OpenLog(file)
            except OSError as error:
                raise _refused(self.path, error) from error
            yield log

    def _open(self) -> BinaryIO:
        try:
            return Path(self.path).open("rb", buffering=0)
        except OSError as error:
            raise _refused(self.path, error) from error
        except ValueError as error:  # a NUL in the name
            raise InputRefused(f"{self.path!r}: is no file name ({error}); name a log file") from error

    def _resume(self, log: OpenLog, start: Position | None) -> Splitter:
        """A splitter for ``log``, whose stream stands after ``start`` if that is still the same content."""
        self.has_resumed = False
        try:
            head = log.head()
            before = log.go_after(start) if start is not None and start.offset and log.is_regular else None
        except CompressedDataError:
            return LineSplitter(self.path)
        except OSError as error:
            raise _refused(self.path, error) from error
        if before is None or start is None:
            return _splitter(self.path, head)
        self.has_resumed = True
        return _splitter(self.path, head, start, before)


def oldest_first(paths: Sequence[str]) -> list[str]:
    """``paths`` with the files that one log was rotated into in the order in which they were written.

    Knows ``cowrie.json.2026-11-22`` (Cowrie) and ``cowrie.json.1`` (logrotate), each also with ``.gz`` or ``.zst``.
    Logs that have nothing to do with each other stay in the order given.
    """
    bases = [_base_and_age(path)[0] for path in paths]
    return sorted(paths, key=lambda path: (bases.index(_base_and_age(path)[0]), _base_and_age(path)[1]))


def unread_parts(path: str, has_read: Callable[[str], bool]) -> list[str]:
    """The files that the log at ``path`` was rotated into and that may hold what was not read, oldest first.

    ``has_read`` tells whether anything of a file was read before. What is older than the first such file is none of
    ours: a log is watched from where watching began.
    """
    here = Path(path)
    try:
        beside = [str(here.parent / entry.name) for entry in here.parent.iterdir() if entry.name != here.name]
    except OSError:
        return []
    parts = oldest_first([part for part in beside if _base_and_age(part)[0] == str(here.parent / here.name)])
    known = [number for number, part in enumerate(parts) if has_read(part)]
    return parts[known[0] :] if known else []


def _base_and_age(path: str) -> tuple[str, tuple[int, int, str]]:
    """The log that ``path`` is a part of, and what sorts its parts oldest first; the growing one comes last."""
    stem = path.removesuffix(".gz").removesuffix(".zst")
    base, dot, suffix = stem.rpartition(".")
    if dot and suffix.isdecimal() and len(suffix) <= _MAX_ROTATION_DIGITS:
        return base, (0, -int(suffix), "")
    digits = suffix.replace("-", "").replace("_", "")
    if dot and digits.isdecimal() and len(digits) >= _DATE_DIGITS:
        return base, (0, 0, digits)
    return stem, (1, 0, "")


def _splitter(path: str, head: bytes, start: Position | None = None, before: bytes = b"") -> Splitter:
    """What cuts a file that begins with ``head``: into messages where it holds such, else into lines."""
    if is_mail(head):
        return MessageSplitter(path, start, before, is_mbox=is_mbox(head))
    return LineSplitter(path, start, before)


def _last_line(splitter: Splitter) -> Iterator[LineBatch]:
    batch = splitter.finish()
    if batch is not None:
        yield batch


def _refused(place: str, error: OSError) -> InputRefused:
    """``error`` as a sentence that says what to do."""
    if isinstance(error, FileNotFoundError):
        return InputRefused(f"{place}: there is no such file; check the path, or whether it was rotated away")
    if isinstance(error, IsADirectoryError):
        return InputRefused(f"{place}: is a directory; name the log files in it")
    if isinstance(error, PermissionError):
        return InputRefused(f"{place}: may not be read by this user; grant read access, or run as the log's owner")
    return InputRefused(f"{place}: cannot be read ({error.strerror or error}); copy it to a local disk and try again")
