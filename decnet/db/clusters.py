"""Identities and campaigns as they are now, for lists: from memberships and roll-ups, no event and no tag is read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, select

from decnet.db.dialect import dialect_of
from decnet.db.tables import attacker, campaign, identity, rollup_campaign, rollup_identity, ttp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Select, Table
    from sqlalchemy.engine import Connection

    from decnet.models.actor import CampaignUuid, IdentityUuid

MOST_NAMED = 5
"""Addresses that are named of an identity or a campaign: the first seen."""
_WHY_IDENTITY = """
SELECT attacker.identity_id, identity_edge.kinds FROM identity_edge
JOIN attacker ON attacker.id = identity_edge.attacker_id WHERE attacker.identity_id IN ({places})
GROUP BY attacker.identity_id, identity_edge.kinds"""
_WHY_CAMPAIGN = """
SELECT identity.campaign_id, campaign_edge.kinds FROM campaign_edge
JOIN identity ON identity.id = campaign_edge.identity_id WHERE identity.campaign_id IN ({places})
GROUP BY identity.campaign_id, campaign_edge.kinds"""
_kinds = msgspec.json.Decoder(tuple[str, ...]).decode


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """An identity of one attacker or more. Times are µs UTC; ``joined_by`` are the kinds of evidence."""

    uuid: IdentityUuid
    campaign_uuid: CampaignUuid
    attackers: int
    addresses: tuple[str, ...]
    first_seen: int
    last_seen: int
    events: int
    tags: int
    techniques: int
    joined_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign of one identity or more; otherwise as :class:`IdentityRow`."""

    uuid: CampaignUuid
    identities: int
    attackers: int
    addresses: tuple[str, ...]
    first_seen: int
    last_seen: int
    events: int
    tags: int
    techniques: int
    joined_by: tuple[str, ...]


def identities(connection: Connection, *, limit: int, least: int = 2) -> list[IdentityRow]:
    """Up to ``limit`` identities of at least ``least`` attackers, those with the most attackers first."""
    query = _identities().having(least <= _ATTACKERS).order_by(_ATTACKERS.desc(), identity.c.id).limit(limit)
    return list(_identity_rows(connection, query).values())


def identities_numbered(connection: Connection, numbers: Sequence[int]) -> dict[int, IdentityRow]:
    """Those of the identities ``numbers`` that have attackers."""
    return _identity_rows(connection, _identities().where(attacker.c.identity_id.in_(numbers)))


def campaigns(connection: Connection, *, limit: int, least: int = 2) -> list[CampaignRow]:
    """Up to ``limit`` campaigns of at least ``least`` identities, those with the most identities first."""
    query = _campaigns().having(least <= _IDENTITIES).order_by(_IDENTITIES.desc(), campaign.c.id).limit(limit)
    return list(_campaign_rows(connection, query).values())


def campaigns_numbered(connection: Connection, numbers: Sequence[int]) -> dict[int, CampaignRow]:
    """Those of the campaigns ``numbers`` that have attackers."""
    return _campaign_rows(connection, _campaigns().where(identity.c.campaign_id.in_(numbers)))


_ATTACKERS = func.count()
_IDENTITIES = func.count(identity.c.id.distinct())
_SEEN = (func.min(attacker.c.first_seen), func.max(attacker.c.last_seen), func.sum(attacker.c.event_count))
_JOINED = attacker.join(identity, identity.c.id == attacker.c.identity_id).join(
    campaign, campaign.c.id == identity.c.campaign_id
)


def _identities() -> Select[Any]:
    keys = (identity.c.id, identity.c.uuid, campaign.c.uuid)
    return select(*keys, _ATTACKERS, *_SEEN).select_from(_JOINED).group_by(*keys)


def _campaigns() -> Select[Any]:
    keys = (campaign.c.id, campaign.c.uuid)
    return select(*keys, _IDENTITIES, _ATTACKERS, *_SEEN).select_from(_JOINED).group_by(*keys)


def _identity_rows(connection: Connection, query: Select[Any]) -> dict[int, IdentityRow]:
    rows = connection.execute(query).all()
    numbers = [row[0] for row in rows]
    tags, names = tag_sums(connection, rollup_identity, numbers), first_addresses(connection, identity, numbers)
    why = _why(connection, _WHY_IDENTITY, numbers)
    return {
        number: IdentityRow(
            uuid, of, count, names[number], first, last, int(events), *tags.get(number, (0, 0)), why[number]
        )
        for number, uuid, of, count, first, last, events in rows
    }


def _campaign_rows(connection: Connection, query: Select[Any]) -> dict[int, CampaignRow]:
    rows = connection.execute(query).all()
    numbers = [row[0] for row in rows]
    tags, names = tag_sums(connection, rollup_campaign, numbers), first_addresses(connection, campaign, numbers)
    why = _why(connection, _WHY_CAMPAIGN, numbers)
    return {
        number: CampaignRow(
            uuid, count, attackers, names[number], first, last, int(events), *tags.get(number, (0, 0)), why[number]
        )
        for number, uuid, count, attackers, first, last, events in rows
    }


def tag_sums(connection: Connection, table: Table, numbers: Sequence[int]) -> Mapping[int, tuple[int, int]]:
    """Tags, and different techniques (a sub-technique is one of its own), of each owner."""
    owner = next(iter(table.primary_key))
    use = (ttp.c.technique_id, ttp.c.sub_technique_id)
    per_use = (
        select(owner.label("owner"), *use, func.sum(table.c.count).label("tags"))
        .join(ttp, ttp.c.id == table.c.ttp_id)
        .where(owner.in_(numbers))
        .group_by(owner, *use)
        .subquery()
    )
    of = per_use.c
    query = select(of.owner, func.sum(of.tags), func.count()).group_by(of.owner)
    return {number: (int(tags), techniques) for number, tags, techniques in connection.execute(query)}


def first_addresses(connection: Connection, owners: Table, numbers: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    """The first :data:`MOST_NAMED` addresses of each of these identities or campaigns, the first seen first."""
    owner = attacker.c.identity_id if owners is identity else identity.c.campaign_id
    place = func.row_number().over(partition_by=owner, order_by=(attacker.c.first_seen, attacker.c.id))
    ranked = (
        select(owner.label("owner"), attacker.c.address, place.label("place"))
        .select_from(attacker.join(identity, identity.c.id == attacker.c.identity_id))
        .where(owner.in_(numbers))
        .subquery()
    )
    of = ranked.c
    query = select(of.owner, of.address).where(of.place <= MOST_NAMED).order_by(of.owner, of.place)
    found: dict[int, tuple[str, ...]] = defaultdict(tuple)
    for number, address in connection.execute(query):
        found[number] += (address,)
    return found


def _why(connection: Connection, sql: str, numbers: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    kinds: dict[int, set[str]] = defaultdict(set)
    for number, text in dialect_of(connection).rows_with(connection, sql, numbers):
        kinds[number].update(_kinds(text))
    return defaultdict(tuple, ((number, _sorted(found)) for number, found in kinds.items()))


def _sorted(kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(kinds))
