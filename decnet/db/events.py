"""Events: written once, read back as they were."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import select, tuple_

from decnet.db.dialect import dialect_of
from decnet.db.tables import event as event_table
from decnet.db.tables import session
from decnet.models.event import COMMAND, PAYLOAD_TYPES, CommandPayload, EventId, Payload, SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.actors import SessionRow
    from decnet.models.actor import SessionUuid
    from decnet.models.event import Event
    from decnet.models.event_batch import EventBatch


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it is read back: what its session's rules look at."""

    id: bytes
    observed_at: int
    seq: int
    source_kind: SourceKind
    payload: Payload


_COLUMNS = ("id", "session_id", "observed_at", "seq", "source_kind", "payload")
_EVENTS_OF_SESSIONS = """
SELECT session_id, id, observed_at, seq, source_kind, payload FROM event
WHERE session_id IN ({places}) AND source_kind IN (%s) ORDER BY session_id, observed_at, seq"""
_DECODERS = {kind: msgspec.json.Decoder(payload) for kind, payload in PAYLOAD_TYPES.items()}


def insert_events(connection: Connection, batch: EventBatch, sessions: Mapping[SessionUuid, SessionRow]) -> EventBatch:
    """Store the events of ``batch``; returns those that were not stored before, in the order given."""
    numbers = [sessions[place.session_id].id for place in batch.places]
    rows = [(key, numbers[place], at, seq, kind, payload) for key, place, at, seq, kind, payload in batch.rows]
    rows.sort(key=itemgetter(0))
    added = dialect_of(connection).insert_new(connection, event_table, ("id",), _COLUMNS, rows)
    if len(added) == len(rows):
        return batch
    return batch.only({EventId(key) for (key,) in added})


def any_stored(connection: Connection, ids: Sequence[EventId]) -> bool:
    """Whether an event with one of ``ids`` is stored."""
    return bool(dialect_of(connection).rows_with(connection, "SELECT 1 FROM event WHERE id IN ({places})", ids))


def commands_before(connection: Connection, event: Event) -> list[str]:
    """The lines that a shell read in the session of ``event`` before it, in their order."""
    row = event_table.c
    query = (
        select(row.payload)
        .select_from(event_table.join(session))
        .where(session.c.uuid == event.session_id, row.source_kind == COMMAND)
        .where(tuple_(row.observed_at, row.seq) < (event.observed_at, event.seq))
        .order_by(row.observed_at, row.seq)
    )
    payloads = (msgspec.json.decode(text, type=CommandPayload) for (text,) in connection.execute(query))
    return [payload.command_text for payload in payloads if not payload.stdin and not payload.account]


class Ended(NamedTuple):
    """When a session that is over began (µs UTC), and how many events of it were stored."""

    started_at: int
    events: int


def ended_sessions(connection: Connection, ids: Iterable[int]) -> dict[int, Ended]:
    """Of the sessions ``ids`` those that have ended."""
    sql = "SELECT id, started_at, event_count FROM session WHERE ended_at IS NOT NULL AND id IN ({places})"
    rows = dialect_of(connection).rows_with(connection, sql, list(ids))
    return {number: Ended(started_at, events) for number, started_at, events in rows}


def events_of_sessions(
    connection: Connection, ids: Iterable[int], kinds: Iterable[SourceKind]
) -> dict[int, list[StoredEvent]]:
    """The stored events of these kinds of each session, in order of (observed_at, seq)."""
    found: dict[int, list[StoredEvent]] = {}
    known = sorted(PAYLOAD_TYPES.keys() & frozenset(kinds))  # names of our own, so they may stand in the statement
    if not known:
        return found
    sql = _EVENTS_OF_SESSIONS % ", ".join(f"'{kind}'" for kind in known)
    for number, key, observed_at, seq, kind, text in dialect_of(connection).rows_with(connection, sql, list(ids)):
        payload = _DECODERS[kind].decode(text)
        found.setdefault(number, []).append(StoredEvent(key, observed_at, seq, kind, payload))
    return found
