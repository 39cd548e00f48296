"""What people ask first: which techniques, by whom, on what evidence. Sums come from roll-ups, never from tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs
from sqlalchemy import func, select

from decnet.db.rollups import US_PER_DAY
from decnet.db.tables import (
    attacker,
    campaign,
    event,
    identity,
    rollup_attacker,
    rollup_campaign,
    rollup_fleet,
    rollup_fleet_day,
    rollup_identity,
    rollup_session,
    session,
    tag,
    ttp,
)
from decnet.models.event import COMMAND, CommandPayload
from decnet.models.rollup import TechniqueCount
from decnet.models.tag import BAND_EDGES, shown_confidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.engine import Connection

    from decnet.models.stored_tag import TagFilter


@dataclass(frozen=True, slots=True)
class AttackerCount:
    """An attacker's address, and how much it did."""

    address: str
    events: int
    techniques: int
    tags: int
    first_seen: int
    last_seen: int


@dataclass(frozen=True, slots=True)
class TellingTag:
    """A tag as a reader sees it, with what proves it."""

    observed_at: int
    address: str
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    confidence: float
    """As stored."""
    intel_bump: float
    """By how much an agreement of providers about the attacker lifts it."""
    rule_id: str
    evidence: dict[str, Any]
    command: str | None
    """The whole line that the attacker typed, where the tag is on a command."""

    @property
    def shown_confidence(self) -> float:
        """What a view shows."""
        return shown_confidence(self.confidence, self.intel_bump)


@dataclass(frozen=True, slots=True)
class Totals:
    """How much the database holds."""

    events: int
    sessions: int
    attackers: int
    tags: int


def totals(connection: Connection) -> Totals:
    """Events, sessions, attackers and tags that are stored."""
    events, attackers = connection.execute(
        select(func.coalesce(func.sum(attacker.c.event_count), 0), func.count())
    ).one()
    sessions = connection.execute(select(func.count()).select_from(session)).scalar_one()
    tags = connection.execute(select(func.coalesce(func.sum(rollup_fleet.c.count), 0))).scalar_one()
    return Totals(int(events), sessions, attackers, int(tags))  # sums come as decimals from servers


def stored_totals(connection: Connection) -> dict[str, int]:
    """Attackers, identities, sessions and tags that were ever stored, without counting rows.

    Actors are numbered from 1 and their numbers never come back, so purged ones are in it; tags are those in force.
    """
    tags = connection.execute(select(func.coalesce(func.sum(rollup_fleet.c.count), 0))).scalar_one()
    highest = {
        name: connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
        for name, table in (("attackers", attacker), ("identities", identity), ("sessions", session))
    }
    return {"tags": int(tags), **highest}


def technique_counts(connection: Connection, floor: float) -> list[TechniqueCount]:
    """The fleet's techniques at or above ``floor`` (rounded down to the edge of its band), most seen first."""
    return sum_techniques(connection, rollup_fleet, floor)


def techniques_of_attacker(connection: Connection, attacker_id: int, floor: float) -> list[TechniqueCount]:
    """The same of one attacker, by what is stored, and by how much providers lift it for those who look."""
    counts = sum_techniques(connection, rollup_attacker, floor, rollup_attacker.c.attacker_id == attacker_id)
    bump = connection.execute(select(attacker.c.intel_bump).where(attacker.c.id == attacker_id)).scalar() or 0.0
    return [structs.replace(count, intel_bump=bump) for count in counts] if bump else counts


def techniques_of(connection: Connection, wanted: TagFilter) -> list[TechniqueCount]:
    """The same of the owner that ``wanted`` names, or of the fleet.

    Of its other fields the confidence counts, and the times: days (UTC) that they reach into count as a whole.
    """
    owners = (
        (wanted.attacker, attacker, rollup_attacker, rollup_attacker.c.attacker_id),
        (wanted.session, session, rollup_session, rollup_session.c.session_id),
        (wanted.identity, identity, rollup_identity, rollup_identity.c.identity_id),
        (wanted.campaign, campaign, rollup_campaign, rollup_campaign.c.campaign_id),
    )
    for uuid, table, sums, column in owners:
        if uuid is not None:
            number = select(table.c.id).where(table.c.uuid == uuid).scalar_subquery()
            return sum_techniques(connection, sums, wanted.min_confidence, column == number, *_days(sums, wanted))
    if wanted.since is None and wanted.until is None:
        return technique_counts(connection, wanted.min_confidence)
    days = rollup_fleet_day
    return sum_techniques(connection, days, wanted.min_confidence, *_days(days, wanted))


def _days(sums: Table, wanted: TagFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield sums.c.day >= wanted.since // US_PER_DAY
    if wanted.until is not None:
        yield sums.c.day < -(-wanted.until // US_PER_DAY)


def sum_techniques(
    connection: Connection, table: Table, floor: float, *where: ColumnElement[bool]
) -> list[TechniqueCount]:
    """Each technique use that the rows of a roll-up ``where`` count, most seen first."""
    sums = table.c
    total = func.sum(sums.count)
    summed = (
        select(
            sums.ttp_id,
            total.label("total"),
            func.max(sums.max_confidence).label("most"),
            func.min(sums.first_seen).label("first"),
            func.max(sums.last_seen).label("last"),
        )
        .where(sums.band >= band_of(floor), *where)
        .group_by(sums.ttp_id)
        .having(total > 0)
        .subquery()
    )
    of = summed.c
    uses = (ttp.c.tactic, ttp.c.technique_id, ttp.c.sub_technique_id, ttp.c.attack_release)
    query = (
        select(*uses, of.total, of.most, of.first, of.last)
        .join(ttp, ttp.c.id == of.ttp_id)
        .order_by(of.total.desc(), ttp.c.technique_id, ttp.c.sub_technique_id, ttp.c.tactic)
    )
    return [
        TechniqueCount(
            tactic=tactic,
            technique_id=technique,
            sub_technique_id=sub or None,
            count=int(count),
            max_confidence=confidence,
            first_seen_us=first,
            last_seen_us=last,
            attack_release=release,
        )
        for tactic, technique, sub, release, count, confidence, first, last in connection.execute(query)
    ]


def top_attackers(connection: Connection, limit: int) -> list[AttackerCount]:
    """The ``limit`` attackers who showed the most different techniques."""
    sums = rollup_attacker.c
    techniques, tags = func.count(sums.ttp_id.distinct()), func.sum(sums.count)
    query = (
        select(
            attacker.c.address, attacker.c.event_count, techniques, tags, attacker.c.first_seen, attacker.c.last_seen
        )
        .select_from(rollup_attacker.join(attacker))
        .group_by(attacker.c.id)
        .order_by(techniques.desc(), tags.desc(), attacker.c.id)
        .limit(limit)
    )
    return [
        AttackerCount(address, events, number, int(total), first, last)
        for address, events, number, total, first, last in connection.execute(query)
    ]


def telling_tags(connection: Connection, limit: int) -> list[TellingTag]:
    """The newest tag of each of the ``limit`` surest and rarest techniques: the lines worth reading first."""
    sums = rollup_fleet.c
    sure, seen = func.max(sums.max_confidence), func.sum(sums.count)
    rare = (
        select(sums.ttp_id, func.max(sums.last_seen), sure)
        .group_by(sums.ttp_id)
        .order_by(sure.desc(), seen, sums.ttp_id)
        .limit(limit)
    )
    found = [_newest_tag(connection, use, at) for use, at, _ in connection.execute(rare).all()]
    return [tag for tag in found if tag is not None]


def _newest_tag(connection: Connection, use: int, at: int) -> TellingTag | None:
    """The tag of technique use ``use`` at ``at``; the time is the head of the primary key, so this reads one page."""
    row = connection.execute(
        select(
            tag.c.observed_at,
            attacker.c.address,
            ttp.c.tactic,
            ttp.c.technique_id,
            ttp.c.sub_technique_id,
            tag.c.confidence,
            attacker.c.intel_bump,
            tag.c.rule_id,
            tag.c.evidence,
            tag.c.source_kind,
            tag.c.source_id,
        )
        .select_from(tag.join(ttp, ttp.c.id == tag.c.ttp_id).join(attacker))
        .where(tag.c.observed_at == at, tag.c.ttp_id == use, tag.c.superseded.is_(False))
        .order_by(tag.c.confidence.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    observed_at, address, tactic, technique, sub, confidence, bump, rule, evidence, kind, source_id = row
    proof = msgspec.json.decode(evidence)
    command = _command_text(connection, source_id) if kind == COMMAND else None
    return TellingTag(observed_at, address, tactic, technique, sub or None, confidence, bump, rule, proof, command)


def _command_text(connection: Connection, source_id: str) -> str | None:
    payload = connection.execute(select(event.c.payload).where(event.c.id == bytes.fromhex(source_id))).scalar()
    return msgspec.json.decode(payload, type=CommandPayload).command_text if payload else None


def band_of(floor: float) -> int:
    """The lowest band that a view with that floor reads."""
    return max((number for number, edge in enumerate(BAND_EDGES) if edge <= floor), default=0)
