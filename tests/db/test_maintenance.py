from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.db.actors import Actors
from decnet.db.maintenance import HOURS_KEPT_DAYS, Purged, compact, drop_old_hours, fold_fleet_shards, purge_attacker
from decnet.db.tags import TagWriter
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid, identity_uuid
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.databases import rows, run
from tests.events import NOON, SECOND, a_command, a_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event
    from decnet.models.tag import TTPTag

DAY = 86_400 * SECOND
MINE, OTHER = "198.51.100.7", "203.0.113.9"


def store(database: Database, events: Sequence[Event], more: Sequence[TTPTag] = (), *, shard: int = 0) -> None:
    """Store events with a tag each, and more tags."""
    actors = Actors()

    def work(connection: Connection) -> None:
        Intake(actors).store(connection, events)
        tags = [*(a_tag(event) for event in events), *more]
        TagWriter(actors, shard=shard).insert_tags(connection, tags, now=NOON)

    database.write(work, actors.forget)


def some_events(address: str, session: str, count: int = 7) -> list[Event]:
    return [a_command(f"wget {n}", at=NOON + n * DAY // 3, src=address, session=session) for n in range(count)]


def test_a_purged_attacker_leaves_nothing_and_the_fleet_is_counted_without_it(database: Database) -> None:
    store(database, some_events(MINE, "s1"))
    store(database, some_events(OTHER, "s2"))
    steps: list[int] = []
    assert purge_attacker(database, f"::ffff:{MINE}", on_step=steps.append) == Purged(7, 7, 1)
    assert steps
    assert rows(database, "SELECT address FROM attacker") == [(OTHER,)]
    for table in ("identity", "campaign", "session"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(1,)], table
    for table in ("event", "tag"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(7,)], table
    assert_rollups_equal_a_recount(database)


def test_an_identity_that_others_share_stays_and_is_counted_without_the_purged_one(database: Database) -> None:
    store(database, some_events(MINE, "s1"))
    other = some_events(OTHER, "s2")
    store(database, other)
    head = identity_uuid(attacker_uuid(OTHER))
    join = "(SELECT id FROM identity WHERE uuid = :head)"
    run(database, f"UPDATE attacker SET identity_id = {join} WHERE address = :mine", head=head, mine=MINE)
    run(database, "DELETE FROM rollup_identity")
    run(database, "DELETE FROM rollup_campaign")
    purge_attacker(database, MINE)
    assert rows(database, "SELECT count(*) FROM attacker") == [(1,)]
    assert rows(database, "SELECT sum(count) FROM rollup_identity") == [(7,)]
    assert rows(database, "SELECT sum(count) FROM rollup_campaign") == [(7,)]


def test_an_attacker_that_is_not_stored_cannot_be_purged(database: Database) -> None:
    assert purge_attacker(database, "192.0.2.1") is None


def test_sums_per_hour_are_kept_for_a_time_and_sums_per_day_for_good(database: Database) -> None:
    store(database, some_events(MINE, "s1"))
    hours = rows(database, "SELECT count(*) FROM rollup_fleet_hour")[0][0]
    assert drop_old_hours(database, now=NOON + HOURS_KEPT_DAYS * DAY) == 0
    assert drop_old_hours(database, now=NOON + (HOURS_KEPT_DAYS + 3) * DAY) == hours
    assert rows(database, "SELECT count(*) FROM rollup_fleet_tactic") == [(0,)]
    assert rows(database, "SELECT sum(count) FROM rollup_fleet_day") == [(7,)]


def test_parts_of_several_writers_are_folded_into_one(database: Database) -> None:
    events = some_events(MINE, "s1")
    for shard, event in enumerate(events):
        store(database, [event], shard=shard)
    assert_rollups_equal_a_recount(database)
    assert fold_fleet_shards(database) > 0
    assert rows(database, "SELECT DISTINCT shard FROM rollup_fleet_day") == [(0,)]
    assert_rollups_equal_a_recount(database)
    assert fold_fleet_shards(database) == 0
    compact(database)
