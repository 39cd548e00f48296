"""Events and everything that they imply (sensor, attacker, session, announcement), in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from decnet.bus.topics import CANARY_TRIGGERED, EMAIL_RECEIVED
from decnet.db.actors import apply_changes
from decnet.db.bodies import insert_bodies
from decnet.db.events import insert_events
from decnet.db.outbox import add_messages
from decnet.intake.prepared import prepared_events
from decnet.models.actor import attacker_uuid
from decnet.models.announcement import canary_triggered, email_received, packed_announcement
from decnet.models.event import EMAIL, packed_event
from decnet.models.message import EVENTS, Message, bulk_messages, partition_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.actors import Actors, SessionRow
    from decnet.intake.prepared import PreparedEvents
    from decnet.models.actor import SessionUuid
    from decnet.models.event import Event
    from decnet.models.event_batch import EventBatch


class Intake:
    """The one way in for events. ``actors`` forgets what was learnt in a transaction that was rolled back.

    With ``announce``, new events are put into the outbox in the same transaction, as bulk messages on ``events``, and
    mails and touched canaries once more on their own topics; the direct mode tags events itself and announces none.
    """

    def __init__(self, actors: Actors, *, announce: bool = False) -> None:
        self._actors = actors
        self._announce = announce

    def store(
        self, connection: Connection, events: Sequence[Event], *, now: int = 0
    ) -> tuple[list[Event], Mapping[SessionUuid, SessionRow]]:
        """Store ``events``; returns those that are new, and the session row of each event given.

        Counters move by new events only, so that a replay changes nothing. ``now`` (µs UTC) is when they are
        announced.
        """
        batch, sessions = self.store_prepared(connection, prepared_events(events))
        new = _those_in(batch, events)
        if self._announce:
            mails = mail_messages(event for event in new if event.source_kind == EMAIL)
            add_messages(connection, [*event_messages(new), *mails, *canary_messages(new)], now=now)
        return new, sessions

    def store_prepared(
        self, connection: Connection, prepared: PreparedEvents
    ) -> tuple[EventBatch, Mapping[SessionUuid, SessionRow]]:
        """Store events without announcing them; returns those that are new: the very batch where all are."""
        batch = prepared.batch
        if not batch.rows:
            return batch, {}
        sessions = self._actors.sessions_of(connection, batch.first_events())
        new = insert_events(connection, batch, sessions)
        insert_bodies(connection, new.of_kind(EMAIL))
        apply_changes(connection, prepared.changes_by(new), sessions)
        return new, sessions


def _those_in(batch: EventBatch, events: Sequence[Event]) -> list[Event]:
    """The events of ``batch``, which is of some of ``events``."""
    if len(batch.rows) == len(events):
        return list(events)
    ids = batch.ids()
    return [event for key, event in {event.id: event for event in events}.items() if key in ids]


def event_messages(events: Iterable[Event]) -> Iterator[Message]:
    """``events`` as bulk messages: one partition each, in the order given."""
    partitions: dict[int, list[bytes]] = defaultdict(list)
    known: dict[str, int] = {}
    for event in events:
        address = event.src_ip
        partition = known.get(address)
        if partition is None:
            partition = known[address] = partition_of(attacker_uuid(address))
        partitions[partition].append(packed_event(event))
    for partition, items in sorted(partitions.items()):
        yield from bulk_messages(EVENTS, partition, items)


def mail_messages(mails: Iterable[Event]) -> Iterator[Message]:
    """What is announced of ``mails``: pointer, digests and counts."""
    partitions: dict[int, list[bytes]] = defaultdict(list)
    for mail in mails:
        received = email_received(mail)
        partitions[partition_of(received.attacker_uuid)].append(packed_announcement(received))
    for partition, items in sorted(partitions.items()):
        yield from bulk_messages(EMAIL_RECEIVED.pattern, partition, items)


def canary_messages(events: Iterable[Event]) -> Iterator[Message]:
    """A message on ``canary.<token>.triggered`` for each canary that was touched."""
    for event in events:
        if touched := canary_triggered(event):
            topic = CANARY_TRIGGERED.name(token=touched.token)
            yield Message(topic, partition_of(touched.attacker_uuid), (packed_announcement(touched),))
