"""Logs, read batch by batch: what was read and how far the log was read are stored in one transaction.

A kill leaves a whole batch or nothing, and a second run over the same log adds nothing. What becomes of the events of a
batch is up to who reads: the direct mode tags them at once, the ``intake`` worker announces them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from decnet.db.positions import StoredPosition, read_position, write_position
from decnet.db.secrets import write_secrets
from decnet.errors import InputRefused
from decnet.models.secret import KeptSecrets
from decnet.sources.base import Refusal
from decnet.sources.detect import detect
from decnet.sources.lines import LogReader, unread_parts
from decnet.sources.mail.extract import kept
from decnet.sources.mail.mailbox import messages_of_folder
from decnet.sources.mail.source import MailSource, message_in
from decnet.sources.split import MAX_LINE_BYTES, Position
from decnet.workers.ahead import Found, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.artifact import ArtifactStore
    from decnet.models.event import Event
    from decnet.models.secret import SecretDigest
    from decnet.sources.base import Source
    from decnet.sources.split import LineBatch

CHUNK_BYTES = MAX_LINE_BYTES
"""What one transaction of most runs holds, in bytes of log: some 3,000 lines, stored in a tenth of a second. A busy
attacker has one state, a few findings and messages, and one place in each index per transaction, so the larger it is
the less a line costs; of a log that grows there is never so much."""
LOOK_AGAIN_S = 0.5
"""How often it is looked whether a log that is missing has come."""


@dataclass(slots=True)
class FileReport:
    """What became of one log: lines read, what was new, what was refused and where it was first met."""

    name: str
    resumed_at: int = 0
    lines: int = 0
    new_events: int = 0
    known_events: int = 0
    new_tags: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    first_refused: dict[str, str] = field(default_factory=dict)

    @property
    def refused_total(self) -> int:
        """How many lines, or the file itself, were refused."""
        return self.refused.total()

    @property
    def lines_per_second(self) -> float:
        """How fast it went; 0 for a run too short to tell."""
        return self.lines / self.seconds if self.seconds > 0.05 else 0.0  # noqa: PLR2004 - a clock's blur

    def refuse(self, reason: str, first: str) -> None:
        """Count one refusal; ``first`` is kept when it is the first of its reason."""
        self.refused[reason] += 1
        self.first_refused.setdefault(reason, first)


UNREADABLE = "file cannot be read"
"""The reason of a log that was refused as a whole."""


class Stored(NamedTuple):
    """How many events and tags of a batch were new."""

    events: int
    tags: int = 0


class LogRun(ABC):
    """Reads logs into ``database``; what it learns of sessions outlives a file.

    ``sensor`` is the operator's name for the honeypot and wins over the one in the records. Mails are kept among
    ``artifacts``; without a store they are not, and rules about their words pass them by. With ``keep_secrets`` what
    digests of secrets stand for is stored as well.
    """

    chunk_bytes: ClassVar[int] = CHUNK_BYTES
    """How much of a log is read at a time; at most as much as a line may have."""
    first_bytes: ClassVar[int] = CHUNK_BYTES
    """How much of it is read at first; then twice as much each time."""
    chunks_at_once: ClassVar[int] = 1
    """How many of them are stored in one transaction, once the first is; of a log that grows always one."""

    def __init__(
        self,
        database: Database,
        digest: SecretDigest,
        *,
        sensor: str | None = None,
        keep_secrets: bool = False,
        on_progress: Callable[[FileReport, Position], None] | None = None,
        artifacts: ArtifactStore | None = None,
    ) -> None:
        self.database = database
        self._artifacts = artifacts
        self._kept = KeptSecrets(digest) if keep_secrets else None
        self._digest = self._kept or digest
        self._sensor = sensor
        self._on_progress = on_progress
        self._sources: dict[str, Source] = {}

    @property
    def digest(self) -> SecretDigest:
        """What replaces secrets; keeps them where they are to be kept."""
        return self._digest

    @abstractmethod
    def store(self, ready: Ready, mark: Callable[[Connection], None]) -> Stored:
        """Store ``ready`` and call ``mark``, which stores how far the log was read, in the same transaction.

        :raises StorageError: the database does not take it; nothing is stored.
        """

    def evaluate(self, events: list[Event]) -> Found:  # noqa: ARG002 - for those who do
        """What is found in ``events`` before the transaction."""
        return Found()

    def batches(self, path: str, *, again: bool) -> Iterator[Ready]:
        """The batches of a log that does not grow, as :meth:`prepared`."""
        return self.prepared(path, again=again)

    def read(
        self, path: str, *, again: bool = False, wait_for_stop: Callable[[float], bool] | None = None
    ) -> FileReport:
        """Store what the log at ``path`` (``-`` is standard input, a folder is a Maildir) adds; tell what became of it.

        Reading goes on where it stopped last time, or starts over with ``again``. ``wait_for_stop`` follows a growing
        file, see :class:`~decnet.sources.lines.LogReader`. A file that cannot be read is a refusal in the report.

        :raises StorageError: the database does not take a batch; nothing of that batch is stored.
        """
        report = FileReport(path)
        started = time.monotonic()
        for part in messages_of_folder(path) or [path]:
            try:
                if wait_for_stop is None:
                    batches = self.batches(part, again=again)
                else:
                    batches = self.prepared(part, again=again, wait_for_stop=wait_for_stop)
                for ready in batches:
                    self.take(ready, report)
                    del ready  # its memory is for the next one
            except InputRefused as error:
                report.refuse(UNREADABLE, str(error))
        report.seconds = time.monotonic() - started
        return report

    def prepared(
        self, path: str, *, again: bool, wait_for_stop: Callable[[float], bool] | None = None
    ) -> Iterator[Ready]:
        """The batches of a log, evaluated. Each is asked for once the one before it is stored.

        :raises InputRefused: the log cannot be opened or read on, or nobody knows its format.
        """
        reader = LogReader(
            path, wait_for_stop=wait_for_stop, chunk_bytes=self.chunk_bytes, first_bytes=self.first_bytes
        )
        start = None if again else self._position_of(reader)
        source: Source | None = None
        for group in _grouped(reader.batches(start), self.chunks_at_once if wait_for_stop is None else 1):
            refusals: list[Refusal] = []
            events: list[Event] = []
            for batch in group:
                refusals += batch.refusals
                if source is None and batch.lines:
                    source = self._source_for(batch.lines, path)
                events += self.events_of(batch, source, refusals) if source is not None else []
            resumed_at = start.line - 1 if start is not None and reader.has_resumed else 0
            yield Ready(
                sum(len(batch.lines) + len(batch.refusals) for batch in group),
                refusals,
                events,
                self.evaluate(events),
                group[-1].end if source is not None else None,
                resumed_at,
            )
            del group, batch, refusals, events  # their memory is for the next ones

    def follow(self, path: str, wait_for_stop: Callable[[float], bool]) -> list[FileReport]:
        """Read what was rotated away unread, then ``path`` as it grows; a path that names no file yet is waited for.

        Ends when ``wait_for_stop`` says so, or when the log cannot be read on, or was packed and read to its end.

        :raises StorageError: as :meth:`read`.
        """
        reports = [self.read(part) for part in unread_parts(path, self.has_read)]
        while not Path(path).exists():
            if wait_for_stop(LOOK_AGAIN_S):
                return reports
        return [*reports, self.read(path, wait_for_stop=wait_for_stop)]

    def has_read(self, path: str) -> bool:
        """Whether anything of the log at ``path`` was read before, under whatever name."""
        try:
            return self._position_of(LogReader(path)) is not None
        except InputRefused:
            return False

    def _position_of(self, reader: LogReader) -> Position | None:
        fingerprint = reader.fingerprint()
        if not fingerprint:
            return None
        stored = self.database.read(partial(read_position, fingerprint=fingerprint))
        return Position(stored.fingerprint, stored.offset, stored.line_number, stored.tail_digest) if stored else None

    def _source_for(self, lines: list[bytes], path: str) -> Source:
        """The adapter for a log that starts with ``lines``; one adapter serves all logs of its kind."""
        kind = detect(lines, path)
        source = self._sources.get(kind.name)
        if source is None:
            source = self._sources[kind.name] = kind(self._digest, sensor=self._sensor)
        source.file = path
        return source

    def take(self, ready: Ready, report: FileReport) -> None:
        """Store a batch and count what came of it."""
        report.lines += ready.lines
        report.resumed_at = ready.resumed_at or report.resumed_at
        for refusal in ready.refusals:
            report.refuse(refusal.reason, str(refusal))
        end = ready.end
        if end is None:
            return
        now = time.time_ns() // 1_000

        def mark(connection: Connection) -> None:
            if end.fingerprint:
                stored = StoredPosition(end.fingerprint, report.name, end.offset, end.line, end.tail)
                write_position(connection, stored, now=now)
            if self._kept is not None:
                write_secrets(connection, self._kept.waiting)

        done = self.store(ready, mark)
        if self._kept is not None:
            self._kept.note_stored()
        report.new_events += done.events
        report.known_events += ready.given - done.events
        report.new_tags += done.tags
        if self._on_progress is not None:
            self._on_progress(report, end)

    def events_of(self, batch: LineBatch, source: Source, refusals: list[Refusal]) -> list[Event]:
        """The events of a batch, its mails kept; lines that give none are added to ``refusals``.

        A last line without newline is being written right now: the batch ends before it, so it is read again when
        whole.
        """
        events: list[Event] = []
        for number, line in enumerate(batch.lines, batch.first_line):
            found = source.read(line, number)
            if isinstance(found, Refusal):
                refusals.append(found)
                continue
            events.extend(found)
            if found and self._artifacts is not None and isinstance(source, MailSource):
                self._artifacts.put(kept(message_in(line)), now=time.time_ns() // 1_000)
        return events


def _grouped(batches: Iterator[LineBatch], most: int) -> Iterator[list[LineBatch]]:
    """``batches``, the first alone, then ``most`` at a time; those before one that cannot be read come as well."""
    group: list[LineBatch] = []
    size = 1
    try:
        for batch in batches:
            group.append(batch)
            if len(group) == size:
                yield group
                group, size = [], most
    except InputRefused:
        if group:
            yield group
        raise
    if group:
        yield group
