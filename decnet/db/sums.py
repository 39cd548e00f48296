"""Sums of the fleet and of one owner in a stretch of time, and how they run over time. Roll-ups alone are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from sqlalchemy import func, select

from decnet.db.rollups import US_PER_DAY, US_PER_HOUR
from decnet.db.tables import (
    attacker,
    campaign,
    identity,
    rollup_attacker,
    rollup_campaign,
    rollup_fleet,
    rollup_fleet_day,
    rollup_fleet_hour,
    rollup_fleet_tactic,
    rollup_identity,
    rollup_session,
    sensor,
    session,
    ttp,
)
from decnet.db.views import band_of, sum_techniques

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Select, Table
    from sqlalchemy.engine import Connection

    from decnet.models.rollup import TechniqueCount
    from decnet.models.stored_tag import TagFilter

Scope = Literal["attacker", "identity", "campaign", "session"]
"""Whose tags a reader asks for."""
Bucket = Literal["hour", "day"]

MOST_HOURS_US = 3 * US_PER_DAY
"""Longer stretches are read by the day."""
MOST_TECHNIQUE_DAYS = 4_000
_ACTORS = {"attacker": attacker, "identity": identity, "campaign": campaign, "session": session}
_SUMS = {
    "attacker": rollup_attacker,
    "identity": rollup_identity,
    "campaign": rollup_campaign,
    "session": rollup_session,
}
_LENGTHS = {"hour": US_PER_HOUR, "day": US_PER_DAY}


class Owner(NamedTuple):
    """Who is meant: the number and uuid of who is there now, whatever was merged into it."""

    scope: Scope
    number: int
    uuid: bytes


class Activity(msgspec.Struct, frozen=True, gc=False):
    """Tags of one tactic in the bucket that begins at ``started_at`` (µs UTC)."""

    started_at: int
    tactic: str
    count: int
    max_confidence: float


class TechniqueDay(msgspec.Struct, frozen=True, gc=False):
    """Tags of one technique of one owner in the day that begins at ``started_at`` (µs UTC)."""

    started_at: int
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    count: int


class DaySeen(NamedTuple):
    """First and last time (µs UTC) of the tags of a day, and how many there are."""

    first: int
    last: int
    tags: int


def owner_of(connection: Connection, scope: Scope, uuid: bytes) -> Owner | None:
    """Whom ``uuid`` means; an identity or campaign that went into another is that one. None for an unknown one."""
    table = _ACTORS[scope]
    number = table.c.id if scope in {"attacker", "session"} else func.coalesce(table.c.merged_into_id, table.c.id)
    found = connection.execute(select(number).where(table.c.uuid == uuid)).scalar()
    if found is None:
        return None
    return Owner(scope, found, connection.execute(select(table.c.uuid).where(table.c.id == found)).scalar_one())


def fleet_techniques(connection: Connection, wanted: TagFilter) -> list[TechniqueCount]:
    """The techniques of the whole fleet, most seen first.

    Of ``wanted`` everything counts but the owners. The floor of confidence is rounded down to its band; times are
    rounded out to whole hours where the stretch is of three days at most and its hours are still kept, else to days.
    """
    table, where = _fleet_table(connection, wanted), [*_what(rollup_fleet, wanted)]
    if table is not rollup_fleet:
        where = [*_what(table, wanted), *_when(table, wanted), *_where_seen(table, wanted)]
    return sum_techniques(connection, table, wanted.min_confidence, *where)


def owner_techniques(connection: Connection, owner: Owner, wanted: TagFilter) -> list[TechniqueCount]:
    """The same of one owner, by whole days; decoys and source kinds are not told apart here."""
    table = _SUMS[owner.scope]
    where = (_owned(table, owner), *_what(table, wanted), *_when(table, wanted))
    return sum_techniques(connection, table, wanted.min_confidence, *where)


def activity(connection: Connection, wanted: TagFilter, bucket: Bucket) -> list[Activity]:
    """Tags of the fleet per bucket and tactic, the oldest first; hours do not tell decoys and source kinds apart."""
    query = _by_tactic(wanted) if bucket == "hour" and wanted.technique is None else _by_use(wanted, bucket)
    length = _LENGTHS[bucket]
    with connection.execute(query) as result:
        rows = result.cursor.fetchall()  # the driver's own tuples: rows are many
    return [Activity(number * length, tactic, int(count), most) for number, tactic, count, most in rows]


def _by_tactic(wanted: TagFilter) -> Select[Any]:
    """Hours as they are kept by tactic, in the order of their key: no row is sorted or looked up."""
    table = rollup_fleet_tactic
    total = func.sum(table.c.count)
    query = select(table.c.hour, table.c.tactic, total, func.max(table.c.max_confidence))
    query = query.where(table.c.band >= band_of(wanted.min_confidence), *_when(table, wanted))
    if wanted.tactic is not None:
        query = query.where(table.c.tactic == wanted.tactic)
    key = (table.c.hour, table.c.tactic)
    return query.group_by(*key).having(total > 0).order_by(*key)


def _by_use(wanted: TagFilter, bucket: Bucket) -> Select[Any]:
    table = rollup_fleet_hour if bucket == "hour" else rollup_fleet_day
    start, total = table.c[bucket], func.sum(table.c.count)
    return (
        select(start, ttp.c.tactic, total, func.max(table.c.max_confidence))
        .select_from(table.join(ttp, ttp.c.id == table.c.ttp_id))
        .where(table.c.band >= band_of(wanted.min_confidence))
        .where(*_what(table, wanted), *_when(table, wanted), *_where_seen(table, wanted))
        .group_by(start, ttp.c.tactic)
        .having(total > 0)
        .order_by(start, ttp.c.tactic)
    )


def owner_activity(connection: Connection, owner: Owner, wanted: TagFilter) -> list[TechniqueDay]:
    """Tags of one owner per day and technique: those of its newest days, :data:`MOST_TECHNIQUE_DAYS` at most."""
    table = _SUMS[owner.scope]
    use = (ttp.c.tactic, ttp.c.technique_id, ttp.c.sub_technique_id)
    query = (
        select(table.c.day, *use, func.sum(table.c.count))
        .select_from(table.join(ttp, ttp.c.id == table.c.ttp_id))
        .where(table.c.band >= band_of(wanted.min_confidence), table.c.count > 0)
        .where(_owned(table, owner), *_what(table, wanted), *_when(table, wanted))
        .group_by(table.c.day, *use)
        .order_by(table.c.day.desc(), *use)
        .limit(MOST_TECHNIQUE_DAYS)
    )
    rows = connection.execute(query).all()
    return [
        TechniqueDay(day * US_PER_DAY, tactic, technique, sub or None, int(count))
        for day, tactic, technique, sub, count in reversed(rows)
    ]


def last_seen(connection: Connection) -> int | None:
    """When the fleet's newest tag was observed (µs UTC)."""
    found: int | None = connection.execute(select(func.max(rollup_fleet.c.last_seen))).scalar()
    return found


def days_seen(
    connection: Connection, owner: Owner | None, wanted: TagFilter, *, until: int, limit: int
) -> list[DaySeen]:
    """Wanted tags within each day before ``until``, the newest ``limit`` days first.

    Sums are those of the bands of the floor, so that a day may have no tag at or above it.
    """
    table = _SUMS[owner.scope] if owner is not None else rollup_fleet_day
    whose = [_owned(table, owner)] if owner is not None else list(_where_seen(table, wanted))
    query = (
        select(func.min(table.c.first_seen), func.max(table.c.last_seen), func.sum(table.c.count))
        .where(*whose, *_what(table, wanted), *_when(table, wanted))
        .where(table.c.band >= band_of(wanted.min_confidence), table.c.day <= (until - 1) // US_PER_DAY)
        .where(table.c.count > 0)
        .group_by(table.c.day)
        .order_by(table.c.day.desc())
        .limit(limit)
    )
    return [DaySeen(first, last, int(count)) for first, last, count in connection.execute(query)]


def _fleet_table(connection: Connection, wanted: TagFilter) -> Table:
    since, until = wanted.since, wanted.until
    is_narrow = wanted.decoy is not None or wanted.source_kind is not None
    if since is None and until is None and not is_narrow:
        return rollup_fleet
    if is_narrow or since is None or until is None or until - since > MOST_HOURS_US:
        return rollup_fleet_day
    oldest = connection.execute(select(func.min(rollup_fleet_hour.c.hour))).scalar()
    return rollup_fleet_hour if oldest is not None and oldest <= since // US_PER_HOUR else rollup_fleet_day


def _owned(table: Table, owner: Owner) -> ColumnElement[bool]:
    column: ColumnElement[int] = table.c[f"{owner.scope}_id"]
    return column == owner.number


def _what(table: Table, wanted: TagFilter) -> Iterator[ColumnElement[bool]]:
    uses = select(ttp.c.id)
    if wanted.technique is not None:
        column = ttp.c.sub_technique_id if "." in wanted.technique else ttp.c.technique_id
        uses = uses.where(column == wanted.technique)
    if wanted.tactic is not None:
        uses = uses.where(ttp.c.tactic == wanted.tactic)
    if wanted.technique is not None or wanted.tactic is not None:
        yield table.c.ttp_id.in_(uses)


def _when(table: Table, wanted: TagFilter) -> Iterator[ColumnElement[bool]]:
    column, length = (table.c.hour, US_PER_HOUR) if "hour" in table.c else (table.c.day, US_PER_DAY)
    if wanted.since is not None:
        yield column >= wanted.since // length
    if wanted.until is not None:
        yield column < -(-wanted.until // length)


def _where_seen(table: Table, wanted: TagFilter) -> Iterator[ColumnElement[bool]]:
    if "decky_id" not in table.c:
        return
    if wanted.decoy is not None:
        yield table.c.decky_id == select(sensor.c.id).where(sensor.c.name == wanted.decoy).scalar_subquery()
    if wanted.source_kind is not None:
        yield table.c.source_kind == wanted.source_kind
