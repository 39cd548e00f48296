from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from decnet.db.actors import Actors
from decnet.db.membership import write_memberships
from decnet.db.tag_pages import PAGE, all_tags, tag_at, tag_page
from decnet.db.tags import TagWriter
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid, identity_uuid
from decnet.models.stored_tag import Order, TagFilter
from tests.events import NOON, SECOND, a_command, a_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event
    from decnet.models.tag import TTPTag

FIRST, SECOND_ADDRESS = "198.51.100.7", "2001:db8::9"


def store(database: Database, events: Sequence[Event], tags: Sequence[TTPTag]) -> None:
    actors = Actors()

    def work(connection: Connection) -> None:
        Intake(actors).store(connection, events)
        TagWriter(actors).insert_tags(connection, tags, now=NOON)

    database.write(work, actors.forget)


def two_attackers(database: Database, each: int) -> list[TTPTag]:
    """The commands of two attackers, by turns, one a second and in sessions of their own; a tag on each."""
    addresses = [FIRST, SECOND_ADDRESS] * each
    events = [
        a_command(f"wget {number}", at=NOON + number * SECOND, src=address, session=address)
        for number, address in enumerate(addresses)
    ]
    tags = [a_tag(event) for event in events]
    store(database, events, tags)
    return tags


@pytest.mark.parametrize("order", Order)
def test_every_tag_comes_once_and_in_order_however_many_pages_there_are(database: Database, order: Order) -> None:
    tags = two_attackers(database, PAGE)  # two pages of each order
    found = list(all_tags(database, TagFilter(), order))
    by_time = [tag.uuid for tag in tags]
    if order is Order.ATTACKER:
        assert [tag.uuid for tag in found] == by_time[::2] + by_time[1::2]
    else:
        assert [tag.uuid for tag in found] == (by_time if order is Order.OLDEST else by_time[::-1])


def test_a_stored_tag_names_its_actors_and_tells_all_that_was_written(database: Database) -> None:
    (tag, _) = two_attackers(database, 1)
    found = next(all_tags(database, TagFilter()))
    assert found.address == FIRST
    assert (found.protocol, found.decoy) == ("ssh", "svr04")
    assert found.identity_uuid == identity_uuid(attacker_uuid(FIRST))
    plain, written = msgspec.structs.asdict(found), msgspec.structs.asdict(tag)
    same = plain.keys() & written.keys() - {"identity_uuid"}
    assert {name: plain[name] for name in same} == {name: written[name] for name in same}
    assert database.read(partial(tag_at, key=found.key)) == found


def test_a_filter_lets_through_what_it_names(database: Database) -> None:
    two_attackers(database, 2)
    event = a_command("cat /etc/shadow", at=NOON + 10 * SECOND, session="x")
    other = a_tag(event, technique="T1003", tactic="TA0006", confidence=0.4, rule="R0014")
    store(database, [event], [other])
    expected = {
        TagFilter(): 4,
        TagFilter(min_confidence=0.3): 5,
        TagFilter(attacker=attacker_uuid(SECOND_ADDRESS)): 2,
        TagFilter(session=event.session_id, min_confidence=0.0): 1,
        TagFilter(technique="T1003", min_confidence=0.0): 1,
        TagFilter(technique="T1003.008", min_confidence=0.0): 0,
        TagFilter(tactic="TA0011"): 4,
        TagFilter(source_kind="email"): 0,
        TagFilter(decoy="svr04"): 4,
        TagFilter(decoy="nobody"): 0,
        TagFilter(since=NOON + SECOND, until=NOON + 3 * SECOND): 2,
    }
    assert {wanted: len(list(all_tags(database, wanted))) for wanted in expected} == expected


def test_an_identity_is_meant_with_all_its_attackers_and_with_what_went_into_it(database: Database) -> None:
    two_attackers(database, 2)
    founder, joined = attacker_uuid(FIRST), attacker_uuid(SECOND_ADDRESS)
    heads = {founder: founder, joined: founder}
    on_joined = a_tag(a_command("x"), identity=identity_uuid(joined), rule="R0003")
    store(database, [], [on_joined])
    database.write(lambda connection: write_memberships(connection, heads, heads))
    for order in Order:
        found = list(all_tags(database, TagFilter(identity=identity_uuid(founder)), order))
        assert len(found) == 5
        assert {tag.identity_uuid for tag in found} == {identity_uuid(founder)}
        assert [tag.address for tag in found].count(None) == 1


def test_superseded_tags_are_found_by_their_key_alone(database: Database) -> None:
    event = a_command("wget x")
    old, new = a_tag(event), a_tag(event, version=2)
    store(database, [event], [old])
    sources = [(event.observed_at, event.id.hex())]
    database.write(
        lambda connection: TagWriter(Actors()).replace_tags(connection, sources, {"R0012": 2}, [new], now=NOON)
    )
    assert [tag.rule_version for tag in database.read(partial(tag_page, wanted=TagFilter()))] == [2]
    known = database.read(partial(tag_at, key=(old.observed_at, old.uuid)))
    assert known is not None
    assert known.rule_version == 1
