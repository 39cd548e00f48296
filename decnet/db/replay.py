"""Stored events, session by session, and findings, read back whole: what evaluating them again needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import and_, delete, func, select, tuple_

from decnet.db.dialect import dialect_of
from decnet.db.positions import StoredPosition, read_position, write_position
from decnet.db.tables import attacker, identity, log_position, session
from decnet.db.tables import event as event_table
from decnet.db.tables import finding as finding_table
from decnet.models.event import PAYLOAD_TYPES, Event, EventId
from decnet.models.finding import Figures, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection

    from decnet.models.actor import SessionUuid

_BACKFILL = "backfill"
"""The row of ``log_position`` that is no log's: digests of first lines are 64 hex digits."""
_EVENT = event_table.c
_COLUMNS = (_EVENT.session_id, _EVENT.observed_at, _EVENT.seq, _EVENT.id, _EVENT.source_kind, _EVENT.payload)
_ORDER = (_EVENT.session_id, _EVENT.observed_at, _EVENT.seq, _EVENT.id)
_SESSIONS = """
SELECT session.id, session.uuid, session.native_id, session.protocol, session.src_port, session.started_at,
session.ended_at, sensor.name, decky.name, attacker.address
FROM session JOIN attacker ON attacker.id = session.attacker_id JOIN sensor ON sensor.id = session.sensor_id
JOIN sensor AS decky ON decky.id = session.decky_id WHERE session.{column} IN ({{places}})"""
_DECODERS = {kind: msgspec.json.Decoder(payload) for kind, payload in PAYLOAD_TYPES.items()}
_AT_FINDING = "finding "
_decode_figures = msgspec.json.Decoder(Figures).decode
_FINDING = finding_table.c
_FINDING_COLUMNS = (
    *(_FINDING.source_id, _FINDING.source_kind, _FINDING.observed_at, _FINDING.revision, _FINDING.figures),
    *(attacker.c.uuid, identity.c.uuid, session.c.uuid, _FINDING.decky),
)
_FINDINGS = (
    finding_table.outerjoin(attacker, attacker.c.id == _FINDING.attacker_id)
    .outerjoin(identity, identity.c.id == _FINDING.identity_id)
    .outerjoin(session, session.c.id == _FINDING.session_id)
)
_BY_UUID, _BY_NUMBER = _SESSIONS.format(column="uuid"), _SESSIONS.format(column="id")


class StoredSession(NamedTuple):
    """A session as it is read back; ``number`` is what its events point to, ``ended_at`` None while it goes on."""

    number: int
    uuid: SessionUuid
    native_id: str
    protocol: str
    src_port: int | None
    started_at: int
    ended_at: int | None
    sensor: str
    decky_id: str
    address: str


class Place(NamedTuple):
    """The last event that was read, in order of session, time and arrival."""

    session: int
    observed_at: int
    seq: int
    event: bytes


class Page(NamedTuple):
    """Some events in order, those of unknown kinds left out.

    ``finished`` are the sessions whose last event is on this page, or was at the end of the one before; ``end`` is
    where the next page begins, None behind the last one.
    """

    events: list[Event]
    finished: list[StoredSession]
    end: Place | None


START = Place(0, 0, 0, b"")


class FindingPlace(NamedTuple):
    """The last finding that was read, in order of time and id; they come behind all events."""

    observed_at: int
    source_id: str


FIRST_FINDING = FindingPlace(-(2**63), "")


def sessions_with(connection: Connection, uuids: Iterable[SessionUuid]) -> list[StoredSession]:
    """The stored ones among the sessions ``uuids``."""
    return [StoredSession(*row) for row in dialect_of(connection).rows_with(connection, _BY_UUID, sorted(set(uuids)))]


def events_after(connection: Connection, place: Place, limit: int) -> Page:
    """Up to ``limit`` events behind ``place``; an empty page at the end."""
    rows = _rows_after(connection, place, limit)
    if not rows:
        return Page([], _sessions(connection, {place.session}), None)
    end = Place(*rows[-1][:4])
    numbers = {row[0] for row in rows}
    stored = {session.number: session for session in _sessions(connection, numbers | {place.session})}
    events = [_event(row, stored[row[0]]) for row in rows if row[4] in _DECODERS]
    return Page(events, [stored[number] for number in sorted(stored) if number != end.session], end)


def findings_after(connection: Connection, place: FindingPlace, limit: int) -> list[Finding]:
    """Up to ``limit`` findings behind ``place`` at their newest revision, in order of time and id."""
    same_time = and_(_FINDING.observed_at == place.observed_at, _FINDING.source_id > place.source_id)
    return [
        Finding(name, kind, at, revision, _decode_figures(figures), attacker_uuid, identity_uuid, session_uuid, decky)
        for name, kind, at, revision, figures, attacker_uuid, identity_uuid, session_uuid, decky in _range_after(
            connection,
            select(*_FINDING_COLUMNS).select_from(_FINDINGS),
            (same_time, _FINDING.observed_at > place.observed_at),
            (_FINDING.observed_at, _FINDING.source_id),
            limit,
        )
    ]


def count_stored(connection: Connection) -> int:
    """How many events and findings are stored."""
    tables = (event_table, finding_table)
    return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def read_backfill(connection: Connection, rules: str) -> tuple[Place | FindingPlace, int]:
    """Where a backfill with these ``rules`` (a digest) was interrupted, and how much it had seen by then."""
    stored = read_position(connection, _BACKFILL)
    digest, _, place = stored.path.partition(" ") if stored is not None else ("", "", "")
    if stored is None or digest != rules:
        return START, 0
    if place.startswith(_AT_FINDING):
        at, _, source_id = place.removeprefix(_AT_FINDING).partition(" ")
        return FindingPlace(int(at), source_id), stored.offset
    session, observed_at, seq, key = place.split()
    return Place(int(session), int(observed_at), int(seq), bytes.fromhex(key)), stored.offset


def write_backfill(connection: Connection, rules: str, place: Place | FindingPlace, seen: int, *, now: int) -> None:
    """A backfill with ``rules`` came to ``place``; in the transaction that stores what it found."""
    if isinstance(place, FindingPlace):
        text = f"{_AT_FINDING}{place.observed_at} {place.source_id}"
    else:
        text = f"{place.session} {place.observed_at} {place.seq} {place.event.hex()}"
    write_position(connection, StoredPosition(_BACKFILL, f"{rules} {text}", seen, 0, ""), now=now)


def end_backfill(connection: Connection) -> None:
    """The next backfill begins at the first event."""
    connection.execute(delete(log_position).where(log_position.c.fingerprint == _BACKFILL))


def _rows_after(connection: Connection, place: Place, limit: int) -> Sequence[tuple[Any, ...]]:
    """First the rest of the session at ``place``, then later ones."""
    rest = and_(
        _EVENT.session_id == place.session,
        tuple_(_EVENT.observed_at, _EVENT.seq, _EVENT.id) > tuple_(place.observed_at, place.seq, place.event),
    )
    return _range_after(connection, select(*_COLUMNS), (rest, _EVENT.session_id > place.session), _ORDER, limit)


def _range_after(
    connection: Connection,
    query: Select[Any],
    parts: Iterable[ColumnElement[bool]],
    order: Sequence[ColumnElement[Any]],
    limit: int,
) -> list[tuple[Any, ...]]:
    """Up to ``limit`` rows of ``query`` in this order, one of ``parts`` after the other: each a range of an index.

    MariaDB looks at every row for a comparison of several columns at once.
    """
    rows: list[tuple[Any, ...]] = []
    for where in parts:
        if len(rows) < limit:
            found = connection.execute(query.where(where).order_by(*order).limit(limit - len(rows)))
            rows += [tuple(row) for row in found]
    return rows


def _sessions(connection: Connection, numbers: Iterable[int]) -> list[StoredSession]:
    wanted = sorted(number for number in numbers if number)
    return [StoredSession(*row) for row in dialect_of(connection).rows_with(connection, _BY_NUMBER, wanted)]


def _event(row: Sequence[Any], session: StoredSession) -> Event:
    _, observed_at, seq, key, kind, payload = row
    return Event(
        EventId(key),
        observed_at,
        session.sensor,
        session.decky_id,
        session.protocol,
        session.address,
        session.src_port,
        session.uuid,
        session.native_id,
        kind,
        _DECODERS[kind].decode(payload),
        seq,
    )
