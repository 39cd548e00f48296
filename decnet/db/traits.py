"""What each ended session shows of who is behind it, as bytes: attribution writes it, the clusterer reads it.

A session has the traits of its latest revision, and loses them with its row.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from decnet.db.dialect import Merge, dialect_of
from decnet.db.tables import attacker, session, session_traits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.actor import AttackerUuid, SessionUuid

_BODY = {"body": Merge.GIVEN}
_SESSIONS = "SELECT uuid, id FROM session WHERE uuid IN ({places})"
_STORED = """
SELECT session_traits.session_id, session_traits.body, session.last_event_at FROM session_traits
JOIN session ON session.id = session_traits.session_id"""
_OF_SESSIONS = _STORED + " WHERE session.uuid IN ({places})"
_OF_NUMBERS = _STORED + " WHERE session.id IN ({places})"
_OF_ATTACKERS = (
    _STORED
    + """
JOIN attacker ON attacker.id = session.attacker_id WHERE attacker.uuid IN ({places})"""
)
_ADDRESSES = "SELECT uuid, address FROM attacker WHERE uuid IN ({places})"
_PAGE = 5_000


class StoredTraits(NamedTuple):
    """The integer of a session, its traits as they were packed, and when its latest event was (µs UTC)."""

    session_id: int
    body: bytes
    last_at: int


def write_traits(
    connection: Connection, bodies: Mapping[SessionUuid, bytes], numbers: Mapping[SessionUuid, int] | None = None
) -> None:
    """Store these traits in place of earlier ones; a session that is not stored any more is passed over.

    ``numbers`` are the integers of stored sessions that need not be looked up.
    """
    dialect, known = dialect_of(connection), numbers or {}
    rows = [(known[uuid], body) for uuid, body in bodies.items() if uuid in known]
    missing = sorted(uuid for uuid in bodies if uuid not in known)
    rows += [(number, bodies[uuid]) for uuid, number in dialect.rows_with(connection, _SESSIONS, missing)]
    dialect.merge(connection, session_traits, ("session_id",), _BODY, sorted(rows))


def traits_of_sessions(connection: Connection, sessions: Sequence[SessionUuid]) -> list[StoredTraits]:
    """The traits of those of ``sessions`` that have some."""
    return [StoredTraits(*row) for row in dialect_of(connection).rows_with(connection, _OF_SESSIONS, sessions)]


def traits_with(connection: Connection, numbers: Sequence[int]) -> list[StoredTraits]:
    """The traits of those of the sessions ``numbers`` that have some."""
    return [StoredTraits(*row) for row in dialect_of(connection).rows_with(connection, _OF_NUMBERS, numbers)]


def traits_of_attackers(connection: Connection, attackers: Sequence[AttackerUuid]) -> list[StoredTraits]:
    """The traits of all sessions of ``attackers``."""
    return [StoredTraits(*row) for row in dialect_of(connection).rows_with(connection, _OF_ATTACKERS, attackers)]


def addresses_of(connection: Connection, attackers: Sequence[AttackerUuid]) -> dict[AttackerUuid, str]:
    """The address of each of ``attackers`` that is stored."""
    return dict(dialect_of(connection).rows_with(connection, _ADDRESSES, attackers))


def all_traits(database: Database) -> Iterator[list[StoredTraits]]:
    """All traits, some thousand at a time, each read by itself: what is written meanwhile may be missing."""
    owned = session_traits.join(session, session.c.id == session_traits.c.session_id)
    wanted = (session_traits.c.session_id, session_traits.c.body, session.c.last_event_at)
    for page in _pages(database, select(*wanted).select_from(owned)):
        yield [StoredTraits(*row) for row in page]


def all_owners(database: Database) -> Iterator[list[tuple[int, AttackerUuid]]]:
    """The session of all traits, and its attacker; read as :func:`all_traits` does."""
    owned = session_traits.join(session, session.c.id == session_traits.c.session_id)
    owned = owned.join(attacker, attacker.c.id == session.c.attacker_id)
    yield from _pages(database, select(session_traits.c.session_id, attacker.c.uuid).select_from(owned))


def _pages(database: Database, query: Select[Any]) -> Iterator[list[Any]]:
    last = 0
    while page := database.read(partial(_after, query=query, last=last)):
        yield page
        last = page[-1][0]


def _after(connection: Connection, query: Select[Any], last: int) -> list[Any]:
    key = session_traits.c.session_id
    return [tuple(row) for row in connection.execute(query.where(key > last).order_by(key).limit(_PAGE))]
