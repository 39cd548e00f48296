"""The direct mode: a log, its events, its tags and how far it was read, stored together batch by batch.

Per batch one transaction holds events, actors, tags, roll-ups and the position in the file: a kill leaves a whole
batch or nothing, and a second run over the same file adds nothing. Matching happens before the transaction, so that
the database is held for milliseconds.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from decnet.db.engine import reading, writing
from decnet.db.events import ended_sessions, events_of_sessions
from decnet.db.positions import StoredPosition, read_position, write_position
from decnet.db.tags import TagWriter
from decnet.errors import InputRefused
from decnet.intake.store import Intake
from decnet.sources.base import Refusal
from decnet.sources.detect import detect
from decnet.sources.lines import LogReader
from decnet.sources.split import Position
from decnet.telemetry import span
from decnet.ttp.session_engine import EndedSession, session_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy.engine import Connection, Engine

    from decnet.db.actors import SessionRow
    from decnet.models.actor import SessionUuid
    from decnet.models.event import Event, EventId
    from decnet.models.secret import SecretDigest
    from decnet.models.tag import TTPTag
    from decnet.sources.base import Source
    from decnet.sources.split import LineBatch
    from decnet.ttp.session_engine import SessionEngine
    from decnet.ttp.tagger import Tagger

CHUNK_BYTES = 128 * 1024
"""What one transaction holds, in bytes of log: some 400 lines, stored in a few milliseconds."""


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


class DirectRun:
    """Reads logs into one database with one tagger; what it learns of sessions outlives a file.

    ``sensor`` is the operator's name for the honeypot and wins over the one in the records.
    """

    def __init__(
        self,
        database: Engine,
        tagger: Tagger,
        session_rules: SessionEngine,
        digest: SecretDigest,
        *,
        sensor: str | None = None,
        on_progress: Callable[[FileReport, Position], None] | None = None,
        on_tags: Callable[[list[TTPTag]], None] | None = None,
    ) -> None:
        self.database = database
        self._tagger = tagger
        self._session_rules = session_rules
        self._digest = digest
        self._sensor = sensor
        self._on_progress = on_progress
        self._on_tags = on_tags
        self._intake = Intake()
        self._tags = TagWriter()
        self._sources: dict[str, Source] = {}

    def read(
        self, path: str, *, again: bool = False, wait_for_stop: Callable[[float], bool] | None = None
    ) -> FileReport:
        """Store what the log at ``path`` (``-`` is standard input) adds, and tell what became of it.

        Reading goes on where it stopped last time, or starts over with ``again``. ``wait_for_stop`` follows a growing
        file, see :class:`~decnet.sources.lines.LogReader`. A file that cannot be read is a refusal in the report.

        :raises StorageError: the database does not take a batch; nothing of that batch is stored.
        """
        report = FileReport(path)
        reader = LogReader(path, wait_for_stop=wait_for_stop, chunk_bytes=CHUNK_BYTES)
        started = time.monotonic()
        try:
            start = None if again else self._position_of(reader)
            self._read_batches(reader, start, report)
        except InputRefused as error:
            report.refuse("file cannot be read", str(error))
        report.seconds = time.monotonic() - started
        return report

    def _position_of(self, reader: LogReader) -> Position | None:
        fingerprint = reader.fingerprint()
        if not fingerprint:
            return None
        with reading(self.database) as connection:
            stored = read_position(connection, fingerprint)
        return Position(stored.fingerprint, stored.offset, stored.line_number, stored.tail_digest) if stored else None

    def _read_batches(self, reader: LogReader, start: Position | None, report: FileReport) -> None:
        source: Source | None = None
        for batch in reader.batches(start):
            report.lines += len(batch.lines) + len(batch.refusals)
            for refusal in batch.refusals:
                _refuse(report, refusal)
            if source is None and batch.lines:
                source = self._source_for(batch.lines, report.name)
            if source is not None:
                self._store_batch(batch, source, report)
        if reader.has_resumed and start is not None:
            report.resumed_at = start.line - 1

    def _source_for(self, lines: list[bytes], path: str) -> Source:
        """The adapter for a log that starts with ``lines``; one adapter serves all logs of its kind."""
        kind = detect(lines, path)
        source = self._sources.get(kind.name)
        if source is None:
            source = self._sources[kind.name] = kind(self._digest, sensor=self._sensor)
        source.file = path
        return source

    def _store_batch(self, batch: LineBatch, source: Source, report: FileReport) -> None:
        events, end = _events_of(batch, source, report), batch.end
        with span("ttp.tag", events=len(events)):
            tags = [(event.id, found) for event in events if (found := self._tagger.tag(event))]
        now = time.time_ns() // 1_000
        try:
            with span("db.write", events=len(events)), writing(self.database) as connection:
                new, sessions = self._intake.store(connection, events)
                wanted = _tags_of_new(new, tags) + self._session_tags(connection, new, sessions)
                written = self._tags.insert_tags(connection, wanted, sessions, now=now) if wanted else []
                if end.fingerprint:
                    stored = StoredPosition(end.fingerprint, report.name, end.offset, end.line, end.tail)
                    write_position(connection, stored, now=now)
        except BaseException:
            self._intake.forget()
            self._tags.forget()
            raise
        report.new_events += len(new)
        report.known_events += len(events) - len(new)
        report.new_tags += len(written)
        if self._on_progress is not None:
            self._on_progress(report, end)
        if written and self._on_tags is not None:
            self._on_tags(written)

    def _session_tags(
        self, connection: Connection, new: list[Event], sessions: Mapping[SessionUuid, SessionRow]
    ) -> list[TTPTag]:
        """What the rules about whole sessions say of those that ``new`` events end, or reach after their end."""
        kinds = self._session_rules.kinds
        due = dict(_due_sessions(connection, new, sessions)) if kinds else {}
        if not due:
            return []
        events = events_of_sessions(connection, due, kinds)
        return [
            tag for number, seen in events.items() for tag in session_tags(due[number], self._session_rules.hits(seen))
        ]


def _due_sessions(
    connection: Connection, new: list[Event], sessions: Mapping[SessionUuid, SessionRow]
) -> Iterator[tuple[int, EndedSession]]:
    """The sessions of ``new`` that have ended; one that got a late event after its end is due again."""
    touched = {sessions[event.session_id].id: event for event in new}
    for number, started_at in ended_sessions(connection, touched).items() if touched else ():
        event = touched[number]
        yield number, EndedSession(event.session_id, started_at, event.src_ip, event.decky_id)


def _events_of(batch: LineBatch, source: Source, report: FileReport) -> list[Event]:
    """The events of a batch; lines that give none are reported.

    A last line without newline is being written right now: the batch ends before it, so it is read again when whole.
    """
    events: list[Event] = []
    for number, line in enumerate(batch.lines, batch.first_line):
        found = source.read(line, number)
        if isinstance(found, Refusal):
            _refuse(report, found)
        else:
            events.extend(found)
    return events


def _refuse(report: FileReport, refusal: Refusal) -> None:
    report.refuse(refusal.reason, str(refusal))


def _tags_of_new(new: list[Event], tags: Iterable[tuple[EventId, list[TTPTag]]]) -> list[TTPTag]:
    """The tags of events that are new: an event is evaluated once, under the pack in force when it was stored."""
    fresh = {event.id for event in new}
    return list(chain.from_iterable(found for identifier, found in tags if identifier in fresh))
