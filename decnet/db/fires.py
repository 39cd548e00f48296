"""How often each rule fired: tags that it wrote, per hour of what was seen and in all, in the transaction of the tags.

What was superseded or deleted since stays counted: this tells how a rule works, not what is stored. Written by
``db/tags.py`` and nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from decnet.db.dialect import Merged
from decnet.db.rollups import US_PER_HOUR, Cell, Cells, add_to
from decnet.db.tables import rule_fires

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from decnet.models.tag import TTPTag

ALL_TIME = 0
"""The hour that stands for all of them."""
DAY_HOURS = 24
_KEYS = ("hour", "rule_id", "shard")


class Fires(NamedTuple):
    """How often a rule fired: within the last 24 hours (by whole hours, this one among them), and in all.

    Times are µs UTC, of what was seen.
    """

    last_day: int
    total: int
    max_confidence: float
    first_seen: int
    last_seen: int


def fires_of(tags: Iterable[TTPTag], shard: int) -> Merged:
    """What new ``tags`` add; ``shard`` is the writer's own part of the sums."""
    by_hour: Cells = {}
    for tag in tags:
        at, confidence = tag.observed_at, tag.confidence
        key = (at // US_PER_HOUR, tag.rule_id, shard)
        cell = by_hour.get(key)
        if cell is None:
            by_hour[key] = Cell(1, confidence, at, at)
        else:
            cell.add(1, confidence, at, at)
    in_all: Cells = {}
    for (_, rule, _), cell in by_hour.items():
        add_to(in_all, (ALL_TIME, rule, shard), cell)
    cells = in_all | by_hour
    return Merged(rule_fires, _KEYS, [(*key, *cells[key].values()) for key in sorted(cells)])


def fires_of_rules(connection: Connection, *, now: int) -> dict[str, Fires]:
    """By rule; a rule that never fired is not among them. ``now`` is µs UTC."""
    of = rule_fires.c
    sums = (func.sum(of.count), func.max(of.max_confidence), func.min(of.first_seen), func.max(of.last_seen))
    total = select(of.rule_id, *sums).where(of.hour == ALL_TIME).group_by(of.rule_id)
    first_hour = now // US_PER_HOUR - DAY_HOURS + 1
    recent = select(of.rule_id, func.sum(of.count)).where(of.hour >= first_hour).group_by(of.rule_id)
    last_day = {rule: int(count) for rule, count in connection.execute(recent)}
    return {
        rule: Fires(last_day.get(rule, 0), int(count), most, first, last)
        for rule, count, most, first, last in connection.execute(total)
    }
