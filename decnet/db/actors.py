"""Attackers, sessions and sensors: missing ones are written, known ones are found.

Nothing waits for an actor: its uuid is known from the record alone, and whoever writes a row that points to one
writes the missing parent first, in the same transaction.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from decnet.db.dialect import Merge, dialect_of
from decnet.db.epochs import MEMBERSHIP, read_epochs
from decnet.db.tables import attacker, campaign, identity, sensor, session
from decnet.errors import StorageError
from decnet.models.actor import AttackerUuid, attacker_uuid, campaign_uuid, identity_uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from decnet.models.actor import IdentityUuid, SessionChange, SessionUuid
    from decnet.models.event_batch import FirstEvent
    from decnet.models.tag import TTPTag

REMEMBERED = 8_192
"""How many attackers and sessions a writer knows without asking the database."""
MAX_NAME = 255
NO_DECOY = ""
"""The name under which tags that no single decoy saw are counted."""

_SESSION_COLUMNS = (
    *("uuid", "native_id", "sensor_id", "decky_id", "attacker_id", "protocol", "src_port", "started_at"),
    *("last_event_at", "event_count", "command_count", "login_failed_count", "login_success_count", "file_count"),
)
_NO_COUNTS = (0, 0, 0, 0, 0)
_ATTACKER_COLUMNS = ("uuid", "address", "identity_id", "first_seen", "last_seen", "event_count")
_COUNTS = ("event_count", "command_count", "login_failed_count", "login_success_count", "file_count")
_SESSION_SUMS = {"last_event_at": Merge.GREATEST, "ended_at": Merge.GIVEN, "duration_ms": Merge.GIVEN} | dict.fromkeys(
    _COUNTS, Merge.ADD
)
_ATTACKER_SUMS = {"first_seen": Merge.LEAST, "last_seen": Merge.GREATEST, "event_count": Merge.ADD}

_STORED_SESSIONS = """
SELECT session.uuid, session.id, attacker.id, identity.id, identity.campaign_id, session.decky_id FROM session
JOIN attacker ON attacker.id = session.attacker_id JOIN identity ON identity.id = attacker.identity_id
WHERE session.uuid IN ({places})"""
_STORED_ATTACKERS = """
SELECT attacker.uuid, attacker.id, identity.id, identity.campaign_id FROM attacker
JOIN identity ON identity.id = attacker.identity_id WHERE attacker.uuid IN ({places})"""
_STORED_IDENTITIES = """
SELECT identity.uuid, NULL, coalesce(head.id, identity.id), coalesce(head.campaign_id, identity.campaign_id)
FROM identity LEFT JOIN identity head ON head.id = identity.merged_into_id WHERE identity.uuid IN ({places})"""


class SessionRow(NamedTuple):
    """The integers behind a session: what events point to."""

    id: int
    attacker_id: int
    identity_id: int
    campaign_id: int
    decky_id: int


class Anchor(NamedTuple):
    """The integers of what a tag hangs on; ``identity_id`` is the attacker's current one, or the tag's own."""

    session_id: int | None
    attacker_id: int | None
    identity_id: int
    campaign_id: int
    decky_id: int


class _Owner(NamedTuple):
    attacker_id: int | None
    identity_id: int
    campaign_id: int


class Actors:
    """The actors that one writer knows. Call :meth:`forget` when its transaction was rolled back.

    What it knows of memberships holds for one epoch: whoever joins or parts identities begins a new one.
    """

    def __init__(self) -> None:
        self._sensors: dict[str, int] = {}
        self._attackers: dict[AttackerUuid, _Owner] = {}
        self._identities: dict[IdentityUuid, _Owner] = {}
        self._sessions: dict[SessionUuid, SessionRow] = {}
        self._membership = -1

    def forget(self) -> None:
        """Know nothing: what was learnt in a transaction that failed is not stored."""
        self._sensors.clear()
        for known in self._by_uuid():
            known.clear()

    def _by_uuid(self) -> tuple[dict[Any, Any], ...]:
        return self._sessions, self._attackers, self._identities

    def sessions_of(self, connection: Connection, events: Sequence[FirstEvent]) -> Mapping[SessionUuid, SessionRow]:
        """The session of each of these, written together with its attacker and sensor where it was missing.

        Their attackers are held until the transaction ends, so that two writers of one attacker take turns.
        """
        self._meet_epoch(connection)
        sessions = self._sessions
        missing = {event.session_id: event for event in reversed(events) if event.session_id not in sessions}
        owners = {attacker_uuid(event.src_ip): event for event in reversed(events)}
        self._add_attackers(connection, owners)
        dialect_of(connection).lock(connection, attacker, "uuid", sorted(owners))
        if missing:
            self._add_sessions(connection, missing)
        rows = {event.session_id: sessions[event.session_id] for event in events}
        self._shrink()
        return rows

    def anchors_of(self, connection: Connection, tags: Sequence[TTPTag]) -> list[Anchor]:
        """What each tag hangs on: its session, else its attacker, else its identity, all of them stored.

        :raises StorageError: an actor of a tag is not stored, for example because it was purged.
        """
        self._meet_epoch(connection)
        loose = [tag for tag in tags if tag.session_id is None]  # a session tells of the others itself
        self._find(connection, _STORED_SESSIONS, self._sessions, {tag.session_id for tag in tags}, SessionRow)
        self._find(connection, _STORED_ATTACKERS, self._attackers, {tag.attacker_uuid for tag in loose}, _Owner)
        self._find(connection, _STORED_IDENTITIES, self._identities, {tag.identity_uuid for tag in loose}, _Owner)
        self._add_sensors(connection, {tag.decky_id or NO_DECOY for tag in loose})
        anchors: dict[SessionUuid, Anchor] = {}  # one object for all tags of a session: they are many
        try:
            return [self._anchor(tag, anchors) for tag in tags]
        except KeyError as error:
            raise StorageError(
                f"a tag hangs on an actor that is not stored (uuid {error.args[0].hex()}); was it purged meanwhile?"
            ) from None
        finally:
            self._shrink()

    def still_stored(self, connection: Connection, tags: Sequence[TTPTag]) -> list[TTPTag]:
        """Those of ``tags`` whose actor is stored: not purged meanwhile."""
        self.forget()
        self._find(connection, _STORED_SESSIONS, self._sessions, {tag.session_id for tag in tags}, SessionRow)
        self._find(connection, _STORED_ATTACKERS, self._attackers, {tag.attacker_uuid for tag in tags}, _Owner)
        self._find(connection, _STORED_IDENTITIES, self._identities, {tag.identity_uuid for tag in tags}, _Owner)
        return [tag for tag in tags if self._has_anchor(tag)]

    def _has_anchor(self, tag: TTPTag) -> bool:
        if tag.session_id is not None:
            return tag.session_id in self._sessions
        return (tag.attacker_uuid or tag.identity_uuid) in (self._attackers | self._identities)

    def _anchor(self, tag: TTPTag, anchors: dict[SessionUuid, Anchor]) -> Anchor:
        if tag.session_id is not None:
            known = anchors.get(tag.session_id)
            if known is None:
                known = anchors[tag.session_id] = Anchor(*self._sessions[tag.session_id])
            return known
        decky = self._sensors[tag.decky_id or NO_DECOY]
        if tag.attacker_uuid is not None:
            return Anchor(None, *self._attackers[tag.attacker_uuid], decky)
        assert tag.identity_uuid is not None  # noqa: S101 - a tag without anchor cannot be made
        return Anchor(None, *self._identities[tag.identity_uuid], decky)

    def _meet_epoch(self, connection: Connection) -> None:
        """Forget who belongs to whom when that has changed; it cannot change before the transaction ends."""
        now = read_epochs(connection)[MEMBERSHIP]
        if now != self._membership:
            self.forget()
            self._membership = now

    def _find(
        self, connection: Connection, sql: str, known: dict[Any, Any], uuids: set[Any], row_type: Callable[..., Any]
    ) -> None:
        missing = [uuid for uuid in uuids if uuid is not None and uuid not in known]
        if not missing:
            return
        for uuid, *ids in dialect_of(connection).rows_with(connection, sql, missing):
            known[uuid] = row_type(*ids)

    def _add_sessions(self, connection: Connection, first_events: Mapping[SessionUuid, FirstEvent]) -> None:
        """Write and remember the sessions that start with ``first_events``; a stored session keeps what it has."""
        names = {name for event in first_events.values() for name in (event.sensor, event.decky_id)}
        self._add_sensors(connection, names)
        rows = [self._session_values(uuid, event) for uuid, event in sorted(first_events.items())]
        dialect_of(connection).insert_missing(connection, session, ("uuid",), _SESSION_COLUMNS, rows)
        self._find(connection, _STORED_SESSIONS, self._sessions, set(first_events), SessionRow)

    def _session_values(self, uuid: SessionUuid, event: FirstEvent) -> tuple[object, ...]:
        sensor_id, decky_id = self._sensors[event.sensor], self._sensors[event.decky_id]
        attacker_id = self._attackers[attacker_uuid(event.src_ip)].attacker_id
        where = (event.native_session[:MAX_NAME], sensor_id, decky_id, attacker_id, event.protocol, event.src_port)
        return (uuid, *where, event.observed_at, event.observed_at, *_NO_COUNTS)

    def _add_attackers(self, connection: Connection, first: Mapping[AttackerUuid, FirstEvent]) -> None:
        """Write and remember the attackers of ``first``, each with the identity and campaign that it starts.

        The older ones are looked up first: their current identity need not be the one that they started.
        """
        known = self._attackers
        self._find(connection, _STORED_ATTACKERS, known, set(first), _Owner)
        missing = sorted(uuid for uuid in first if uuid not in known)
        if not missing:
            return
        identities = {uuid: identity_uuid(uuid) for uuid in missing}
        campaigns = {uuid: campaign_uuid(identities[uuid]) for uuid in missing}
        campaign_ids = _written(connection, campaign, ("uuid",), sorted((campaigns[uuid],) for uuid in missing))
        rows = sorted((identities[uuid], campaign_ids[campaigns[uuid]]) for uuid in missing)
        identity_ids = _written(connection, identity, ("uuid", "campaign_id"), rows)
        attackers = [_attacker_values(uuid, first[uuid], identity_ids[identities[uuid]]) for uuid in missing]
        dialect_of(connection).insert_missing(connection, attacker, ("uuid",), _ATTACKER_COLUMNS, attackers)
        self._find(connection, _STORED_ATTACKERS, known, set(missing), _Owner)

    def _add_sensors(self, connection: Connection, names: set[str]) -> None:
        missing = sorted(names - self._sensors.keys())
        if missing:
            dialect_of(connection).insert_missing(
                connection, sensor, ("name",), ("name",), [(name,) for name in missing]
            )
            found = select(sensor.c.name, sensor.c.id).where(sensor.c.name.in_(missing))
            self._sensors.update((name, number) for name, number in connection.execute(found))

    def _shrink(self) -> None:
        """Drop the longest known beyond :data:`REMEMBERED`."""
        for known in self._by_uuid():
            for uuid in list(islice(known, max(0, len(known) - REMEMBERED))):
                del known[uuid]


def apply_changes(
    connection: Connection, changes: Mapping[SessionUuid, SessionChange], rows: Mapping[SessionUuid, SessionRow]
) -> None:
    """Add what new events changed to their sessions and attackers; the start of a session stays as first written."""
    if not changes:
        return
    sessions = [
        (
            rows[uuid].id,
            change.last_event_at,
            change.ended_at,
            change.duration_ms,
            change.events,
            change.commands,
            change.logins_failed,
            change.logins_succeeded,
            change.files,
        )
        for uuid, change in changes.items()
    ]
    dialect = dialect_of(connection)
    dialect.update(connection, attacker, _ATTACKER_SUMS, _attacker_sums(changes, rows))
    dialect.update(connection, session, _SESSION_SUMS, sorted(sessions, key=lambda values: values[0]))


def _attacker_sums(
    changes: Mapping[SessionUuid, SessionChange], rows: Mapping[SessionUuid, SessionRow]
) -> list[tuple[int, ...]]:
    """Per attacker: its integer, then first seen, last seen and events."""
    sums: dict[int, tuple[int, int, int]] = {}
    for uuid, change in changes.items():
        number = rows[uuid].attacker_id
        first, last, events = sums.get(number, (change.first_event_at, change.last_event_at, 0))
        sums[number] = (
            min(first, change.first_event_at),
            max(last, change.last_event_at),
            events + change.events,
        )
    return [(number, *values) for number, values in sorted(sums.items())]


def _attacker_values(uuid: AttackerUuid, event: FirstEvent, identity_id: int) -> tuple[object, ...]:
    return (uuid, event.src_ip, identity_id, event.observed_at, event.observed_at, 0)


def _written(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> dict[bytes, int]:
    """Insert actors (their uuid first in each row); returns the integer of each, new or stored."""
    dialect = dialect_of(connection)
    dialect.insert_missing(connection, table, ("uuid",), columns, rows)
    sql = f"SELECT uuid, id FROM {table.name} WHERE uuid IN ({{places}})"  # noqa: S608 - a name of ours
    return dict(dialect.rows_with(connection, sql, [row[0] for row in rows]))
