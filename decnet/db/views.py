"""What people ask first: which techniques, by whom, on what evidence. Sums come from roll-ups, never from tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, select

from decnet.db.tables import attacker, event, rollup_attacker, rollup_fleet_day, session, tag, ttp
from decnet.models.event import COMMAND, CommandPayload
from decnet.models.rollup import TechniqueCount
from decnet.models.tag import BAND_EDGES

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


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
class StoredTag:
    """A tag as a reader sees it, with what proves it."""

    observed_at: int
    address: str
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    confidence: float
    rule_id: str
    evidence: dict[str, Any]
    command: str | None
    """The whole line that the attacker typed, where the tag is on a command."""


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
    tags = connection.execute(select(func.coalesce(func.sum(rollup_fleet_day.c.count), 0))).scalar_one()
    return Totals(events, sessions, attackers, tags)


def technique_counts(connection: Connection, floor: float) -> list[TechniqueCount]:
    """The fleet's techniques at or above ``floor`` (rounded down to the edge of its band), most seen first."""
    sums = rollup_fleet_day.c
    total = func.sum(sums.count)
    query = (
        select(
            ttp.c.tactic,
            ttp.c.technique_id,
            ttp.c.sub_technique_id,
            total,
            func.max(sums.max_confidence),
            func.min(sums.first_seen),
            func.max(sums.last_seen),
            ttp.c.attack_release,
        )
        .select_from(rollup_fleet_day.join(ttp))
        .where(sums.band >= _band_of(floor))
        .group_by(ttp.c.id)
        .order_by(total.desc(), ttp.c.technique_id, ttp.c.sub_technique_id, ttp.c.tactic)
    )
    return [
        TechniqueCount(
            tactic=tactic,
            technique_id=technique,
            sub_technique_id=sub or None,
            count=count,
            max_confidence=confidence,
            first_seen_us=first,
            last_seen_us=last,
            attack_release=release,
        )
        for tactic, technique, sub, count, confidence, first, last, release in connection.execute(query)
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
    return [AttackerCount(*row) for row in connection.execute(query)]


def telling_tags(connection: Connection, limit: int) -> list[StoredTag]:
    """The newest tag of each of the ``limit`` surest and rarest techniques: the lines worth reading first."""
    sums = rollup_fleet_day.c
    sure, seen = func.max(sums.max_confidence), func.sum(sums.count)
    rare = (
        select(sums.ttp_id, func.max(sums.last_seen), sure)
        .group_by(sums.ttp_id)
        .order_by(sure.desc(), seen, sums.ttp_id)
        .limit(limit)
    )
    found = [_newest_tag(connection, use, at) for use, at, _ in connection.execute(rare).all()]
    return [tag for tag in found if tag is not None]


def _newest_tag(connection: Connection, use: int, at: int) -> StoredTag | None:
    """The tag of technique use ``use`` at ``at``; the time is the head of the primary key, so this reads one page."""
    row = connection.execute(
        select(
            tag.c.observed_at,
            attacker.c.address,
            ttp.c.tactic,
            ttp.c.technique_id,
            ttp.c.sub_technique_id,
            tag.c.confidence,
            tag.c.rule_id,
            tag.c.evidence,
            tag.c.source_kind,
            tag.c.source_id,
        )
        .select_from(tag.join(ttp).join(attacker))
        .where(tag.c.observed_at == at, tag.c.ttp_id == use, tag.c.superseded.is_(False))
        .order_by(tag.c.confidence.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    observed_at, address, tactic, technique, sub, confidence, rule, evidence, kind, source_id = row
    proof = msgspec.json.decode(evidence)
    command = _command_text(connection, source_id) if kind == COMMAND else None
    return StoredTag(observed_at, address, tactic, technique, sub or None, confidence, rule, proof, command)


def _command_text(connection: Connection, source_id: str) -> str | None:
    payload = connection.execute(select(event.c.payload).where(event.c.id == bytes.fromhex(source_id))).scalar()
    return msgspec.json.decode(payload, type=CommandPayload).command_text if payload else None


def _band_of(floor: float) -> int:
    return max((number for number, edge in enumerate(BAND_EDGES) if edge <= floor), default=0)
