"""Events: written once, read back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.db.rows import insert_new
from decnet.db.tables import event as event_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from decnet.db.actors import SessionRow
    from decnet.models.actor import SessionUuid
    from decnet.models.event import Event

_COLUMNS = ("id", "session_id", "observed_at", "seq", "source_kind", "payload")
_encode = msgspec.json.Encoder().encode


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
    added = insert_new(connection, event_table, ("id",), _COLUMNS, rows)
    if len(added) == len(unique):
        return list(unique.values())
    return [event for key, event in unique.items() if (key,) in added]
