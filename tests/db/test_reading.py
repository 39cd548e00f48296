"""What the API reads, the same on every database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from decnet.db import actor_pages, search, session_pages, sums
from decnet.db.actor_pages import ActorFilter
from decnet.db.actors import Actors
from decnet.db.edges import StoredEdge, write_campaign_edges, write_identity_edges
from decnet.db.membership import write_memberships
from decnet.db.session_pages import EventFilter, SessionFilter
from decnet.db.tag_lists import newest_tags
from decnet.db.tags import TagWriter
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid, campaign_uuid, identity_uuid
from decnet.models.stored_tag import TagFilter
from tests.events import NOON, SECOND, a_command, a_login, a_tag, an_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.tag import TagKey

ADDRESSES = tuple(f"198.51.100.{number}" for number in range(1, 7))
DAY = 86_400 * SECOND
FIRST, SECOND_ONE, THIRD = (attacker_uuid(address) for address in ADDRESSES[:3])


@pytest.fixture
def stored(database: Database) -> Database:
    """Six attackers, a session of four events on each of three days; two are one identity, three one campaign."""
    actors = Actors()
    events, tags = [], []
    for day in range(3):
        for number, address in enumerate(ADDRESSES):
            at, name = NOON + day * DAY + number // 2 * SECOND, f"{address}-{day}"
            line = a_command(f"wget http://x/{number} 'É\\'", at=at + 3, src=address, session=name)
            tries = [a_login(success=good, at=at + good, src=address, session=name) for good in (False, True)]
            events += [*tries, line, an_end(at=at + 9, src=address, session=name)]
            tags.append(a_tag(line))
            if number == day:
                tags.append(a_tag(line, technique="T1003", tactic="TA0006", confidence=0.5, rule="R0014"))

    def work(connection: Connection) -> None:
        Intake(actors).store(connection, events)
        TagWriter(actors).insert_tags(connection, tags, now=NOON)
        heads = {FIRST: FIRST, SECOND_ONE: FIRST, THIRD: THIRD}
        write_memberships(connection, heads, {FIRST: FIRST, THIRD: FIRST})
        write_identity_edges(connection, {SECOND_ONE: [StoredEdge(1.0, ("payload",), "payload:x")]})
        write_campaign_edges(connection, {identity_uuid(THIRD): [StoredEdge(1.0, ("hand_off",), "session:x")]})

    database.write(work, actors.forget)
    return database


def walked(database: Database, read: Callable[..., Any], limit: int, **wanted: Any) -> list[Any]:
    """Every row of a list, from all its pages."""
    found: list[Any] = []
    after = None
    for _ in range(100):
        rows, after = database.read(partial(read, after=after, limit=limit, **wanted))
        found += rows
        if after is None:
            return found
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_lists_of_actors_hold_everybody_once_in_order(stored: Database, limit: int) -> None:
    wanted = ActorFilter()
    attackers = walked(stored, actor_pages.attacker_page, limit, wanted=wanted)
    assert sorted(row.address for row in attackers) == list(ADDRESSES)
    assert [row.last_seen for row in attackers] == sorted((row.last_seen for row in attackers), reverse=True)
    sums_of = {row.address: (row.events, row.tags, row.techniques) for row in attackers}
    assert [sums_of[address] for address in ADDRESSES] == [(12, 4, 2)] * 3 + [(12, 3, 1)] * 3
    identities = walked(stored, actor_pages.identity_page, limit, wanted=wanted)
    assert [row.attackers for row in identities] == [1, 1, 1, 1, 2]
    assert set(identities[-1].addresses) == set(ADDRESSES[:2])
    assert identities[-1].joined_by == ("payload",)
    campaigns = walked(stored, actor_pages.campaign_page, limit, wanted=wanted)
    assert sorted((row.identities, row.attackers) for row in campaigns) == [(1, 1), (1, 1), (1, 1), (2, 3)]
    assert len({row.uuid for row in campaigns}) == 4


def test_filters_of_actors_filter(stored: Database) -> None:
    for wanted, expected in (
        (ActorFilter(technique="T1003"), ADDRESSES[:3]),
        (ActorFilter(technique="T1003.008"), ()),
        (ActorFilter(address="198.51.100.2"), ADDRESSES[1:2]),
        (ActorFilter(address="198.51.100._"), ()),
        (ActorFilter(until=NOON + 2 * DAY + SECOND), ADDRESSES[:2]),
        (ActorFilter(since=NOON + 2 * DAY + 2 * SECOND), ADDRESSES[4:]),
    ):
        rows = walked(stored, actor_pages.attacker_page, 1, wanted=wanted)
        assert sorted(row.address for row in rows) == list(expected)
    shown = walked(stored, actor_pages.campaign_page, 1, wanted=ActorFilter(technique="T1003"))
    assert [row.attackers for row in shown] == [3]


def test_actors_are_told_with_their_members_reasons_and_sums(stored: Database) -> None:
    def work(connection: Connection) -> None:
        gone = sums.owner_of(connection, "identity", identity_uuid(SECOND_ONE))
        head = sums.owner_of(connection, "identity", identity_uuid(FIRST))
        assert gone == head is not None
        members = actor_pages.members_of_identity(connection, head.number)
        assert sorted((one.address, len(one.reasons)) for one in members) == [(ADDRESSES[0], 0), (ADDRESSES[1], 1)]
        assert actor_pages.merged_into(connection, head) == [identity_uuid(SECOND_ONE)]
        tried = actor_pages.credentials_of(connection, head.number)
        assert (tried.attempts, tried.succeeded, tried.accounts) == (12, 6, (("root", 12),))
        techniques = sums.owner_techniques(connection, head, TagFilter(min_confidence=0.3))
        assert [(one.technique_id, one.count) for one in techniques] == [("T1105", 6), ("T1003", 2)]
        campaign = sums.owner_of(connection, "campaign", campaign_uuid(identity_uuid(THIRD)))
        assert campaign is not None
        assert len(actor_pages.members_of_campaign(connection, campaign.number)) == 2
        days = actor_pages.tactics_by_day(connection, campaign.number)
        assert [(row.tactic, row.count) for row in days] == [("TA0006", 1), ("TA0011", 3)] * 3
        attacker = sums.owner_of(connection, "attacker", FIRST)
        assert attacker is not None
        assert actor_pages.count_sessions(connection, attacker.number) == 3
        assert actor_pages.newest_traits(connection, [attacker.number]) == []
        assert actor_pages.verdicts_of(connection, attacker.number) == []
        assert sums.owner_of(connection, "session", FIRST) is None

    stored.read(work)


def test_sums_of_the_fleet_by_time_decoy_and_kind(stored: Database) -> None:
    for wanted, expected in (
        (TagFilter(), 18),
        (TagFilter(min_confidence=0.3), 21),
        (TagFilter(min_confidence=0.3, technique="T1003"), 3),
        (TagFilter(tactic="TA0011"), 18),
        (TagFilter(since=NOON + DAY), 12),
        (TagFilter(since=NOON, until=NOON + 1), 6),  # the whole hour
        (TagFilter(since=NOON - 4 * DAY, until=NOON + 1), 6),  # the whole day
        (TagFilter(decoy="svr04", source_kind="command"), 18),
        (TagFilter(decoy="svr05"), 0),
        (TagFilter(source_kind="email"), 0),
    ):
        counts = stored.read(partial(sums.fleet_techniques, wanted=wanted))
        assert sum(one.count for one in counts) == expected, wanted
    buckets: tuple[sums.Bucket, ...] = ("hour", "day")
    for bucket in buckets:
        found = stored.read(partial(sums.activity, wanted=TagFilter(since=NOON, until=NOON + 9 * DAY), bucket=bucket))
        assert [(row.tactic, row.count) for row in found] == [("TA0011", 6)] * 3
        for wanted, expected in (
            (TagFilter(min_confidence=0.3, tactic="TA0006"), 3),
            (TagFilter(min_confidence=0.3, technique="T1003"), 3),
            (TagFilter(min_confidence=0.3, until=NOON + 1), 7),
        ):
            found = stored.read(partial(sums.activity, wanted=wanted, bucket=bucket))
            assert sum(row.count for row in found) == expected
    assert stored.read(sums.last_seen) == NOON + 2 * DAY + 2 * SECOND + 3


def test_rare_tags_are_found_page_by_page(stored: Database) -> None:
    wanted = TagFilter(min_confidence=0.3, technique="T1105")
    cases: list[tuple[sums.Scope | None, bytes, TagFilter, int]] = [
        ("attacker", FIRST, structs.replace(wanted, attacker=FIRST), 3),
        ("identity", identity_uuid(FIRST), structs.replace(wanted, identity=identity_uuid(FIRST)), 6),
        (None, b"", wanted, 18),
    ]
    for scope, uuid, of, number in cases:
        owner = stored.read(partial(sums.owner_of, scope=scope, uuid=uuid)) if scope is not None else None
        keys: list[TagKey] = []
        while page := stored.read(
            partial(newest_tags, owner=owner, wanted=of, after=keys[-1] if keys else None, limit=2)
        ):
            keys += [one.key for one in page]
        assert keys == sorted(set(keys), reverse=True)
        assert len(keys) == number


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_lists_of_sessions_and_events_hold_each_once_in_order(stored: Database, limit: int) -> None:
    sessions = walked(stored, session_pages.session_page, limit, wanted=SessionFilter())
    places = [(row.started_at, row.id) for row in sessions]
    assert places == sorted(set(places), reverse=True)
    assert len(places) == 18
    events = walked(stored, session_pages.event_page, limit, wanted=EventFilter())
    keys = [row.id for row in events]
    assert keys == sorted(set(keys), reverse=True)
    assert len(keys) == 72


def test_filters_of_sessions_and_events_filter(stored: Database) -> None:
    for wanted, expected in (
        (SessionFilter(attacker=FIRST), 3),
        (SessionFilter(since=NOON + DAY, until=NOON + 2 * DAY), 6),
        (SessionFilter(decoy="svr04", protocol="ssh", min_commands=1, logged_in=True), 18),
        (SessionFilter(logged_in=False), 0),
        (SessionFilter(min_commands=2), 0),
    ):
        assert len(walked(stored, session_pages.session_page, 2, wanted=wanted)) == expected
    for chosen, number in (
        (EventFilter(source_kind="command"), 18),
        (EventFilter(text="wget http://x/3"), 3),
        (EventFilter(text="WGET"), 0),
        (EventFilter(text="'É\\'"), 18),
        (EventFilter(text="command_text"), 0),
        (EventFilter(since=NOON + DAY, until=NOON + 2 * DAY), 24),
        (EventFilter(source_kind="command", text="x/1", since=NOON + DAY), 2),
    ):
        assert len(walked(stored, session_pages.event_page, 2, wanted=chosen)) == number, chosen


def test_a_session_is_read_event_by_event(stored: Database) -> None:
    def work(connection: Connection) -> None:
        rows, _ = session_pages.session_page(connection, SessionFilter(attacker=FIRST), after=None, limit=1)
        kinds, after = [], None
        for _ in range(4):
            (event,) = session_pages.events_of_session(connection, rows[0].id, after=after, limit=1)
            after = event.observed_at, event.seq, event.id
            kinds.append(event.source_kind)
        assert kinds == ["auth_attempt", "auth_attempt", "command", "session"]
        assert session_pages.events_of_session(connection, rows[0].id, after=after, limit=1) == []
        assert after is not None
        assert session_pages.event_numbered(connection, after[2]) is not None
        assert search.has_event(connection, after[2])

    stored.read(work)


def test_a_filter_looks_at_a_bounded_number_of_events(stored: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_pages, "MOST_LOOKED_AT", 10)
    wanted = EventFilter(text="wget http://x/0")
    first, place = stored.read(partial(session_pages.event_page, wanted=wanted, after=None, limit=5))
    assert (len(first), place is None) == (0, False)
    assert len(walked(stored, session_pages.event_page, 5, wanted=wanted)) == 3


def test_what_a_text_may_mean_is_looked_up(stored: Database) -> None:
    assert stored.read(partial(search.attacker_at, address=ADDRESSES[0])) == FIRST
    assert stored.read(partial(search.attacker_at, address="203.0.113.1")) is None
    assert stored.read(search.techniques_seen) == {"T1105", "T1003"}
    assert stored.read(partial(search.mails_with_body, digest=bytes(32))) == []
    assert not stored.read(partial(search.has_event, key=bytes(16)))
