"""Why attackers are one identity, and identities one campaign: each edge with its weight and what it rests on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import delete, insert

from decnet.db.dialect import dialect_of
from decnet.db.tables import campaign_edge, identity_edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from decnet.models.actor import AttackerUuid, IdentityUuid

_ATTACKERS = "SELECT uuid, id FROM attacker WHERE uuid IN ({places})"
_IDENTITIES = "SELECT uuid, id FROM identity WHERE uuid IN ({places})"
_WIRED = """
SELECT DISTINCT identity.uuid, identity.id FROM campaign_edge
JOIN identity ON identity.id = campaign_edge.identity_id"""
_encode = msgspec.json.Encoder().encode


class StoredEdge(NamedTuple):
    """Somebody is joined with whoever shares ``reason``: a sum of weights, and the kinds of what it is made of."""

    weight: float
    kinds: tuple[str, ...]
    reason: str


def reason_of_values(values: Iterable[int]) -> str:
    """Values as a reason: hexadecimal text, since many readers of JSON know numbers up to 53 bits only."""
    return _encode([f"{value:016x}" for value in values]).decode()


def write_identity_edges(connection: Connection, edges: Mapping[AttackerUuid, Iterable[StoredEdge]]) -> None:
    """Let each of these attackers have these edges and no others; one that is not stored is passed over."""
    _write(connection, identity_edge, "attacker_id", _ATTACKERS, dict(edges))


def write_campaign_edges(connection: Connection, edges: Mapping[IdentityUuid, Iterable[StoredEdge]]) -> None:
    """Let each of these identities have these edges and no others; one that is not stored is passed over."""
    _write(connection, campaign_edge, "identity_id", _IDENTITIES, dict(edges))


def wired_identities(connection: Connection) -> list[IdentityUuid]:
    """Every identity that has an edge to others."""
    return [uuid for uuid, _ in connection.exec_driver_sql(_WIRED)]


def _write(
    connection: Connection, table: Table, owner: str, members: str, edges: Mapping[Any, Iterable[StoredEdge]]
) -> None:
    dialect = dialect_of(connection)
    numbers: dict[bytes, int] = dict(dialect.rows_with(connection, members, sorted(edges)))
    query = f"SELECT {owner}, reason, kinds, weight FROM {table.name} WHERE {owner} IN ({{places}})"  # noqa: S608 - names of ours
    stored: dict[int, set[tuple[str, str, float]]] = defaultdict(set)
    for number, *edge in dialect.rows_with(connection, query, sorted(numbers.values())):
        stored[number].add((edge[0], edge[1], edge[2]))
    wanted = {numbers[uuid]: set(map(_texts, edges[uuid])) for uuid in sorted(numbers)}
    others = {number: found for number, found in wanted.items() if found != stored[number]}
    if not others:
        return
    connection.execute(delete(table).where(table.c[owner].in_(sorted(others))))
    rows = [
        {owner: number, "reason": reason, "kinds": kinds, "weight": weight}
        for number, found in sorted(others.items())
        for reason, kinds, weight in sorted(found)
    ]
    if rows:
        connection.execute(insert(table), rows)


def _texts(edge: StoredEdge) -> tuple[str, str, float]:
    """As a row has it."""
    return edge.reason, _encode(edge.kinds).decode(), edge.weight
