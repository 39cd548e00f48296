"""The direct mode: a log, its events, its tags and how far it was read, stored together batch by batch.

Per batch one transaction holds events, actors, tags, roll-ups and the position in the file: a kill leaves a whole
batch or nothing, and a second run over the same file adds nothing. Matching happens before the transaction, so that
the database is held for as short as can be.
"""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

from decnet.db.actors import Actors
from decnet.db.events import ended_sessions
from decnet.db.journal import has_readers
from decnet.db.outbox import add_messages
from decnet.db.tags import TagWriter
from decnet.intake.prepared import prepared_events
from decnet.intake.store import Intake
from decnet.telemetry import span
from decnet.workers.ahead import Copy, Found, can_copy
from decnet.workers.direct_attribution import DirectAttribution
from decnet.workers.firing import new_tag_messages
from decnet.workers.foreseen import Foresight
from decnet.workers.logs import CHUNK_BYTES, LogRun, Stored
from decnet.workers.passing import PassingSessions
from decnet.workers.tagging import tags_of_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.attribution.engine import Outcome
    from decnet.db.actors import SessionRow
    from decnet.db.engine import Database
    from decnet.models.actor import SessionUuid
    from decnet.models.artifact import ArtifactStore
    from decnet.models.event import Event, EventId
    from decnet.models.event_batch import EventBatch
    from decnet.models.finding import Finding
    from decnet.models.secret import SecretDigest
    from decnet.models.tag import TagUuid, TTPTag
    from decnet.sources.split import Position
    from decnet.ttp.live import LiveRules
    from decnet.ttp.tagger import Tagger
    from decnet.workers.ahead import Ready
    from decnet.workers.logs import FileReport
    from decnet.workers.mails import StoredBodies
    from decnet.workers.passing import Passed

COPY_AFTER = 1
"""Batches that are read before a copy of this process is worth its cost, some milliseconds."""


class DirectRun(LogRun):
    """Reads logs into one database with one tagger; see :class:`~decnet.workers.logs.LogRun` for the rest.

    With ``ahead``, once it says that all is ready, a copy of this process reads and evaluates what is more than a few
    batches, where there is a processor for it; :meth:`close` ends it. ``bodies`` are those that rules ask for: they are
    told of mails that are evaluated before they are stored.
    """

    first_bytes = CHUNK_BYTES // 8  # so that the copy is made early, and has something to hand over soon
    chunks_at_once = 2  # a tenth less to store; more would hold up other writers of the database for longer

    def __init__(
        self,
        database: Database,
        tagger: Tagger,
        rules: LiveRules,
        digest: SecretDigest,
        *,
        sensor: str | None = None,
        keep_secrets: bool = False,
        on_progress: Callable[[FileReport, Position], None] | None = None,
        on_tags: Callable[[list[TTPTag]], None] | None = None,
        attribution: DirectAttribution | None = None,
        ahead: Callable[[], bool] | None = None,
        artifacts: ArtifactStore | None = None,
        bodies: StoredBodies | None = None,
    ) -> None:
        super().__init__(
            database, digest, sensor=sensor, keep_secrets=keep_secrets, on_progress=on_progress, artifacts=artifacts
        )
        self._bodies = bodies
        self._tagger = tagger
        self._rules = rules
        self._passing = PassingSessions(rules)
        self._on_tags = on_tags
        self._attribution = attribution or DirectAttribution(database)
        self._may_copy = ahead if database.is_embedded and can_copy() and not keep_secrets else None
        self._copy: Copy | None = None
        self._foresight: Foresight | None = None
        self._alone = 0
        actors = Actors()
        self._intake = Intake(actors)
        self._tags = TagWriter(actors)

    def batches(self, path: str, *, again: bool) -> Iterator[Ready]:
        """The batches of a log; see :class:`DirectRun` for who reads them."""
        if self._copy is not None:
            yield from self._copy.read(path, again=again)
            return
        here = self.prepared(path, again=again)
        for number, ready in enumerate(here, 1):
            yield ready
            del ready  # else its memory is kept by both processes
            if number >= COPY_AFTER and self._may_copy is not None and self._may_copy():
                self._foresight = Foresight(self.database)
                self._copy = Copy(self.database, here, self._read_in_copy, self._foresight.forget)
                self._foresight = None  # it is the copy's
                self._alone = 0
                yield from self._copy.batches()
                return

    def close(self) -> None:
        """The copy of this process, where there is one, is over."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def _read_in_copy(self, path: str, again: bool) -> Iterator[Ready]:  # noqa: FBT001 - as it came through a pipe
        return self.prepared(path, again=again)

    def evaluate(self, events: list[Event]) -> Found:
        """The tags of those of ``events`` that have some."""
        if self._bodies is not None:
            self._bodies.note(events)
        with span("ttp.tag", events=len(events)):
            tags = [(event.id, found) for event in events if (found := self._tagger.tag(event))]
        with span("intake.prepare", events=len(events)):
            prepared = prepared_events(events)
        if self._foresight is None:
            return Found(tags, prepared)
        with span("attribution.foresee", events=len(events)):
            is_unique = len(prepared.batch.rows) == len(events)
            unique = events if is_unique else list({event.id: event for event in events}.values())
            return Found(tags, prepared, self._foresight.take_in(unique))

    def store(self, ready: Ready, mark: Callable[[Connection], None]) -> Stored:
        """Store ``ready`` and call ``mark``, in one transaction.

        :raises StorageError: the database does not take it; nothing is stored.
        """
        foreseen = ready.found.foreseen
        prepared = ready.found.prepared or prepared_events(ready.events)
        # The copy is the slower one of the two, so what its findings and whole sessions mean is judged here.
        of_foreseen = self._rules.tags_of_findings(foreseen.findings) if foreseen is not None else []
        with span("ttp.sessions", events=len(prepared.batch.rows)):
            passed = self._passing.evaluate(prepared.batch)

        def work(connection: Connection) -> tuple[EventBatch, list[TTPTag], bool]:
            with span("db.events.insert", events=len(prepared.batch.rows)):
                new, sessions = self._intake.store_prepared(connection, prepared)
            if foreseen is not None and foreseen.basis == self._alone and foreseen.events == len(new.rows):
                outcome = self._attribution.take_in_foreseen(connection, new, foreseen, sessions)
                of_findings, is_alone = of_foreseen, False
            else:
                outcome = self._attribution.take_in(connection, new)
                of_findings, is_alone = self._rules.tags_of_findings(outcome.findings), True
            whole = self._session_tags(connection, outcome, sessions, passed)
            written = self._insert(connection, _tags_of_new(new, ready.found.tags) + whole + of_findings)
            mark(connection)
            return new, written, is_alone

        with span("db.write", events=len(prepared.batch.rows)), self._attribution.turn:
            new, written, is_alone = self.database.write(work, self._forget)
        if is_alone:
            self._go_alone()
        self._told(written)
        return Stored(len(new.rows), len(written))

    def finish(self) -> int:
        """What was read is all there is for now: end its sessions, and cluster; returns the new tags.

        :raises StorageError: the database does not take it; nothing of that step is stored.
        """
        return self.end_silent() + self.cluster()

    def cluster(self) -> int:
        """Bring identities and campaigns up to date with what was read since the last time; returns the new tags.

        :raises StorageError: the database does not take it; call it again.
        """
        if not self._attribution.has_news:
            return 0
        written: dict[TagUuid, TTPTag] = {}

        def tag_grown(connection: Connection, findings: Sequence[Finding]) -> None:
            new = self._insert(connection, self._rules.tags_of_findings(findings))
            written.update((tag.uuid, tag) for tag in new)  # a transaction may be tried again

        with span("cluster.fill"):
            self._attribution.cluster(tag_grown)
        self._tags.forget()
        self._told(list(written.values()))
        return len(written)

    def end_silent(self, silence_s: float = 0.0) -> int:
        """End the sessions of sensors from which nothing came for so long, and tag them; returns the new tags.

        :raises StorageError: the database does not take it; nothing is stored.
        """
        clocks = self._attribution.quiet(silence_s)
        if not clocks:
            return 0

        def work(connection: Connection) -> list[TTPTag]:
            outcome = self._attribution.end(connection, clocks)
            of_findings = self._rules.tags_of_findings(outcome.findings)
            return self._insert(connection, self._session_tags(connection, outcome) + of_findings)

        with span("db.write", clocks=len(clocks)), self._attribution.turn:
            written = self.database.write(work, self._forget)
        self._go_alone()
        self._told(written)
        return len(written)

    def _insert(self, connection: Connection, tags: Sequence[TTPTag]) -> list[TTPTag]:
        """Store tags and, where somebody listens, announce those that are new."""
        now = time.time_ns() // 1_000
        new = self._tags.insert_tags(connection, tags, now=now)
        if new and has_readers(connection):
            add_messages(connection, new_tag_messages(new, ()), now=now)
        return new

    def _go_alone(self) -> None:
        """Something was attributed here: what the copy foresaw until it hears of it does not hold."""
        if self._copy is not None:
            self._alone += 1
            self._copy.go_alone()

    def _forget(self) -> None:
        self._tags.forget()
        self._attribution.forget()

    def _told(self, written: list[TTPTag]) -> None:
        if written and self._on_tags is not None:
            self._on_tags(written)

    def _session_tags(
        self,
        connection: Connection,
        outcome: Outcome,
        sessions: Mapping[SessionUuid, SessionRow] | None = None,
        passed: Iterable[Passed] = (),
    ) -> list[TTPTag]:
        """What the rules about whole sessions say of those that have ended, or got a late event after their end.

        Of ``sessions``, those of the batch, some may have ``passed`` by; what was found of them then holds if no more
        is stored.
        """
        ended = set(outcome.closed) if self._rules.kinds else set()
        known = {one.session_id: one for one in passed if one.session_id in ended}
        numbers = {sessions[uuid].id: known[uuid] for uuid in known} if sessions else {}
        stored = ended_sessions(connection, numbers) if numbers else {}
        whole = [numbers[number] for number, had in stored.items() if had == numbers[number].extent]
        left = ended - {one.session_id for one in whole}
        tags = [tag for one in whole for tag in one.tags]
        return tags + tags_of_sessions(connection, left, self._rules) if left else tags


def _tags_of_new(new: EventBatch, tags: Iterable[tuple[EventId, list[TTPTag]]]) -> list[TTPTag]:
    """The tags of events that are new: an event is evaluated once, under the pack in force when it was stored."""
    fresh = new.ids()
    return list(chain.from_iterable(found for identifier, found in tags if identifier in fresh))
