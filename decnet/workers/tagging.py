"""The ``ttp`` worker: events, findings and ended sessions come from the bus, their tags are stored and announced.

Evaluation happens before the transaction. In it are the tags, their roll-ups, what is announced of them and, where the
bus lives in the same database, the position: a kill leaves all of a batch or nothing. Only rows that are really new are
announced, so a message that comes again, or a subscriber that publishes it again, ends here. That is also why a session
that ends can be a second look at what providers said of its attacker: a verdict whose message was lost tags then.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.bus.base import Start
from decnet.bus.consume import Counters
from decnet.bus.journal import wake_readers
from decnet.bus.topics import EVENTS, FINDING, SESSION_ENDED
from decnet.db.actors import Actors
from decnet.db.events import events_of_sessions
from decnet.db.intel import intel_findings_of, set_intel_bumps
from decnet.db.maintenance import fold_fleet_shards
from decnet.db.outbox import add_messages
from decnet.db.replay import sessions_with
from decnet.db.tags import TagWriter
from decnet.errors import OutdatedRule, StorageError, StorageUnavailable
from decnet.models.actor import SessionUuid
from decnet.models.event import INTEL_VERDICT, unpacked_event
from decnet.models.finding import unpacked_finding
from decnet.models.intel import Agreement
from decnet.telemetry import logger, span
from decnet.ttp.session_engine import EndedSession, session_tags
from decnet.ttp.tagger import CompositeTagger
from decnet.workers.commits import SharedCommits
from decnet.workers.firing import FiredLimit, new_tag_messages, suppressed_messages
from decnet.workers.stopping import consume_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.bus.consume import Batch
    from decnet.db.engine import Database
    from decnet.db.replay import StoredSession
    from decnet.models.actor import AttackerUuid
    from decnet.models.event import Event
    from decnet.models.finding import Finding
    from decnet.models.message import Message
    from decnet.models.tag import TTPTag
    from decnet.ttp.live import LiveRules
    from decnet.ttp.session_engine import SessionRules
    from decnet.workers.firing import Verdict

DURABLE = "ttp"
TOPICS = (EVENTS.pattern, FINDING.subject, SESSION_ENDED.pattern)
LANES = 24
"""Batches at a time, each of another partition: those that come while some are stored share the next transaction."""
RUN = 64
"""Messages of a partition at a time."""
FULL = 2_000
"""Items that are evaluated and stored together: some hundred tags, some 20 ms of writing."""
OUTDATED_PAUSE_S = 0.25
"""How long the rule store is given before a batch that was refused for its rules is evaluated again."""
UPKEEP_S = 1.0
FOLD_S = 60.0

_EVENT_HEAD = 0x9C
"""A MessagePack array of twelve (https://github.com/msgpack/msgpack/blob/master/spec.md#array-format-family)."""
_session_uuid = msgspec.msgpack.Decoder(bytes).decode
_log = logger(__name__)


class _Found(NamedTuple):
    """Tags, and by how much views of attackers are lifted from now on."""

    tags: list[TTPTag]
    bumps: Mapping[AttackerUuid, float]


class TaggingWorker:
    """Tags what ``bus`` brings into ``database``, by ``rules``.

    ``clock`` gives µs UTC. ``shard`` is as for :class:`~decnet.db.tags.TagWriter`; :attr:`counters` tell what was done.
    """

    def __init__(
        self,
        database: Database,
        rules: LiveRules,
        *,
        clock: Callable[[], int],
        shard: int = 0,
        limit: FiredLimit | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._rules = rules
        self._tagger = CompositeTagger([rules])
        self._clock = clock
        self._limit = limit or FiredLimit()
        self._pause = pause
        self._holds: dict[int, int] = {}
        self._writer = TagWriter(Actors(), shard=shard)
        self._commits = SharedCommits(self._tag_and_store, size_of=lambda batch: len(batch.items), full=FULL)
        self.counters = Counters()
        self.tags = 0

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; a server that is away is waited for."""
        async with bus.subscribe(TOPICS, durable=DURABLE, start=Start.FIRST, run=RUN) as subscription:
            upkeep = asyncio.create_task(self._keep_up())
            try:
                await consume_until(stop, subscription, self.handle, parallel=LANES, counters=self.counters)
            finally:
                upkeep.cancel()
                await asyncio.gather(upkeep, return_exceptions=True)
        await self.announce_suppressed(also_open=True)

    async def handle(self, batch: Batch) -> None:
        """Store and announce the tags of ``batch``; rules that are too old are waited for.

        :raises PartitionLost: another process handles this message; nothing was stored.
        :raises StorageUnavailable: the database is out of reach; nothing was stored.
        """
        while True:
            try:
                await self._commits.store(batch)
            except OutdatedRule as error:
                _log.warning("waiting for newer rules: %s", error)
                await self._pause(OUTDATED_PAUSE_S)
            else:
                return

    async def announce_suppressed(self, *, also_open: bool = False) -> None:
        """Announce what windows that are over held back, or all windows."""
        suppressed = self._limit.take_suppressed(self._clock(), also_open=also_open)
        if not suppressed:
            return
        messages = list(suppressed_messages(suppressed))
        try:
            await asyncio.to_thread(self._database.write, partial(add_messages, messages=messages, now=self._clock()))
        except StorageUnavailable as error:
            self._limit.put_back(suppressed)
            _log.warning("%s", error)
            return
        self._wake(messages)

    def _meet_hold(self, batch: Batch) -> None:
        """Forget sessions when others may have handled commands of this partition since we last did."""
        if self._holds.setdefault(batch.partition, batch.hold) != batch.hold:
            self._holds[batch.partition] = batch.hold
            self._rules.forget_sessions()

    def _tag_and_store(self, batches: list[Batch]) -> None:
        found = [self._look_at(batch) for batch in batches]
        if ended := [item for batch in batches for item in batch.items_of(SESSION_ENDED.pattern)]:
            found.append(self._look_at_ended([SessionUuid(_session_uuid(item)) for item in ended]))
        tags = [tag for one in found for tag in one.tags]
        bumps = {who: bump for one in found for who, bump in one.bumps.items()}
        if tags or bumps or self._database.is_embedded:
            self._store(_Found(tags, bumps), batches)

    def _look_at(self, batch: Batch) -> _Found:
        """The tags of events and findings, in their order."""
        self._meet_hold(batch)
        tags: list[TTPTag] = []
        findings: list[Finding] = []
        with span("ttp.tag", events=len(batch.items)):
            for message in batch.messages:
                if message.topic == EVENTS.pattern:
                    tags += [tag for event in events_in(message.items) for tag in self._tagger.tag(event)]
                elif message.topic != SESSION_ENDED.pattern:
                    findings += map(unpacked_finding, message.items)
            found = self._look_at_findings(findings)
        return _Found(tags + found.tags, found.bumps)

    def _look_at_ended(self, uuids: list[SessionUuid]) -> _Found:
        """Sessions that are over, and what providers have said of their attackers, whose message may have been lost."""

        def look(connection: Connection) -> tuple[list[TTPTag], list[Finding]]:
            told = intel_findings_of(connection, uuids) if self._rules.handles(INTEL_VERDICT) else []
            return tags_of_sessions(connection, uuids, self._rules), told

        tags, told = self._database.read(look)
        verdicts = self._look_at_findings(told)
        return _Found(tags + verdicts.tags, verdicts.bumps)

    def _look_at_findings(self, findings: list[Finding]) -> _Found:
        return _Found(self._rules.tags_of_findings(findings), intel_bumps(findings, self._rules))

    def _store(self, found: _Found, batches: list[Batch]) -> None:
        """Store and announce what was found in some batches, in one transaction."""
        try:
            self._write(found, batches)
        except (OutdatedRule, StorageUnavailable):
            raise
        except StorageError:
            left = self._database.read(partial(Actors().still_stored, tags=found.tags))
            if len(left) == len(found.tags):
                raise  # nobody's attacker was purged meanwhile
            self._write(found._replace(tags=left), batches)

    def _write(self, found: _Found, batches: list[Batch]) -> None:
        now = self._clock()

        def write(connection: Connection) -> tuple[list[TTPTag], Verdict, list[Message]]:
            new = self._writer.insert_tags(connection, found.tags, now=now)
            verdict = self._limit.judge(new, now)
            messages = list(new_tag_messages(new, verdict.fired))
            add_messages(connection, messages, now=now)
            set_intel_bumps(connection, found.bumps)
            for batch in batches:
                batch.acknowledge_within(connection)
            return new, verdict, messages

        def undone() -> None:
            self._writer.forget()
            self._rules.forget_sessions()

        with span("db.write", tags=len(found.tags)):
            new, verdict, messages = self._database.write(write, undone)
        self._limit.note(verdict, now)
        self.tags += len(new)
        self._wake(messages)

    def _wake(self, messages: list[Message]) -> None:
        if messages and self._database.is_embedded:
            wake_readers(self._database)

    async def _keep_up(self) -> None:
        """Announce what was held back when its window is over; on a server, fold what writers keep apart."""
        folded_at = self._clock()
        while True:
            await asyncio.sleep(UPKEEP_S)
            await self.announce_suppressed()
            if not self._database.is_embedded and self._clock() - folded_at >= FOLD_S * 1_000_000:
                folded_at = self._clock()
                try:
                    await asyncio.to_thread(fold_fleet_shards, self._database)
                except StorageError as error:
                    _log.warning("the fleet's sums are not folded for now: %s", error)


def events_in(items: Iterable[bytes]) -> list[Event]:
    """The events among ``items``; other records, which are no arrays of an event's twelve fields, are passed over.

    :raises msgspec.MsgspecError: an item of that shape is no event of this version.
    """
    return [unpacked_event(item) for item in items if item[:1] == bytes((_EVENT_HEAD,))]


def intel_bumps(findings: Iterable[Finding], rules: LiveRules) -> Mapping[AttackerUuid, float]:
    """What the agreements of providers among ``findings`` lift views by: zero where no rule that is in force fires."""
    bumps: dict[AttackerUuid, float] = {}
    for finding in findings:
        if isinstance(finding.figures, Agreement) and finding.attacker_uuid is not None:
            evidence = [hit.evidence for hit in rules.lifter_hits(finding)]
            given = [bump for one in evidence if isinstance(bump := one.get("bump"), float)]
            bumps[finding.attacker_uuid] = max(given, default=0.0)
    return bumps


def tags_of_sessions(connection: Connection, uuids: Iterable[SessionUuid], rules: SessionRules) -> list[TTPTag]:
    """What the rules about whole sessions say of the stored ones among ``uuids``, which are over."""
    kinds = rules.kinds
    sessions = sessions_with(connection, uuids) if kinds else []
    return ended_session_tags(connection, {session.number: ended(session) for session in sessions}, rules)


def ended_session_tags(connection: Connection, due: Mapping[int, EndedSession], rules: SessionRules) -> list[TTPTag]:
    """The tags of ended sessions, by the integers that their events point to."""
    if not due:
        return []
    events = events_of_sessions(connection, due, rules.kinds)
    return [tag for number, seen in events.items() for tag in session_tags(due[number], rules.hits(seen))]


def ended(session: StoredSession) -> EndedSession:
    """A stored session as its rules look at it."""
    return EndedSession(session.uuid, session.started_at, session.address, session.decky_id)
