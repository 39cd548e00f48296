"""What each identity of a campaign did and when, and who took over from whom: a campaign drawn in lanes.

Spans come from roll-ups, hand-offs from the edges that join the campaign; no tag and no event is read.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import func, select

from decnet.attack.ukc import Phase, tactics_of
from decnet.db.tables import attacker, campaign_edge, identity, rollup_identity, rollup_session, sensor, session, ttp
from decnet.models.finding import DAY_US

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

MOST_SPANS = 4_000
MOST_HAND_OFFS = 100
_MOST_EDGES = 2_000
_SESSION = "session:"
_LEFT_BEHIND = tactics_of(Phase.COMMAND_AND_CONTROL) + tactics_of(Phase.PERSISTENCE)
_TAKEN_UP = tactics_of(Phase.DISCOVERY) + tactics_of(Phase.LATERAL_MOVEMENT)


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """Tags of one tactic by one identity within one day: the first and the last of them (µs UTC)."""

    identity_uuid: bytes
    tactic: str
    first_seen: int
    last_seen: int
    count: int


class HandOff(NamedTuple):
    """One identity left something behind in ``session_uuid`` at ``left_at``; another took it up at ``taken_at``.

    Times are µs UTC. ``taker_session_uuid`` is the first session of the taker's that went on there; None, as
    ``taken_at``, when it is not stored any more.
    """

    giver_uuid: bytes
    taker_uuid: bytes
    session_uuid: bytes
    decoy: str
    left_at: int
    taker_session_uuid: bytes | None
    taken_at: int | None
    weight: float


class _Party(NamedTuple):
    number: int
    uuid: bytes


class _Left(NamedTuple):
    """A visit with which something was left on a decoy."""

    session_uuid: bytes
    giver: _Party
    decky_id: int
    decoy: str
    left_at: int


def spans_of_campaign(connection: Connection, campaign_id: int) -> list[PhaseSpan]:
    """What every identity of a campaign did, by tactic and day: the newest :data:`MOST_SPANS`, the oldest first."""
    of = rollup_identity.c
    first = func.min(of.first_seen)
    query = (
        select(identity.c.uuid, ttp.c.tactic, first, func.max(of.last_seen), func.sum(of.count))
        .select_from(rollup_identity.join(identity, identity.c.id == of.identity_id).join(ttp, ttp.c.id == of.ttp_id))
        .where(identity.c.campaign_id == campaign_id, of.count > 0)
        .group_by(identity.c.uuid, of.day, ttp.c.tactic)
        .order_by(first.desc(), identity.c.uuid, ttp.c.tactic)
        .limit(MOST_SPANS)
    )
    rows = connection.execute(query).all()
    return [PhaseSpan(uuid, tactic, since, until, int(count)) for uuid, tactic, since, until, count in reversed(rows)]


def hand_offs_of_campaign(connection: Connection, campaign_id: int) -> list[HandOff]:
    """The newest :data:`MOST_HAND_OFFS` visits of a campaign that others took over from, the oldest first."""
    weights = _weights(connection, campaign_id)
    found: list[HandOff] = []
    for left in _left(connection, campaign_id, list(weights)):
        for taker, weight in weights[left.session_uuid].items():
            if taker.number != left.giver.number:
                taken_in, taken_at = _taken(connection, taker.number, left)
                places = (left.giver.uuid, taker.uuid, left.session_uuid, left.decoy, left.left_at)
                found.append(HandOff(*places, taken_in, taken_at, weight))
    return found


def _weights(connection: Connection, campaign_id: int) -> Mapping[bytes, Mapping[_Party, float]]:
    """The visits that joined a campaign, and how much each weighs with whom: giver and takers alike."""
    of = campaign_edge.c
    query = (
        select(of.reason, identity.c.id, identity.c.uuid, of.weight)
        .join(identity, identity.c.id == of.identity_id)
        .where(identity.c.campaign_id == campaign_id, of.reason.startswith(_SESSION, autoescape=True))
        .order_by(identity.c.id)
        .limit(_MOST_EDGES)
    )
    found: dict[bytes, dict[_Party, float]] = defaultdict(dict)
    for reason, number, uuid, weight in connection.execute(query):
        found[UUID(reason.removeprefix(_SESSION)).bytes][_Party(number, uuid)] = weight
    return found


def _left(connection: Connection, campaign_id: int, visits: Sequence[bytes]) -> list[_Left]:
    """The newest of ``visits`` that are stored, the oldest first."""
    of = session.c
    left_at = func.max(rollup_session.c.last_seen)
    keys = (of.uuid, identity.c.id, identity.c.uuid, of.decky_id, sensor.c.name)
    query = (
        select(*keys, left_at)
        .select_from(_TAGGED)
        .join(sensor, sensor.c.id == of.decky_id)
        .join(identity, identity.c.id == attacker.c.identity_id)
        .where(of.uuid.in_(visits), identity.c.campaign_id == campaign_id, ttp.c.tactic.in_(_LEFT_BEHIND))
        .group_by(*keys)
        .order_by(left_at.desc(), of.uuid)
        .limit(MOST_HAND_OFFS)
    )
    rows = connection.execute(query).all()
    return [_Left(visit, _Party(number, uuid), *rest) for visit, number, uuid, *rest in reversed(rows)]


def _taken(connection: Connection, taker: int, left: _Left) -> tuple[bytes, int] | tuple[None, None]:
    """The taker's first session that took something up there within the day after, and when it did."""
    of = session.c
    taken_at = func.min(rollup_session.c.first_seen)
    query = (
        select(of.uuid, taken_at)
        .select_from(_TAGGED)
        .where(attacker.c.identity_id == taker, of.decky_id == left.decky_id, ttp.c.tactic.in_(_TAKEN_UP))
        .where(of.last_event_at >= left.left_at, of.started_at <= left.left_at + DAY_US)
        .group_by(of.uuid)
        .having(taken_at >= left.left_at)
        .order_by(taken_at, of.uuid)
        .limit(1)
    )
    row = connection.execute(query).first()
    return (row[0], row[1]) if row is not None else (None, None)


_TAGGED = (
    session.join(attacker, attacker.c.id == session.c.attacker_id)
    .join(rollup_session, rollup_session.c.session_id == session.c.id)
    .join(ttp, ttp.c.id == rollup_session.c.ttp_id)
)
