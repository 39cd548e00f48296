"""What keeps a database small and true over years: folding, retention, and forgetting an attacker.

Each runs in many short transactions, so that live writers get their turn in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, select

from decnet.db.actors import Actors
from decnet.db.dialect import dialect_of
from decnet.db.epochs import MEMBERSHIP, begin_epoch, hold_rollups
from decnet.db.fires import ALL_TIME
from decnet.db.leases import delete_old_leases
from decnet.db.rollups import FLEET, FOLDED, SUMS, US_PER_DAY, US_PER_HOUR
from decnet.db.tables import (
    attacker,
    campaign,
    event,
    identity,
    rollup_fleet_hour,
    rollup_fleet_tactic,
    rule_fires,
    session,
    tag,
)
from decnet.db.tags import TagWriter
from decnet.models.actor import canonical_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

HOURS_KEPT_DAYS = 14
"""How long the fleet's sums per hour are kept; those per day stay."""
_STEP = 500
_FOLD_STEP = 2_000


@dataclass(frozen=True, slots=True)
class Purged:
    """What forgetting an attacker deleted."""

    tags: int
    events: int
    sessions: int


def purge_attacker(database: Database, address: str, *, on_step: Callable[[int], None] | None = None) -> Purged | None:
    """Delete everything of the attacker at ``address``; None when it is not stored.

    Roll-ups of the fleet, and of an identity or campaign that others share, are brought in line. What is under way in
    the outbox is not searched: messages leave it by their own retention.
    """
    number = database.read(lambda connection: _attacker_id(connection, canonical_address(address)))
    if number is None:
        return None
    writer = TagWriter(Actors())
    tags = _repeat(
        lambda: database.write(lambda c: writer.delete_tags_of_attacker(c, number, _STEP), writer.forget), on_step
    )
    events = _repeat(lambda: database.write(lambda c: _delete_events(c, number)), on_step)
    late, sessions = database.write(lambda c: _delete_attacker(c, number, writer), writer.forget)
    return Purged(tags + late, events, sessions)


def drop_old_hours(database: Database, *, now: int) -> int:
    """Delete sums per hour beyond :data:`HOURS_KEPT_DAYS` before ``now`` (µs); returns the number by technique."""
    oldest = (now - HOURS_KEPT_DAYS * US_PER_DAY) // US_PER_HOUR
    uses, tactics, fires = rollup_fleet_hour, rollup_fleet_tactic, rule_fires

    def work(connection: Connection) -> int:
        connection.execute(delete(fires).where(fires.c.hour > ALL_TIME, fires.c.hour < oldest))
        dropped = connection.execute(delete(uses).where(uses.c.hour < oldest)).rowcount
        connection.execute(delete(tactics).where(tactics.c.hour < oldest))
        return dropped

    return database.write(work)


def drop_old_leases(database: Database, *, now: int) -> int:
    """Delete leases that ended over a day before ``now`` (µs); returns their number."""
    return database.write(lambda connection: delete_old_leases(connection, before=now - US_PER_DAY))


def fold_fleet_shards(database: Database) -> int:
    """Join the parts of the fleet's sums that writers keep apart; returns how many rows were folded away."""
    return _repeat(lambda: database.write(fold_shards), None)


def fold_shards(connection: Connection) -> int:
    """One step of :func:`fold_fleet_shards`."""
    hold_rollups(connection)
    return sum(_fold(connection, table) for table in (*FLEET, rule_fires))


def compact(database: Database) -> None:
    """SQLite: give the log file back to the disk and look at what the planner should know; servers do it themselves."""
    if not database.is_embedded:
        return

    def work(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA optimize")

    database.write(work)


def _fold(connection: Connection, table: Table) -> int:
    keys = [column.name for column in table.primary_key]
    columns = [table.c[name] for name in (*keys, *SUMS)]
    found = connection.execute(
        select(*columns).where(table.c.shard != FOLDED).order_by(*table.primary_key).limit(_FOLD_STEP).with_for_update()
    ).all()
    if not found:
        return 0
    place = keys.index("shard")
    sums: dict[tuple[Any, ...], list[Any]] = {}
    for row in found:
        key = (*row[:place], FOLDED, *row[place + 1 : len(keys)])
        count, most, first, last = row[len(keys) :]
        known = sums.setdefault(key, [0, most, first, last])
        sums[key] = [known[0] + count, max(known[1], most), min(known[2], first), max(known[3], last)]
    dialect_of(connection).merge(
        connection, table, keys, SUMS, [(*key, *values) for key, values in sorted(sums.items())]
    )
    for row in found:
        here = [table.c[name] == value for name, value in zip(keys, row, strict=False)]
        connection.execute(delete(table).where(*here))
    return len(found)


def _attacker_id(connection: Connection, address: str) -> int | None:
    found: int | None = connection.execute(
        select(attacker.c.id).where(attacker.c.address == address).limit(1)
    ).scalar_one_or_none()
    return found


def _delete_events(connection: Connection, number: int) -> int:
    query = select(event.c.id).join(session).where(session.c.attacker_id == number).limit(_STEP)
    keys = connection.execute(query).scalars().all()
    connection.execute(delete(event).where(event.c.id.in_(keys)))
    return len(keys)


def _delete_attacker(connection: Connection, number: int, writer: TagWriter) -> tuple[int, int]:
    """Delete the attacker with what is left of it, and the identity and campaign that held it alone."""
    begin_epoch(connection, MEMBERSHIP)
    late = writer.delete_tags_of_attacker(connection, number, 1 << 30)
    sessions = connection.execute(delete(session).where(session.c.attacker_id == number)).rowcount
    own = connection.execute(select(attacker.c.identity_id).where(attacker.c.id == number)).scalar_one_or_none()
    connection.execute(delete(attacker).where(attacker.c.id == number))
    if own is not None:
        _delete_if_alone(connection, own, writer)
    return late, sessions


def _delete_if_alone(connection: Connection, identity_id: int, writer: TagWriter) -> None:
    """Delete an identity without attackers, its own tags, and its campaign when that holds nobody any more."""
    alone = ~exists().where(attacker.c.identity_id == identity_id)
    heads_others = exists().where(identity.c.merged_into_id == identity_id)
    if not connection.execute(select(alone & ~heads_others)).scalar_one():
        return
    key = (tag.c.observed_at, tag.c.uuid)
    keys = [(at, uuid) for at, uuid in connection.execute(select(*key).where(tag.c.identity_id == identity_id))]
    writer.delete_tags(connection, keys)
    of = connection.execute(select(identity.c.campaign_id).where(identity.c.id == identity_id)).scalar_one()
    connection.execute(delete(identity).where(identity.c.id == identity_id))
    empty = ~exists().where(identity.c.campaign_id == of)
    others = select(campaign.c.id).where(campaign.c.merged_into_id == of)
    if connection.execute(select(empty)).scalar_one() and not connection.execute(others.limit(1)).first():
        connection.execute(delete(campaign).where(campaign.c.id == of))


def _repeat(step: Callable[[], int], on_step: Callable[[int], None] | None) -> int:
    """Do ``step`` until it finds nothing more; returns the sum of what it found."""
    total = 0
    while found := step():
        total += found
        if on_step is not None:
            on_step(total)
    return total
