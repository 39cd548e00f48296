from __future__ import annotations

import random
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as hooks

from decnet.db.actors import Actors
from decnet.db.engine import open_database
from decnet.db.maintenance import fold_shards, purge_attacker
from decnet.db.tags import TagWriter, raise_rule_floor
from decnet.errors import OutdatedRule, StorageError
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid, identity_uuid
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.databases import empty, rows, run
from tests.events import NOON, SECOND, a_command, a_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event
    from decnet.models.tag import TTPTag

DAY = 86_400 * SECOND


def store(database: Database, events: Sequence[Event], tags: Sequence[TTPTag], *, shard: int = 0) -> list[TTPTag]:
    """What a writer stores in one transaction; returns the tags that were new."""
    actors = Actors()

    def work(connection: Connection) -> list[TTPTag]:
        Intake(actors).store(connection, events)
        return TagWriter(actors, shard=shard).insert_tags(connection, tags, now=NOON)

    return database.write(work, actors.forget)


def test_a_tag_written_again_is_no_new_row(database: Database) -> None:
    event = a_command("wget x")
    tag = a_tag(event)
    assert store(database, [event], [tag, tag]) == [tag]
    assert store(database, [event], [tag]) == []
    assert rows(database, "SELECT count(*) FROM tag") == [(1,)]


@pytest.mark.parametrize("size", [20, 3_000])
def test_insert_reports_exactly_the_new_tags_of_a_mixed_batch(database: Database, size: int) -> None:
    events = [a_command(f"wget {number}", at=NOON + number) for number in range(size)]
    tags = [a_tag(event) for event in events]
    known = random.Random(7).sample(range(size), size // 3)  # noqa: S311 - any third
    store(database, [events[place] for place in known], [tags[place] for place in known])
    assert store(database, events, tags) == [tag for place, tag in enumerate(tags) if place not in set(known)]


def test_new_tags_are_told_from_stored_ones_in_any_order_of_large_batches(database: Database) -> None:
    size = 250
    events = [a_command(f"wget {number}", at=NOON + number) for number in range(4 * size)]
    tags = [a_tag(event) for event in events]
    parts = [slice(0, 2 * size), slice(0, size), slice(size, 3 * size), slice(0, size), slice(3 * size, 4 * size)]
    new = [store(database, events[part], tags[part]) for part in parts]
    assert new == [tags[: 2 * size], [], tags[2 * size : 3 * size], [], tags[3 * size :]]
    assert store(database, events, tags) == []
    assert_rollups_equal_a_recount(database)


def test_a_tag_below_the_stored_minimum_is_an_error_not_a_silence(database: Database) -> None:
    event = a_command("wget x")
    with pytest.raises(StorageError, match="confidence"):
        store(database, [event], [a_tag(event, confidence=0.1)])
    assert rows(database, "SELECT count(*) FROM event") == [(0,)]


def test_a_tag_without_actor_is_refused_by_the_database_too(database: Database) -> None:
    run(database, "INSERT INTO ttp VALUES (1, 'enterprise-19.2', 'TA0007', 'T1083', '')")
    with pytest.raises(StorageError, match="anchor"):
        run(
            database,
            "INSERT INTO tag (observed_at, uuid, source_kind, source_id, ttp_id, confidence, rule_id, rule_version, "
            "superseded, evidence, created_at) "
            "VALUES (1, :uuid, 'command', 'x', 1, 0.9, 'R0001', 1, false, '{}', 1)",
            uuid=bytes(16),
        )


def test_a_value_that_does_not_fit_is_refused_and_never_cut(database: Database) -> None:
    event = a_command("wget x")
    tag = a_tag(event, source_id="x" * 300)
    try:
        store(database, [event], [tag])
    except StorageError:
        assert rows(database, "SELECT count(*) FROM tag") == [(0,)]
    else:
        assert rows(database, "SELECT source_id FROM tag") == [(tag.source_id,)]


def test_a_tag_of_an_unknown_actor_is_refused_by_name(database: Database) -> None:
    with pytest.raises(StorageError, match=r"not stored \(uuid [0-9a-f]{32}\)"):
        store(database, [], [a_tag(a_command("wget x"))])


def test_deleting_an_attacker_deletes_its_tags_and_events(database: Database) -> None:
    mine, others = a_command("wget x"), a_command("wget y", src="203.0.113.9", session="s2")
    store(database, [mine, others], [a_tag(mine), a_tag(others)])
    run(database, "DELETE FROM attacker WHERE address = '198.51.100.7'")
    for table in ("tag", "event", "rollup_attacker"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(1,)], table


def test_a_tag_of_an_attacker_or_identity_counts_without_a_session(database: Database) -> None:
    event = a_command("wget x")
    attacker = attacker_uuid(event.src_ip)
    of_attacker = a_tag(event, source_id="finding", on_session=False)
    of_identity = a_tag(event, source_id="roll:x", identity=identity_uuid(attacker))
    assert len(store(database, [event], [of_attacker, of_identity])) == 2
    assert rows(database, "SELECT sum(count) FROM rollup_identity") == [(2,)]
    assert rows(database, "SELECT sum(count) FROM rollup_attacker") == [(1,)]
    assert rows(database, "SELECT count(*) FROM rollup_session") == [(0,)]
    assert_rollups_equal_a_recount(database)


def test_a_newer_version_supersedes_the_older_tags_of_the_events_that_it_saw(database: Database) -> None:
    seen, unseen = a_command("wget x"), a_command("wget y", at=NOON + 1)
    old = [a_tag(seen), a_tag(seen, rule="R0500"), a_tag(unseen)]
    store(database, [seen, unseen], old)
    new = a_tag(seen, version=2, technique="T1083")

    def again(connection: Connection) -> tuple[int, int]:
        sources = [(seen.observed_at, seen.id.hex())]
        done = TagWriter(Actors()).replace_tags(connection, sources, {"R0012": 2}, [new], now=NOON)
        return len(done.added), done.superseded

    assert database.write(again) == (1, 1)
    assert database.write(again) == (0, 0)
    assert rows(database, "SELECT rule_id, rule_version FROM tag WHERE superseded") == [("R0012", 1)]
    assert_rollups_equal_a_recount(database)


def test_a_writer_that_comes_while_sums_are_taken_back_is_counted_once(database: Database) -> None:
    """Its part of the fleet's sums is a new row, which nobody who removes the old ones waits for."""
    taken = a_command("wget x")
    late = a_command("wget y", at=NOON + 1, src="198.51.100.99", session="other")
    tag = a_tag(taken)
    store(database, [taken, late], [tag], shard=1)
    other = open_database(database.url.render_as_string(hide_password=False))
    writer = threading.Thread(target=store, args=(other, [], [a_tag(late)]), kwargs={"shard": 2})

    def come(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        if "DELETE FROM rollup_fleet_hour" in sql:
            writer.start()
            writer.join(timeout=0.5)  # where nobody holds it back, it is done by then

    def take(connection: Connection) -> None:
        hooks.listen(connection, "after_cursor_execute", come)
        TagWriter(Actors()).delete_tags(connection, [(tag.observed_at, tag.uuid)])
        hooks.remove(connection, "after_cursor_execute", come)

    database.write(take)
    writer.join()
    other.close()
    assert rows(database, "SELECT count(*) FROM tag") == [(1,)]
    assert_rollups_equal_a_recount(database)


def test_a_version_below_its_floor_is_refused(database: Database) -> None:
    event = a_command("wget x")
    writer, actors = TagWriter(Actors()), Actors()
    database.write(lambda connection: Intake(actors).store(connection, [event]))
    database.write(lambda connection: writer.insert_tags(connection, [a_tag(event, rule="R0500")], now=NOON))
    database.write(lambda connection: raise_rule_floor(connection, {"R0012": 2}))
    with pytest.raises(OutdatedRule, match=r"R0012 v1 \(floor 2\)"):
        database.write(lambda connection: writer.insert_tags(connection, [a_tag(event)], now=NOON))
    database.write(lambda connection: raise_rule_floor(connection, {"R0012": 1}))
    with pytest.raises(OutdatedRule):
        database.write(lambda connection: writer.insert_tags(connection, [a_tag(event)], now=NOON))
    assert len(database.write(lambda c: writer.insert_tags(c, [a_tag(event, version=2)], now=NOON))) == 1


A_TAG = st.tuples(
    st.integers(0, 30),
    st.integers(0, 3),
    st.sampled_from(["T1105", "T1083"]),
    st.sampled_from([0.3, 0.55, 0.6, 0.75, 0.9, 1.0]),
    st.integers(0, 3 * DAY),
)
A_STEP: st.SearchStrategy[tuple[str, list[Any], int]] = st.one_of(
    st.tuples(st.just("insert"), st.lists(A_TAG, max_size=12), st.integers(0, 2)),
    st.tuples(st.just("supersede"), st.lists(st.integers(0, 40), max_size=8), st.booleans()),
    st.tuples(st.just("delete"), st.lists(st.integers(0, 40), max_size=4), st.just(0)),
    st.tuples(st.just("purge"), st.just([]), st.integers(0, 3)),
    st.tuples(st.just("fold"), st.just([]), st.just(0)),
)


@pytest.mark.timeout(120)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(A_STEP, max_size=7))
def test_rollups_equal_a_recount_after_any_inserts_supersedes_deletes_and_purges(
    database: Database, steps: list[tuple[str, list[Any], int]]
) -> None:
    empty(database)
    written: list[tuple[Event, TTPTag]] = []
    for kind, values, number in steps:
        if kind == "insert":
            written += insert_step(database, values, shard=number)
        elif kind == "supersede":
            supersede_step(database, [written[i % len(written)] for i in values if written], fires=bool(number))
        elif kind == "delete":
            keys = [(tag.observed_at, tag.uuid) for _, tag in (written[i % len(written)] for i in values if written)]
            database.write(partial(TagWriter(Actors()).delete_tags, keys=keys))
        elif kind == "purge":
            purge_attacker(database, f"198.51.100.{number}")
            written = [pair for pair in written if pair[0].src_ip != f"198.51.100.{number}"]
        else:
            database.write(fold_shards)
    assert_rollups_equal_a_recount(database)


def insert_step(database: Database, batch: Sequence[Any], *, shard: int) -> list[tuple[Event, TTPTag]]:
    pairs = []
    for number, host, technique, confidence, at in batch:
        event = a_command(f"{number}", at=NOON + at, src=f"198.51.100.{host}", session=f"s{host}")
        pairs.append((event, a_tag(event, technique=technique, confidence=confidence)))
    store(database, [event for event, _ in pairs], [tag for _, tag in pairs], shard=shard)
    return pairs


def supersede_step(database: Database, pairs: Sequence[tuple[Event, TTPTag]], *, fires: bool) -> None:
    """Version 2 sees these events, and fires on them or not."""
    sources = [(event.observed_at, event.id.hex()) for event, _ in pairs]
    tags = [a_tag(event, version=2, confidence=0.75) for event, _ in pairs] if fires else []
    database.write(
        lambda connection: TagWriter(Actors()).replace_tags(connection, sources, {"R0012": 2}, tags, now=NOON)
    )
