"""What was refused of each sensor: how often, why, and the first example of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select, update

from decnet.db.dialect import dialect_of
from decnet.db.tables import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

MAX_EXAMPLE_CHARS = 500
_KEYS = ("sensor", "reason")
_COLUMNS = (*_KEYS, "count", "first_seen", "last_seen", "example")


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """A reason for which records of a sensor were refused. Times are µs UTC, of the refusals."""

    sensor: str
    reason: str
    count: int
    first_seen: int
    last_seen: int
    example: str


def add_refusals(connection: Connection, sensor: str, counts: Mapping[str, tuple[int, str]], *, now: int) -> None:
    """Count refusals of ``sensor``: by reason how many, and an example, which is kept where it is the first."""
    ordered = sorted(counts.items())
    missing = [(sensor, reason, 0, now, now, example[:MAX_EXAMPLE_CHARS]) for reason, (_, example) in ordered]
    dialect_of(connection).insert_missing(connection, refusal, _KEYS, _COLUMNS, missing)
    of = refusal.c
    for reason, (count, _) in ordered:
        here = and_(of.sensor == sensor, of.reason == reason)
        connection.execute(update(refusal).where(here).values(count=of.count + count, last_seen=now))


def refusal_page(
    connection: Connection, *, sensor: str | None = None, after: tuple[str, str] | None = None, limit: int
) -> list[RefusalCount]:
    """Up to ``limit`` reasons beyond the sensor and reason of ``after``, in their order; of one sensor, or all."""
    of = refusal.c
    query = select(*(of[name] for name in _COLUMNS)).order_by(of.sensor, of.reason).limit(limit)
    if sensor is not None:
        query = query.where(of.sensor == sensor)
    if after is not None:
        query = query.where(or_(of.sensor > after[0], and_(of.sensor == after[0], of.reason > after[1])))
    return [RefusalCount(*row) for row in connection.execute(query)]
