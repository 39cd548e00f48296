from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.db.actors import Actors
from decnet.db.fires import Fires, fires_of_rules
from decnet.db.maintenance import HOURS_KEPT_DAYS, drop_old_hours, fold_fleet_shards
from decnet.db.migrations import downgrade, upgrade
from decnet.db.refusals import RefusalCount, add_refusals, refusal_page
from decnet.db.tags import TagWriter
from decnet.intake.store import Intake
from tests.databases import rows
from tests.db.test_tag_pages import store
from tests.events import NOON, SECOND, a_command, a_tag

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event

HOUR = 3_600 * SECOND
DAY = 24 * HOUR


def fires(database: Database, *, now: int = NOON) -> dict[str, Fires]:
    return database.read(partial(fires_of_rules, now=now))


def fired(database: Database, *ages: int) -> None:
    """One tag per age, in µs before noon."""
    events = [a_command(f"wget {number}", at=NOON - age) for number, age in enumerate(ages)]
    store(database, events, [a_tag(event) for event in events])


def test_a_rule_that_fired_is_counted_for_the_day_and_for_all_time(database: Database) -> None:
    fired(database, 0, HOUR, 23 * HOUR, 24 * HOUR, 40 * DAY)
    (found,) = fires(database).values()
    assert (found.last_day, found.total) == (3, 5)
    assert (found.first_seen, found.last_seen) == (NOON - 40 * DAY, NOON)


def test_a_tag_that_is_written_again_is_not_counted_again(database: Database) -> None:
    fired(database, 0)
    fired(database, 0)
    assert [found.total for found in fires(database).values()] == [1]


def test_a_rule_that_never_fired_is_not_there(database: Database) -> None:
    assert fires(database) == {}


def test_old_hours_go_and_the_total_stays(database: Database) -> None:
    fired(database, 0, HOUR)
    drop_old_hours(database, now=NOON + (HOURS_KEPT_DAYS + 3) * DAY)
    assert rows(database, "SELECT hour, sum(count) FROM rule_fires GROUP BY hour") == [(0, 2)]


def test_parts_of_writers_are_folded(database: Database) -> None:
    for shard in (3, 7):
        event, actors = a_command(f"wget {shard}"), Actors()

        def work(connection: Connection, event: Event = event, actors: Actors = actors, shard: int = shard) -> None:
            Intake(actors).store(connection, [event])
            TagWriter(actors, shard=shard).insert_tags(connection, [a_tag(event)], now=NOON)

        database.write(work)
    before = fires(database)
    fold_fleet_shards(database)
    assert fires(database) == before
    assert rows(database, "SELECT DISTINCT shard FROM rule_fires") == [(0,)]


def test_tags_of_an_older_schema_are_counted_when_it_is_brought_up_to_date(database: Database) -> None:
    fired(database, 0, HOUR, 30 * HOUR)
    before = fires(database)
    database.write(lambda connection: downgrade(connection, "0013"))
    database.write(upgrade)
    assert fires(database) == before


def test_refusals_are_counted_by_sensor_and_reason_with_the_first_of_each(database: Database) -> None:
    add = partial(add_refusals, sensor="web01")
    database.write(partial(add, counts={"not JSON": (2, "line 3: 'x'"), "no address": (1, "line 9")}, now=NOON))
    database.write(partial(add, counts={"not JSON": (5, "line 1: 'y'")}, now=NOON + SECOND))
    database.write(partial(add_refusals, sensor="other", counts={}, now=NOON))
    expected = [
        RefusalCount("web01", "no address", 1, NOON, NOON, "line 9"),
        RefusalCount("web01", "not JSON", 7, NOON, NOON + SECOND, "line 3: 'x'"),
    ]
    assert database.read(partial(refusal_page, limit=10)) == expected
    assert database.read(partial(refusal_page, after=("web01", "no address"), limit=10)) == expected[1:]
    assert database.read(partial(refusal_page, sensor="other", limit=10)) == []
