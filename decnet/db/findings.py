"""Findings at their newest revision, and the states between two batches from which attribution goes on."""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from decnet.db.dialect import Merge, dialect_of
from decnet.db.tables import (
    attacker,
    attribution_seen,
    attribution_state,
    event,
    finding,
    sensor,
    session,
    session_state,
)
from decnet.models.actor import AttackerUuid, IdentityUuid, SessionUuid
from decnet.models.event import AUTH_ATTEMPT, AuthPayload
from decnet.models.finding import Figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.attribution.pages import PageNumber
    from decnet.models.finding import Finding

_encode = msgspec.json.Encoder().encode
_decode_figures = msgspec.json.Decoder(Figures).decode
_decode_auth = msgspec.json.Decoder(AuthPayload).decode

_NEWER = dict.fromkeys(
    ("revision", "figures", "source_kind", "attacker_id", "identity_id", "session_id", "decky"), Merge.GIVEN
)
_STATE = dict.fromkeys(("bus_partition", "attacker_id", "body"), Merge.GIVEN)
_SESSION_STATE = dict.fromkeys(("bus_partition", "is_open", "body"), Merge.GIVEN)
_SESSION_STATES = """
SELECT session.uuid, session_state.body FROM session JOIN session_state ON session_state.session_id = session.id
WHERE session.uuid IN ({places})"""
_OPEN_STATES = """
SELECT session.uuid, session_state.body FROM session_state JOIN session ON session.id = session_state.session_id
WHERE session_state.is_open"""
_STATES = "SELECT state_key, body FROM attribution_state WHERE scope = {scope} AND state_key IN ({{places}})"
_SEEN = ("bus_partition", "number", "items")
_DAYS = """
SELECT attribution_state.state_key FROM attribution_state JOIN attacker ON attacker.id = attribution_state.attacker_id
WHERE attribution_state.scope = {scope} AND attacker.uuid IN ({{places}})"""
_MET = """
SELECT DISTINCT attacker.uuid FROM attacker JOIN attribution_state ON attribution_state.attacker_id = attacker.id
WHERE attacker.uuid IN ({places})"""
_KNOWN = """
SELECT source_id, figures, revision FROM finding WHERE observed_at IN ({times}) AND source_id IN ({{places}})"""
_UUID_BYTES = 16
_FIRST_TWO = itemgetter(0, 1)
SEEN_MESSAGES = 64
"""Of how many messages of a partition the items are remembered: what a relay may send again is among them."""


class Scope(IntEnum):
    """What a state is about, other than a session; of large ones there are pages."""

    PARTITION = 0
    DAY = 2
    SERVICE = 3
    DAY_PAGE = 4
    SERVICE_PAGE = 5


class StoredState(NamedTuple):
    """The state of one scope as bytes, in its partition; ``attacker`` is whose it is, with whom it goes."""

    scope: Scope
    key: bytes
    partition: int
    attacker: AttackerUuid | None
    body: bytes


class StoredSession(NamedTuple):
    """The state of a session as bytes, in the partition of its attacker."""

    uuid: SessionUuid
    partition: int
    is_open: bool
    body: bytes


class SeenItems(NamedTuple):
    """Message ``number`` of a partition: the digests of its items, one after the other."""

    partition: int
    number: int
    digests: bytes


class Attempt(NamedTuple):
    """A stored attempt to log in."""

    at: int
    id: bytes
    session: SessionUuid
    account: str
    secret: str
    success: bool


def day_key(attacker_uuid: AttackerUuid, day: int) -> bytes:
    """The key of an attacker's UTC day."""
    return attacker_uuid + day.to_bytes(4, "big", signed=True)


def _day_in(key: bytes) -> tuple[AttackerUuid, int]:
    """What :func:`day_key` was given."""
    return AttackerUuid(key[:_UUID_BYTES]), int.from_bytes(key[_UUID_BYTES:], "big", signed=True)


def service_key(attacker_uuid: AttackerUuid, decoy: str, service: str) -> bytes:
    """The key of an attacker at a service of a decoy."""
    return attacker_uuid + blake2b(f"{decoy}\0{service}".encode(), digest_size=16).digest()


def page_keys(key: bytes, numbers: Iterable[PageNumber]) -> list[bytes]:
    """The keys of pages of the state ``key``."""
    return [key + list_number.to_bytes(2, "big") + page.to_bytes(2, "big") for list_number, page in numbers]


def write_findings(
    connection: Connection, findings: Iterable[Finding], numbers: Mapping[SessionUuid, int] | None = None
) -> None:
    """Store each finding at its highest revision; the actors are stored already.

    ``numbers`` are the integers of sessions that need not be looked up.
    """
    newest: dict[str, Finding] = {}
    for one in findings:
        known = newest.get(one.source_id)
        if known is None or known.revision < one.revision:
            newest[one.source_id] = one
    dialect = dialect_of(connection)
    attackers = _ids(connection, "attacker", {one.attacker_uuid for one in newest.values()})
    identities = _ids(connection, "identity", {one.identity_uuid for one in newest.values()})
    sessions = _ids(connection, "session", {one.session_id for one in newest.values()}, numbers)
    rows = [
        (
            one.observed_at,
            name,
            one.revision,
            _encode(one.figures).decode(),
            one.source_kind,
            attackers.get(one.attacker_uuid),
            identities.get(one.identity_uuid),
            sessions.get(one.session_id),
            one.decky_id,
        )
        for name, one in newest.items()
    ]
    rows.sort(key=_FIRST_TWO)
    dialect.merge(connection, finding, ("observed_at", "source_id"), _NEWER, rows)


def figures_of(connection: Connection, source_id: str, at: int) -> tuple[Figures, int] | None:
    """The newest figures of a finding of that time and their revision, or None when it was never made."""
    where = (finding.c.observed_at == at, finding.c.source_id == source_id)
    query = select(finding.c.figures, finding.c.revision).where(*where)
    row = connection.execute(query).one_or_none()
    return (_decode_figures(row[0]), row[1]) if row else None


def known_figures(connection: Connection, findings: Iterable[Finding]) -> Mapping[str, tuple[Figures, int]]:
    """The newest figures of those of ``findings`` that were made before, by their ids, and their revisions."""
    ids: set[str] = set()
    times: set[int] = set()
    for one in findings:
        ids.add(one.source_id)
        times.add(one.observed_at)
    if not ids:
        return {}
    sql = _KNOWN.format(times=", ".join(map(str, sorted(times))))
    found = dialect_of(connection).rows_with(connection, sql, sorted(ids))
    return {source_id: (_decode_figures(figures), revision) for source_id, figures, revision in found}


def days_of_attackers(connection: Connection, attackers: Sequence[AttackerUuid]) -> list[tuple[AttackerUuid, int]]:
    """The UTC days on which each of these was seen, as their numbers since 1970."""
    sql = _DAYS.format(scope=int(Scope.DAY))
    return [_day_in(key) for (key,) in dialect_of(connection).rows_with(connection, sql, attackers)]


def days_from(connection: Connection, first: int) -> list[tuple[AttackerUuid, int]]:
    """Every attacker's days from the day ``first`` on; reads the keys of all days that are stored."""
    of = attribution_state.c
    keys = connection.execute(select(of.state_key).where(of.scope == int(Scope.DAY))).scalars()
    return [found for found in map(_day_in, keys) if found[1] >= first]


def stored_identities(connection: Connection, identities: Iterable[IdentityUuid]) -> set[IdentityUuid]:
    """Those of ``identities`` that are stored."""
    return {IdentityUuid(uuid) for uuid in _ids(connection, "identity", identities) if uuid is not None}


def read_states(connection: Connection, scope: Scope, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """The states that are stored, by key."""
    return dict(dialect_of(connection).rows_with(connection, _STATES.format(scope=int(scope)), keys))


def read_pages(connection: Connection, scope: Scope, key: bytes, numbers: Iterable[PageNumber]) -> list[bytes | None]:
    """The pages of the state ``key`` with these ``numbers``, in their order; None for those that are gone."""
    keys = page_keys(key, numbers)
    found = read_states(connection, scope, keys)
    return [found.get(key) for key in keys]


def session_states(connection: Connection, sessions: Sequence[SessionUuid]) -> Mapping[bytes, bytes]:
    """The states of those of ``sessions`` that have one."""
    return dict(dialect_of(connection).rows_with(connection, _SESSION_STATES, sessions))


def open_states(connection: Connection, partition: int) -> list[tuple[bytes, bytes]]:
    """Uuid and state of every session of a partition that is open."""
    rows = connection.exec_driver_sql(f"{_OPEN_STATES} AND session_state.bus_partition = {partition:d}")
    return [(bytes(uuid), bytes(body)) for uuid, body in rows]


def open_everywhere(connection: Connection) -> list[tuple[bytes, bytes]]:
    """:func:`open_states` of all partitions."""
    return [(bytes(uuid), bytes(body)) for uuid, body in connection.exec_driver_sql(_OPEN_STATES)]


def known_attackers(connection: Connection, attackers: Iterable[AttackerUuid]) -> set[AttackerUuid]:
    """Those of ``attackers`` that attribution has met: they have the state of a day."""
    wanted = sorted(set(attackers))
    sql = f"{_MET} AND attribution_state.scope = {int(Scope.DAY)}"
    return {AttackerUuid(uuid) for (uuid,) in dialect_of(connection).rows_with(connection, sql, wanted)}


def write_states(connection: Connection, states: Iterable[StoredState]) -> None:
    """Replace the states of these scopes."""
    ordered = sorted(states, key=_FIRST_TWO)
    attackers = _ids(connection, "attacker", {state.attacker for state in ordered})
    rows = [(int(one.scope), one.key, one.partition, attackers.get(one.attacker), one.body) for one in ordered]
    dialect_of(connection).merge(connection, attribution_state, ("scope", "state_key"), _STATE, rows)


def write_session_states(
    connection: Connection, states: Iterable[StoredSession], numbers: Mapping[SessionUuid, int] | None = None
) -> None:
    """Replace the states of these sessions; one that is not stored any more is passed over.

    ``numbers`` are the integers of sessions that need not be looked up.
    """
    given = list(states)
    known = _ids(connection, "session", [state.uuid for state in given], numbers)
    rows = [(known[one.uuid], one.partition, one.is_open, one.body) for one in given if one.uuid in known]
    rows.sort(key=itemgetter(0))
    dialect_of(connection).merge(connection, session_state, ("session_id",), _SESSION_STATE, rows)


def seen_items(connection: Connection, partition: int) -> list[SeenItems]:
    """The latest messages of a partition that were taken in, oldest first."""
    of = attribution_seen.c
    query = select(of.bus_partition, of.number, of["items"]).where(of.bus_partition == partition).order_by(of.number)
    return [SeenItems(*row) for row in connection.execute(query)]


def write_seen(connection: Connection, seen: Sequence[SeenItems]) -> None:
    """Remember these messages, and forget those :data:`SEEN_MESSAGES` before them."""
    if not seen:
        return
    of = attribution_seen.c
    connection.execute(insert(attribution_seen), [dict(zip(_SEEN, one, strict=True)) for one in seen])
    old = (of.bus_partition == bindparam("of"), of.number <= bindparam("last"))
    connection.execute(
        delete(attribution_seen).where(*old),
        [{"of": one.partition, "last": one.number - SEEN_MESSAGES} for one in seen],
    )


def attempts_between(
    connection: Connection, who: AttackerUuid, decoy: str, service: str, since: int, until: int
) -> list[Attempt]:
    """The stored attempts of an attacker at a service of a decoy in ``[since, until)``, in order of time and id."""
    query = (
        select(event.c.observed_at, event.c.id, session.c.uuid, event.c.payload)
        .select_from(
            event.join(session, session.c.id == event.c.session_id)
            .join(attacker, attacker.c.id == session.c.attacker_id)
            .join(sensor, sensor.c.id == session.c.decky_id)
        )
        .where(
            attacker.c.uuid == who,
            sensor.c.name == decoy,
            session.c.protocol == service,
            event.c.source_kind == AUTH_ATTEMPT,
            event.c.observed_at >= since,
            event.c.observed_at < until,
        )
        .order_by(event.c.observed_at, event.c.id)
    )
    found = []
    for at, key, uuid, text in connection.execute(query):
        payload = _decode_auth(text)
        found.append(Attempt(at, key, uuid, payload.username, payload.secret, payload.success))
    return found


def end_sessions(connection: Connection, ended: Iterable[tuple[SessionUuid, int | None]]) -> None:
    """Write when each session ended in event time; None for one that goes on after all."""
    rows = [{"of": uuid, "at": at} for uuid, at in sorted(ended)]
    if rows:
        write = update(session).where(session.c.uuid == bindparam("of")).values(ended_at=bindparam("at"))
        connection.execute(write, rows)


def _ids(
    connection: Connection, table: str, uuids: Iterable[bytes | None], known: Mapping[SessionUuid, int] | None = None
) -> dict[bytes | None, int]:
    """The integers of stored actors; those that are ``known`` are not looked up."""
    found: dict[bytes | None, int] = {}
    if known is not None:
        found.update(known.items())
    wanted = sorted(uuid for uuid in set(uuids) if uuid is not None and uuid not in found)
    sql = f"SELECT uuid, id FROM {table} WHERE uuid IN ({{places}})"  # noqa: S608 - a name of ours
    found.update(dialect_of(connection).rows_with(connection, sql, wanted))
    return found
