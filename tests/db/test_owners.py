from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.db.membership import write_memberships
from decnet.db.owners import owner_in_force, stored_releases
from decnet.models.actor import attacker_uuid, identity_uuid
from decnet.models.stored_tag import TagFilter
from tests.db.test_tag_pages import FIRST, SECOND_ADDRESS, two_attackers

if TYPE_CHECKING:
    from decnet.db.engine import Database

FOUNDER, JOINED = attacker_uuid(FIRST), attacker_uuid(SECOND_ADDRESS)


def in_force(database: Database, wanted: TagFilter) -> TagFilter | None:
    return database.read(partial(owner_in_force, wanted=wanted))


def test_who_went_into_another_identity_is_that_one(database: Database) -> None:
    two_attackers(database, 1)
    joined = TagFilter(identity=identity_uuid(JOINED), technique="T1105")
    assert in_force(database, joined) == joined
    heads = {FOUNDER: FOUNDER, JOINED: FOUNDER}
    database.write(lambda connection: write_memberships(connection, heads, heads))
    assert in_force(database, joined) == TagFilter(identity=identity_uuid(FOUNDER), technique="T1105")


def test_nobody_is_none_and_everybody_is_everybody(database: Database) -> None:
    assert in_force(database, TagFilter()) == TagFilter()
    assert in_force(database, TagFilter(attacker=FOUNDER)) is None
    assert in_force(database, TagFilter(identity=identity_uuid(FOUNDER))) is None
    two_attackers(database, 1)
    assert in_force(database, TagFilter(attacker=FOUNDER)) == TagFilter(attacker=FOUNDER)


def test_releases_are_those_of_stored_tags(database: Database) -> None:
    assert database.read(stored_releases) == []
    two_attackers(database, 1)
    assert database.read(stored_releases) == ["enterprise-19.2"]
