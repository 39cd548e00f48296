"""Sessions and events page by page: the newest first, or a session's events as they happened.

A filter looks at a bounded number of rows per page, so that a page may come short although more follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import func, or_, select

from decnet.db.clusters import tag_sums
from decnet.db.tables import attacker, event, identity, rollup_session, sensor, session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Row, Select
    from sqlalchemy.engine import Connection

Place = tuple[int, int]
"""Where a list of sessions ended: when the last one began, and its number."""
EventPlace = tuple[int, int, bytes]
"""Where a session's events ended: (observed_at, seq, id)."""
MOST_LOOKED_AT = 20_000
_SESSIONS_LOOKED_AT = 5_000
_US_PER_MS = 1_000
_TIME_BYTES, _HASH_BYTES = 6, 10
_LAST_MS = (1 << 48) - 1
_decoy = sensor.alias("decoy")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions are wanted: begun in ``[since, until)`` (µs UTC). What is None does not matter."""

    attacker: bytes | None = None
    identity: bytes | None = None
    decoy: str | None = None
    protocol: str | None = None
    since: int | None = None
    until: int | None = None
    min_commands: int = 0
    logged_in: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are wanted: observed in ``[since, until)`` (µs UTC), by whole milliseconds."""

    source_kind: str | None = None
    since: int | None = None
    until: int | None = None
    text: str | None = None


class SessionRow(NamedTuple):
    """One connection of one attacker to one decoy. Times are µs UTC."""

    id: int
    uuid: bytes
    native_id: str
    sensor: str
    decoy: str
    protocol: str
    attacker_uuid: bytes
    address: str
    identity_uuid: bytes
    src_port: int | None
    started_at: int
    last_event_at: int
    ended_at: int | None
    duration_ms: int | None
    events: int
    commands: int
    logins_failed: int
    logins_succeeded: int
    files: int
    tags: int = 0
    techniques: int = 0


class EventRow(NamedTuple):
    """An event as it is stored; ``payload`` is what the attacker sent, secrets as digests."""

    id: bytes
    observed_at: int
    seq: int
    source_kind: str
    session_uuid: bytes
    attacker_uuid: bytes
    address: str
    decoy: str
    protocol: str
    payload: dict[str, Any]


# --- sessions


def session_page(
    connection: Connection, wanted: SessionFilter, *, after: Place | None, limit: int
) -> tuple[list[SessionRow], Place | None]:
    """Sessions, the last begun first, and where the page ended; None when none follow."""
    of = session.c
    is_plain = wanted.decoy is None and wanted.protocol is None and not wanted.min_commands
    size = limit if is_plain and wanted.logged_in is None else max(limit, _SESSIONS_LOOKED_AT)
    query = select(of.id, of.started_at, of.protocol, of.command_count, of.login_success_count, _decoy.c.name)
    query = query.join(_decoy, _decoy.c.id == of.decky_id).where(*_begun(wanted))
    if after is not None:
        at, number = after
        query = query.where(of.started_at <= at, or_(of.started_at < at, of.id < number))
    rows = connection.execute(query.order_by(of.started_at.desc(), of.id.desc()).limit(size)).all()
    found: list[int] = []
    place = (rows[-1].started_at, rows[-1].id) if len(rows) == size else None
    for row in rows:
        if _is_wanted(wanted, row):
            found.append(row.id)
            if len(found) == limit:
                place = row.started_at, row.id
                break
    return sessions_numbered(connection, found), place


def session_numbered(connection: Connection, number: int) -> SessionRow:
    """The session with that number."""
    return sessions_numbered(connection, [number])[0]


def sessions_numbered(connection: Connection, numbers: Sequence[int]) -> list[SessionRow]:
    """Those of the sessions ``numbers`` that are stored, in that order."""
    sums = tag_sums(connection, rollup_session, numbers)
    rows: dict[int, tuple[Any, ...]] = {
        row.id: tuple(row) for row in connection.execute(_sessions().where(session.c.id.in_(numbers)))
    }
    return [SessionRow._make((*rows[number], *sums.get(number, (0, 0)))) for number in numbers if number in rows]


def _begun(wanted: SessionFilter) -> list[ColumnElement[bool]]:
    of = session.c
    found: list[ColumnElement[bool]] = []
    if wanted.attacker is not None:
        found.append(
            of.attacker_id == select(attacker.c.id).where(attacker.c.uuid == wanted.attacker).scalar_subquery()
        )
    if wanted.identity is not None:
        head = func.coalesce(identity.c.merged_into_id, identity.c.id)
        number = select(head).where(identity.c.uuid == wanted.identity).scalar_subquery()
        found.append(of.attacker_id.in_(select(attacker.c.id).where(attacker.c.identity_id == number)))
    if wanted.since is not None:
        found.append(of.started_at >= wanted.since)
    if wanted.until is not None:
        found.append(of.started_at < wanted.until)
    return found


def _is_wanted(wanted: SessionFilter, row: Any) -> bool:
    """Looked at here and not by the database, which would pass over any number of sessions to fill a page."""
    return (
        wanted.decoy in {None, row.name}
        and wanted.protocol in {None, row.protocol}
        and row.command_count >= wanted.min_commands
        and wanted.logged_in in {None, row.login_success_count > 0}
    )


def _sessions() -> Select[Any]:
    of = session.c
    return select(
        *(of.id, of.uuid, of.native_id, sensor.c.name, _decoy.c.name, of.protocol),
        *(attacker.c.uuid, attacker.c.address, identity.c.uuid),
        *(of.src_port, of.started_at, of.last_event_at, of.ended_at, of.duration_ms, of.event_count),
        *(of.command_count, of.login_failed_count, of.login_success_count, of.file_count),
    ).select_from(
        session.join(sensor, sensor.c.id == of.sensor_id)
        .join(_decoy, _decoy.c.id == of.decky_id)
        .join(attacker, attacker.c.id == of.attacker_id)
        .join(identity, identity.c.id == attacker.c.identity_id)
    )


# --- events


def events_of_session(
    connection: Connection, session_id: int, *, after: EventPlace | None, limit: int
) -> list[EventRow]:
    """A session's events in order of (observed_at, seq), from beyond ``after``."""
    of = event.c
    query = _events().where(of.session_id == session_id)
    if after is not None:
        at, seq, key = after
        later = or_(of.observed_at > at, of.seq > seq, (of.seq == seq) & (of.id > key))
        query = query.where(of.observed_at >= at, later)
    query = query.order_by(of.observed_at, of.seq, of.id).limit(limit)
    return [_event(row) for row in connection.execute(query)]


def event_page(
    connection: Connection, wanted: EventFilter, *, after: bytes | None, limit: int
) -> tuple[list[EventRow], bytes | None]:
    """Events, the newest first by their ids, which begin with the millisecond; and where the page ended.

    At most :data:`MOST_LOOKED_AT` events are looked at. ``text`` is found in the payload as it is stored, letter by
    letter.
    """
    is_plain = wanted.source_kind is None and wanted.text is None
    looked_at = select(event.c.id).where(*_ids(wanted, after)).order_by(event.c.id.desc()).limit(MOST_LOOKED_AT)
    found: list[EventRow] = []
    for row in connection.execute(_matching(looked_at, wanted, limit)):
        one = _event(row)
        if wanted.text is None or _holds(one.payload, wanted.text):
            found.append(one)
        if len(found) == limit:
            return found, one.id
    if is_plain:
        return found, None
    of = looked_at.subquery().c
    end = connection.execute(select(of.id).order_by(of.id).limit(1)).scalar()
    if end is None:
        return found, None
    more = connection.execute(select(event.c.id).where(*_ids(wanted, bytes(end))).limit(1)).first()
    return found, bytes(end) if more is not None else None


def event_numbered(connection: Connection, key: bytes) -> EventRow | None:
    """The event of that id."""
    row = connection.execute(_events().where(event.c.id == key)).one_or_none()
    return _event(row) if row is not None else None


def _events() -> Select[Any]:
    return _joined(event.c).select_from(
        event.join(session, session.c.id == event.c.session_id)
        .join(attacker, attacker.c.id == session.c.attacker_id)
        .join(_decoy, _decoy.c.id == session.c.decky_id)
    )


def _joined(of: Any) -> Select[Any]:
    return select(
        *(of.id, of.observed_at, of.seq, of.source_kind, session.c.uuid, attacker.c.uuid, attacker.c.address),
        *(_decoy.c.name, session.c.protocol, of.payload),
    )


def _matching(looked_at: Select[Any], wanted: EventFilter, limit: int) -> Select[Any]:
    """Those among the events looked at that match; by their text only nearly, so as many as there are."""
    query = _events()
    if wanted.source_kind is None and wanted.text is None:
        query = query.where(event.c.id.in_(select(looked_at.limit(limit).subquery().c.id)))
        return query.order_by(event.c.id.desc()).limit(limit)
    query = query.where(event.c.id.in_(select(looked_at.subquery().c.id)))
    if wanted.source_kind is not None:
        query = query.where(event.c.source_kind == wanted.source_kind)
    if wanted.text is None:
        return query.order_by(event.c.id.desc()).limit(limit)
    needle = _encode(wanted.text)[1:-1].decode()
    lessened = func.replace(event.c.payload, needle, "")  # LIKE tells upper and lower case apart on some databases only
    return query.where(lessened != event.c.payload).order_by(event.c.id.desc())


def _ids(wanted: EventFilter, after: bytes | None) -> Iterator[ColumnElement[bool]]:
    if after is not None:
        yield event.c.id < after
    if wanted.since is not None:
        yield event.c.id >= _first_id(wanted.since // _US_PER_MS)
    if wanted.until is not None:
        yield event.c.id < _first_id(-(-wanted.until // _US_PER_MS))


def _first_id(milliseconds: int) -> bytes:
    return min(max(milliseconds, 0), _LAST_MS).to_bytes(_TIME_BYTES, "big") + bytes(_HASH_BYTES)


def _holds(value: object, text: str) -> bool:
    """Whether a text within ``value`` holds ``text``; names of fields do not count."""
    if isinstance(value, str):
        return text in value
    if isinstance(value, dict):
        return any(_holds(part, text) for part in value.values())
    return isinstance(value, list) and any(_holds(part, text) for part in value)


def _event(row: Row[Any]) -> EventRow:
    values: tuple[Any, ...] = tuple(row)
    return EventRow._make((*values[:-1], _decode(values[-1])))
