"""Events: written once, read back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import select, tuple_

from decnet.db.dialect import dialect_of
from decnet.db.tables import event as event_table
from decnet.db.tables import session
from decnet.models.event import COMMAND, PAYLOAD_TYPES, CommandPayload, Payload, SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.actors import SessionRow
    from decnet.models.actor import SessionUuid
    from decnet.models.event import Event, EventId


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it is read back: what its session's rules look at."""

    id: bytes
    observed_at: int
    seq: int
    source_kind: SourceKind
    payload: Payload


_COLUMNS = ("id", "session_id", "observed_at", "seq", "source_kind", "payload")
_EVENTS_OF_SESSIONS = """
SELECT session_id, id, observed_at, seq, source_kind, payload FROM event WHERE session_id IN ({places})
ORDER BY session_id, observed_at, seq"""
_encode = msgspec.json.Encoder().encode
_DECODERS = {kind: msgspec.json.Decoder(payload) for kind, payload in PAYLOAD_TYPES.items()}


def insert_events(
    connection: Connection, events: Iterable[Event], sessions: Mapping[SessionUuid, SessionRow]
) -> list[Event]:
    """Store ``events``; returns those that were not stored before, each once, in the order given."""
    unique = {event.id: event for event in events}
    rows = [
        (
            event.id,
            sessions[event.session_id].id,
            event.observed_at,
            event.seq,
            event.source_kind,
            _encode(event.payload).decode(),
        )
        for event in unique.values()
    ]
    added = dialect_of(connection).insert_new(connection, event_table, ("id",), _COLUMNS, sorted(rows))
    if len(added) == len(unique):
        return list(unique.values())
    return [event for key, event in unique.items() if (key,) in added]


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
    wanted = frozenset(kinds)
    found: dict[int, list[StoredEvent]] = {}
    rows = dialect_of(connection).rows_with(connection, _EVENTS_OF_SESSIONS, list(ids))
    for number, key, observed_at, seq, kind, text in rows:
        if kind in wanted:
            payload = _DECODERS[kind].decode(text)
            found.setdefault(number, []).append(StoredEvent(key, observed_at, seq, kind, payload))
    return found
