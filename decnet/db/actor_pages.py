"""Attackers, identities and campaigns page by page, those that were seen last first, and each of them by itself.

An identity or campaign was last seen when one of its attackers was, so one walk over attackers, from the newest back,
finds all three. Pages go on where the one before ended; each reads a bounded number of attackers, so that one may come
short although more follow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import and_, exists, func, or_, select, true

from decnet.db.clusters import campaigns_numbered, first_addresses, identities_numbered, tag_sums
from decnet.db.intel import newest_verdicts
from decnet.db.rollups import US_PER_DAY
from decnet.db.tables import (
    attacker,
    campaign,
    campaign_edge,
    event,
    identity,
    identity_edge,
    rollup_attacker,
    rollup_campaign,
    session,
    session_traits,
    ttp,
)
from decnet.models.event import AUTH_ATTEMPT, AuthPayload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Row, Select, Table
    from sqlalchemy.engine import Connection

    from decnet.db.clusters import CampaignRow, IdentityRow
    from decnet.db.sums import Owner
    from decnet.models.intel import Verdict

Place = tuple[int, int]
"""Where a walk ended: when the attacker was last seen, and its number."""
_CHUNK = 1_000
_MOST_CHUNKS = 10
MOST_RANKED = 500
"""Those seen last, among which a ranking is made."""
MOST_MEMBERS = 200
_MEMBERS_LOOKED_AT = 20
_SESSIONS_LOOKED_AT = 20
_ATTEMPTS_LOOKED_AT = 1_000
_ACCOUNTS_NAMED = 20
_MOST_REASONS = 20
_DAYS = 400
_kinds = msgspec.json.Decoder(tuple[str, ...]).decode
_auth = msgspec.json.Decoder(AuthPayload).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorFilter:
    """Which actors are wanted; what is None does not matter. They were last seen in ``[since, until)`` (µs UTC).

    ``address`` is how theirs begins; ``technique`` is one that they showed, or that a sub-technique of theirs is of.
    """

    since: int | None = None
    until: int | None = None
    address: str | None = None
    technique: str | None = None


class AttackerRow(NamedTuple):
    """An attacker. Times are µs UTC."""

    uuid: bytes
    address: str
    identity_uuid: bytes
    campaign_uuid: bytes
    first_seen: int
    last_seen: int
    events: int
    intel_bump: float
    tags: int
    techniques: int


class Reason(NamedTuple):
    """Somebody is joined with whoever shares ``reason``, which may be attacker text."""

    weight: float
    kinds: tuple[str, ...]
    reason: str


class Member(NamedTuple):
    """An attacker of an identity, or an identity of a campaign, which has no address; and why it belongs there."""

    uuid: bytes
    address: str | None
    first_seen: int
    last_seen: int
    events: int
    reasons: tuple[Reason, ...]
    addresses: tuple[str, ...] = ()
    """The first of an identity's."""


class Credentials(NamedTuple):
    """What the newest of somebody's log-in attempts were: how many were looked at, and which accounts they named."""

    attempts: int
    succeeded: int
    by_key: int
    secrets: int
    accounts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class TacticDay:
    """Tags of one tactic in the day that begins at ``started_at`` (µs UTC)."""

    started_at: int
    tactic: str
    count: int


# --- lists


def attacker_page(
    connection: Connection, wanted: ActorFilter, *, after: Place | None, limit: int
) -> tuple[list[AttackerRow], Place | None]:
    """Attackers, the last seen first, and where the page ended; None when none follow."""
    found, place = _walk(connection, wanted, after, limit, attacker.c.id)
    rows = attackers_numbered(connection, found)
    return [rows[number] for number in found if number in rows], place


def identity_page(
    connection: Connection, wanted: ActorFilter, *, after: Place | None, limit: int
) -> tuple[list[IdentityRow], Place | None]:
    """Identities, the same way."""
    found, place = _walk(connection, wanted, after, limit, attacker.c.identity_id)
    rows = identities_numbered(connection, found)
    return [rows[number] for number in found if number in rows], place


def campaign_page(
    connection: Connection, wanted: ActorFilter, *, after: Place | None, limit: int
) -> tuple[list[CampaignRow], Place | None]:
    """Campaigns, the same way."""
    found, place = _walk(connection, wanted, after, limit, identity.c.campaign_id)
    rows = campaigns_numbered(connection, found)
    return [rows[number] for number in found if number in rows], place


def attackers_numbered(connection: Connection, numbers: Sequence[int]) -> dict[int, AttackerRow]:
    """Those of the attackers ``numbers`` that are stored."""
    of = attacker.c
    sums = tag_sums(connection, rollup_attacker, numbers)
    query = (
        select(
            *(of.id, of.uuid, of.address, identity.c.uuid, campaign.c.uuid),
            *(of.first_seen, of.last_seen, of.event_count, of.intel_bump),
        )
        .select_from(_OWNED)
        .where(of.id.in_(numbers))
    )
    return {row[0]: AttackerRow(*row[1:], *sums.get(row[0], (0, 0))) for row in connection.execute(query)}


_OWNED = attacker.join(identity, identity.c.id == attacker.c.identity_id).join(
    campaign, campaign.c.id == identity.c.campaign_id
)


def _walk(
    connection: Connection, wanted: ActorFilter, after: Place | None, limit: int, owner: ColumnElement[int]
) -> tuple[list[int], Place | None]:
    """Up to ``limit`` owners in order of their newest wanted attackers, and where that ended."""
    found: list[int] = []
    place = after
    is_plain = owner is attacker.c.id and wanted.address is None and wanted.technique is None
    size = limit if is_plain else min(2 * limit, _CHUNK)  # most attackers are the only one of their identity
    for _ in range(_MOST_CHUNKS):
        chunk = connection.execute(_chunk(wanted, place, size, owner)).all()
        rows = [row for row in chunk if row.is_wanted]
        heads = {row.id for row in rows} if owner is attacker.c.id else _newest(connection, wanted, rows, owner)
        for row in rows:
            if row.id in heads:
                found.append(row.owner)
                if len(found) == limit:
                    return found, (row.last_seen, row.id)
        if len(chunk) < size:
            return found, None
        place, size = (chunk[-1].last_seen, chunk[-1].id), _CHUNK
    return found, place


def _chunk(wanted: ActorFilter, place: Place | None, size: int, owner: ColumnElement[int]) -> Select[Any]:
    """The next attackers, wanted or not: a filter that lets few through reads no more than one that lets all."""
    of = attacker.c
    query = select(of.id, of.last_seen, owner.label("owner"), _is_wanted(wanted).label("is_wanted"))
    query = query.select_from(_MEMBERS).where(*_when(wanted))
    if place is not None:
        at, number = place
        query = query.where(of.last_seen <= at, or_(of.last_seen < at, of.id < number))
    return query.order_by(of.last_seen.desc(), of.id.desc()).limit(size)


def _newest(
    connection: Connection, wanted: ActorFilter, rows: Collection[Row[Any]], owner: ColumnElement[int]
) -> set[int]:
    """The newest wanted attacker of each owner of ``rows``: where the owner stands in the list."""
    of = attacker.c
    rank = func.row_number().over(partition_by=owner, order_by=(of.last_seen.desc(), of.id.desc()))
    ranked = (
        select(of.id, rank.label("rank"))
        .select_from(_MEMBERS)
        .where(owner.in_({row.owner for row in rows}), _is_wanted(wanted), *_when(wanted))
        .subquery()
    )
    return set(connection.execute(select(ranked.c.id).where(ranked.c.rank == 1)).scalars())


def _when(wanted: ActorFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield attacker.c.last_seen >= wanted.since
    if wanted.until is not None:
        yield attacker.c.last_seen < wanted.until


def _is_wanted(wanted: ActorFilter) -> ColumnElement[bool]:
    claims: list[ColumnElement[bool]] = []
    if wanted.address is not None:
        claims.append(attacker.c.address.startswith(wanted.address, autoescape=True))
    if wanted.technique is not None:
        column = ttp.c.sub_technique_id if "." in wanted.technique else ttp.c.technique_id
        of = rollup_attacker.c
        uses = select(ttp.c.id).where(column == wanted.technique)
        claims.append(exists().where(of.attacker_id == attacker.c.id, of.ttp_id.in_(uses), of.count > 0))
    return and_(true(), *claims)


_MEMBERS = attacker.join(identity, identity.c.id == attacker.c.identity_id)


# --- one of them


def members_of_identity(connection: Connection, identity_id: int) -> list[Member]:
    """Up to :data:`MOST_MEMBERS` attackers of an identity, the last seen first, each with why it belongs there."""
    of = attacker.c
    query = (
        select(of.id, of.uuid, of.address, of.first_seen, of.last_seen, of.event_count)
        .where(of.identity_id == identity_id)
        .order_by(of.last_seen.desc(), of.id.desc())
        .limit(MOST_MEMBERS)
    )
    rows = connection.execute(query).all()
    why = _reasons(connection, identity_edge, "attacker_id", [row.id for row in rows])
    return [Member(*row[1:], why.get(row.id, ())) for row in rows]


def members_of_campaign(connection: Connection, campaign_id: int) -> list[Member]:
    """Up to :data:`MOST_MEMBERS` identities of a campaign, the same way."""
    of = attacker.c
    last = func.max(of.last_seen)
    query = (
        select(identity.c.id, identity.c.uuid, func.min(of.first_seen), last, func.sum(of.event_count))
        .select_from(_MEMBERS)
        .where(identity.c.campaign_id == campaign_id)
        .group_by(identity.c.id, identity.c.uuid)
        .order_by(last.desc(), identity.c.id.desc())
        .limit(MOST_MEMBERS)
    )
    rows = connection.execute(query).all()
    why = _reasons(connection, campaign_edge, "identity_id", [row.id for row in rows])
    names = first_addresses(connection, identity, [row.id for row in rows])
    return [
        Member(uuid, None, first, newest, int(events), why.get(number, ()), names[number])
        for number, uuid, first, newest, events in rows
    ]


def merged_into(connection: Connection, owner: Owner) -> list[bytes]:
    """Up to :data:`MOST_MEMBERS` identities or campaigns that went into this one."""
    table = identity if owner.scope == "identity" else campaign
    query = select(table.c.uuid).where(table.c.merged_into_id == owner.number).order_by(table.c.id).limit(MOST_MEMBERS)
    return list(connection.execute(query).scalars())


def verdicts_of(connection: Connection, attacker_id: int) -> list[Verdict]:
    """What each provider said last of an attacker."""
    return newest_verdicts(connection, attacker_id)


def count_sessions(connection: Connection, attacker_id: int) -> int:
    """How many sessions an attacker opened."""
    query = select(func.count()).select_from(session).where(session.c.attacker_id == attacker_id)
    return connection.execute(query).scalar_one()


def newest_members(connection: Connection, identity_id: int) -> list[tuple[int, str]]:
    """The attackers of an identity that were seen last, a few: number and address, the last seen first."""
    of = attacker.c
    query = select(of.id, of.address).where(of.identity_id == identity_id)
    rows = connection.execute(query.order_by(of.last_seen.desc(), of.id.desc()).limit(_MEMBERS_LOOKED_AT))
    return [(number, address) for number, address in rows]


def newest_traits(connection: Connection, attackers: Sequence[int]) -> list[bytes]:
    """The traits, as they were packed, of the newest sessions of these attackers together."""
    recent = _recent_sessions(attackers).subquery()
    query = select(session_traits.c.body).join(recent, recent.c.id == session_traits.c.session_id)
    return list(connection.execute(query.order_by(recent.c.id.desc())).scalars())


def credentials_of(connection: Connection, identity_id: int) -> Credentials:
    """What was tried in the newest sessions of an identity's newest attackers. Digests are counted, none is given."""
    members = [number for number, _ in newest_members(connection, identity_id)]
    sessions = connection.execute(_recent_sessions(members)).scalars().all()
    query = (
        select(event.c.payload)
        .where(event.c.session_id.in_(sessions), event.c.source_kind == AUTH_ATTEMPT)
        .limit(_ATTEMPTS_LOOKED_AT)
    )
    attempts = [_auth(text) for text in connection.execute(query).scalars()]
    return Credentials(
        len(attempts),
        sum(one.success for one in attempts),
        sum(one.method == "publickey" for one in attempts),
        len({one.secret for one in attempts if one.secret}),
        tuple(Counter(one.username for one in attempts).most_common(_ACCOUNTS_NAMED)),
    )


def tactics_by_day(connection: Connection, campaign_id: int) -> list[TacticDay]:
    """Tags of a campaign per day and tactic, the newest days, the oldest of them first."""
    of = rollup_campaign.c
    query = (
        select(of.day, ttp.c.tactic, func.sum(of.count))
        .join(ttp, ttp.c.id == of.ttp_id)
        .where(of.campaign_id == campaign_id, of.count > 0)
        .group_by(of.day, ttp.c.tactic)
        .order_by(of.day.desc(), ttp.c.tactic.desc())
        .limit(_DAYS)
    )
    rows = connection.execute(query).all()
    return [TacticDay(day * US_PER_DAY, tactic, int(count)) for day, tactic, count in reversed(rows)]


def _recent_sessions(attackers: Sequence[int]) -> Select[Any]:
    of = session.c
    query = select(of.id).where(of.attacker_id.in_(attackers)).order_by(of.started_at.desc(), of.id.desc())
    return query.limit(_SESSIONS_LOOKED_AT)


def _reasons(
    connection: Connection, table: Table, owner: str, numbers: Sequence[int]
) -> Mapping[int, tuple[Reason, ...]]:
    """The heaviest reasons of each of ``numbers``."""
    of = table.c
    query = select(of[owner], of.weight, of.kinds, of.reason).where(of[owner].in_(numbers))
    found: dict[int, list[Reason]] = defaultdict(list)
    for number, weight, kinds, reason in connection.execute(query.order_by(of.weight.desc(), of.reason)):
        if len(found[number]) < _MOST_REASONS:
            found[number].append(Reason(weight, _kinds(kinds), reason))
    return {number: tuple(reasons) for number, reasons in found.items()}
