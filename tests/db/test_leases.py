from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.db.leases import acquire_lease, lease_holders, release_lease, renew_lease
from decnet.db.maintenance import drop_old_leases
from tests.events import NOON, SECOND

if TYPE_CHECKING:
    from decnet.db.engine import Database

DAY = 86_400 * SECOND


def take(database: Database, holder: str, at: int) -> int | None:
    return database.write(lambda c: acquire_lease(c, "events.7", holder, now=at, length_us=10 * SECOND))


def test_one_holder_at_a_time(database: Database) -> None:
    assert take(database, "a", NOON) == 1
    assert take(database, "b", NOON + SECOND) is None
    assert take(database, "a", NOON + SECOND) == 1


def test_a_lease_that_ran_out_changes_hands_and_its_fence_grows(database: Database) -> None:
    take(database, "a", NOON)
    assert take(database, "b", NOON + 10 * SECOND) == 2
    assert not database.write(lambda c: renew_lease(c, "events.7", "a", now=NOON + 10 * SECOND, length_us=SECOND))


def test_a_lease_that_was_given_back_is_free(database: Database) -> None:
    take(database, "a", NOON)
    database.write(lambda c: release_lease(c, "events.7", "b"))
    assert take(database, "b", NOON) is None
    database.write(lambda c: release_lease(c, "events.7", "a"))
    assert take(database, "b", NOON) == 2


def test_holders_are_listed_by_the_beginning_of_the_name(database: Database) -> None:
    take(database, "a", NOON)
    for name in ("events%7", "eventsX7", "other"):
        database.write(partial(acquire_lease, name=name, holder="b", now=NOON, length_us=SECOND))
    assert database.read(lambda c: lease_holders(c, "events.", now=NOON)) == {"events.7": "a"}
    assert database.read(lambda c: lease_holders(c, "events%", now=NOON)) == {"events%7": "b"}
    assert database.read(lambda c: lease_holders(c, "events.", now=NOON + 10 * SECOND)) == {}


def test_old_leases_are_dropped(database: Database) -> None:
    take(database, "a", NOON)
    assert drop_old_leases(database, now=NOON + DAY) == 0
    assert drop_old_leases(database, now=NOON + DAY + 11 * SECOND) == 1
