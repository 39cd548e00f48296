"""Attackers, sessions and sensors: missing ones are written, known ones are found.

Nothing waits for an actor: its uuid is known from the record alone, and whoever writes a row that points to one
writes the missing parent first, in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from decnet.db.rows import insert_new, rows_with
from decnet.db.tables import attacker, campaign, identity, sensor, session
from decnet.models.actor import AttackerUuid, attacker_uuid, campaign_uuid, identity_uuid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from decnet.models.actor import SessionChange, SessionUuid
    from decnet.models.event import Event

REMEMBERED = 8_192
"""How many attackers and sessions a writer knows without asking the database."""
MAX_NAME = 255

_SESSION_COLUMNS = (
    *(
        "uuid",
        "native_id",
        "sensor_id",
        "decky_id",
        "attacker_id",
        "protocol",
        "src_port",
        "started_at",
        "last_event_at",
    ),
    *("event_count", "command_count", "login_failed_count", "login_success_count", "file_count"),
)
_NO_COUNTS = (0, 0, 0, 0, 0)
_ATTACKER_COLUMNS = ("uuid", "address", "identity_id", "first_seen", "last_seen", "event_count")

_STORED_SESSIONS = """
SELECT session.uuid, session.id, attacker.id, identity.id, identity.campaign_id, session.decky_id FROM session
JOIN attacker ON attacker.id = session.attacker_id JOIN identity ON identity.id = attacker.identity_id
WHERE session.uuid IN ({places})"""
_STORED_ATTACKERS = """
SELECT attacker.uuid, attacker.id, identity.id, identity.campaign_id FROM attacker
JOIN identity ON identity.id = attacker.identity_id WHERE attacker.uuid IN ({places})"""
_ADD_TO_SESSION = """
UPDATE session SET last_event_at = max(last_event_at, ?), ended_at = coalesce(?, ended_at),
duration_ms = coalesce(?, duration_ms), event_count = event_count + ?, command_count = command_count + ?,
login_failed_count = login_failed_count + ?, login_success_count = login_success_count + ?, file_count = file_count + ?
WHERE id = ?"""
_ADD_TO_ATTACKER = """
UPDATE attacker SET first_seen = min(first_seen, ?), last_seen = max(last_seen, ?), event_count = event_count + ?
WHERE id = ?"""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """The integers behind a session: what tags and roll-ups point to."""

    id: int
    attacker_id: int
    identity_id: int
    campaign_id: int
    decky_id: int


@dataclass(frozen=True, slots=True)
class _AttackerRow:
    id: int
    identity_id: int
    campaign_id: int

    def session(self, number: int, decky_id: int) -> SessionRow:
        return SessionRow(number, self.id, self.identity_id, self.campaign_id, decky_id)


class Actors:
    """The actors that one writer knows. Call :meth:`forget` when its transaction was rolled back."""

    def __init__(self) -> None:
        self._sensors: dict[str, int] = {}
        self._attackers: dict[AttackerUuid, _AttackerRow] = {}
        self._sessions: dict[SessionUuid, SessionRow] = {}

    def forget(self) -> None:
        """Know nothing: what was learnt in a transaction that failed is not stored."""
        self._sensors.clear()
        self._attackers.clear()
        self._sessions.clear()

    def sessions_of(self, connection: Connection, events: Sequence[Event]) -> Mapping[SessionUuid, SessionRow]:
        """The session of every event, written together with its attacker and sensor where it was missing."""
        missing = {event.session_id: event for event in reversed(events) if event.session_id not in self._sessions}
        if missing:
            self._add_sessions(connection, missing)
        rows = {event.session_id: self._sessions[event.session_id] for event in events}
        _shrink(self._sessions)
        _shrink(self._attackers)
        return rows

    def _add_sessions(self, connection: Connection, first_events: Mapping[SessionUuid, Event]) -> None:
        """Write and remember the sessions that start with ``first_events``; a stored session keeps what it has."""
        names = {name for event in first_events.values() for name in (event.sensor, event.decky_id)}
        self._add_sensors(connection, names)
        self._add_attackers(connection, first_events.values())
        rows = [self._session_values(uuid, event) for uuid, event in sorted(first_events.items())]
        added = insert_new(connection, session, ("uuid",), _SESSION_COLUMNS, rows, returning=("uuid", "id"))
        for uuid, number in added:
            event = first_events[uuid]
            self._sessions[uuid] = self._attackers[attacker_uuid(event.src_ip)].session(
                number, self._sensors[event.decky_id]
            )
        self._find_sessions(connection, [uuid for uuid in first_events if uuid not in self._sessions])

    def _session_values(self, uuid: SessionUuid, event: Event) -> tuple[object, ...]:
        sensor_id, decky_id = self._sensors[event.sensor], self._sensors[event.decky_id]
        attacker_id = self._attackers[attacker_uuid(event.src_ip)].id
        where = (event.native_session[:MAX_NAME], sensor_id, decky_id, attacker_id, event.protocol, event.src_port)
        return (uuid, *where, event.observed_at, event.observed_at, *_NO_COUNTS)

    def _find_sessions(self, connection: Connection, uuids: Sequence[SessionUuid]) -> None:
        """Remember stored sessions."""
        for uuid, *ids in rows_with(connection, _STORED_SESSIONS, uuids):
            self._sessions[uuid] = SessionRow(*ids)

    def _add_attackers(self, connection: Connection, events: Iterable[Event]) -> None:
        """Write and remember the attackers of ``events``, each with the identity and campaign that it starts.

        The older ones are looked up first: their current identity need not be the one that they started.
        """
        first = {attacker_uuid(event.src_ip): event for event in events}
        self._find_attackers(connection, [uuid for uuid in first if uuid not in self._attackers])
        missing = sorted(uuid for uuid in first if uuid not in self._attackers)
        if not missing:
            return
        identities = {uuid: identity_uuid(uuid) for uuid in missing}
        campaigns = {uuid: campaign_uuid(identities[uuid]) for uuid in missing}
        campaign_ids = _written(connection, campaign, ("uuid",), [(campaigns[uuid],) for uuid in missing])
        rows = [(identities[uuid], campaign_ids[campaigns[uuid]]) for uuid in missing]
        identity_ids = _written(connection, identity, ("uuid", "campaign_id"), rows)
        attackers = [
            (
                uuid,
                first[uuid].src_ip,
                identity_ids[identities[uuid]],
                first[uuid].observed_at,
                first[uuid].observed_at,
                0,
            )
            for uuid in missing
        ]
        for uuid, number in _written(connection, attacker, _ATTACKER_COLUMNS, attackers).items():
            own = AttackerUuid(uuid)
            self._attackers[own] = _AttackerRow(number, identity_ids[identities[own]], campaign_ids[campaigns[own]])

    def _find_attackers(self, connection: Connection, uuids: Sequence[AttackerUuid]) -> None:
        """Remember stored attackers with their current identity."""
        for uuid, *ids in rows_with(connection, _STORED_ATTACKERS, uuids):
            self._attackers[uuid] = _AttackerRow(*ids)

    def _add_sensors(self, connection: Connection, names: set[str]) -> None:
        missing = sorted(names - self._sensors.keys())
        if missing:
            insert_new(connection, sensor, ("name",), ("name",), [(name,) for name in missing])
            found = select(sensor.c.name, sensor.c.id).where(sensor.c.name.in_(missing))
            self._sensors.update((name, number) for name, number in connection.execute(found))


def apply_changes(
    connection: Connection, changes: Mapping[SessionUuid, SessionChange], rows: Mapping[SessionUuid, SessionRow]
) -> None:
    """Add what new events changed to their sessions and attackers; the start of a session stays as first written."""
    if not changes:
        return
    sessions = [
        (
            change.last_event_at,
            change.ended_at,
            change.duration_ms,
            change.events,
            change.commands,
            change.logins_failed,
            change.logins_succeeded,
            change.files,
            rows[uuid].id,
        )
        for uuid, change in changes.items()
    ]
    connection.exec_driver_sql(_ADD_TO_SESSION, sorted(sessions, key=lambda values: values[-1]))
    connection.exec_driver_sql(_ADD_TO_ATTACKER, _attacker_sums(changes, rows))


def _attacker_sums(
    changes: Mapping[SessionUuid, SessionChange], rows: Mapping[SessionUuid, SessionRow]
) -> list[tuple[int, ...]]:
    """First seen, last seen and events per attacker, then the attacker."""
    sums: dict[int, tuple[int, int, int]] = {}
    for uuid, change in changes.items():
        number = rows[uuid].attacker_id
        first, last, events = sums.get(number, (change.first_event_at, change.last_event_at, 0))
        sums[number] = (
            min(first, change.first_event_at),
            max(last, change.last_event_at),
            events + change.events,
        )
    return [(*values, number) for number, values in sorted(sums.items())]


def _written(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> dict[bytes, int]:
    """Insert actors (their uuid first in each row); returns the integer of each, new or stored."""
    ids: dict[bytes, int] = dict(insert_new(connection, table, ("uuid",), columns, rows, returning=("uuid", "id")))
    stored = [row[0] for row in rows if row[0] not in ids]
    ids.update(rows_with(connection, f"SELECT uuid, id FROM {table.name} WHERE uuid IN ({{places}})", stored))  # noqa: S608
    return ids


def _shrink(known: dict[Any, Any]) -> None:
    """Drop the longest known beyond :data:`REMEMBERED`."""
    for uuid in list(islice(known, max(0, len(known) - REMEMBERED))):
        del known[uuid]
