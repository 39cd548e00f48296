"""What the journal promises beyond the contract: one transaction, wake-ups, retention, processes that are killed."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url, text

from decnet.bus.base import MAX_TRIES, RUN_BYTES, Start
from decnet.bus.consume import Batch, Counters, consume
from decnet.bus.journal import JournalBus, JournalSettings, wake_file, wake_readers
from decnet.db.engine import Database, open_database
from decnet.db.migrations import downgrade, upgrade
from decnet.db.outbox import add_messages, messages_after
from decnet.errors import BusError, BusUnavailable, PartitionLost
from decnet.models.message import Message
from tests.contract.bus_backends import InJournal, in_loop, is_quiet, messages, numbers, take, until
from tests.databases import rows, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

READER = Path(__file__).parent / "journal_reader.py"
NOON = 1_790_000_000_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    yield found
    found.close()


@pytest.fixture
def back_end(tmp_path: Path) -> InJournal:
    return InJournal(tmp_path)


def store_effect(connection: Connection, item: bytes) -> None:
    """A row that counts how often ``item`` had its effect."""
    connection.execute(
        text("INSERT INTO rule_floor VALUES (:item, 1) ON CONFLICT DO UPDATE SET rule_version = rule_version + 1"),
        {"item": item.decode()},
    )


def effects(database: Database) -> dict[str, int]:
    return dict(rows(database, "SELECT rule_id, rule_version FROM rule_floor"))


# one transaction


@in_loop
async def test_a_kill_after_the_commit_of_effects_and_position_repeats_nothing(
    back_end: InJournal, database: Database
) -> None:
    dying = await back_end.open()
    killed = dying.subscribe("events", durable="ttp")
    await killed.__aenter__()
    await dying.publish(messages("events", 0, 2))
    async with asyncio.timeout(10):
        delivery = await anext(killed)

    def work(connection: Connection) -> bool:
        store_effect(connection, delivery.message.items[0])
        return delivery.acknowledge_within(connection)

    assert await asyncio.to_thread(database.write, work)
    await back_end.kill(dying, killed)

    living = await back_end.open()
    async with living.subscribe("events", durable="ttp") as subscription:
        assert numbers(await take(subscription, 1)) == [1]
        assert await is_quiet(subscription)
    assert effects(database) == {"0": 1}


@in_loop
async def test_the_position_moves_past_a_whole_run_with_its_effects(back_end: InJournal, database: Database) -> None:
    dying = await back_end.open()
    killed = dying.subscribe("events", durable="ttp", run=8)
    await killed.__aenter__()
    await publish_at_once(database, messages("events", 0, 5))
    async with asyncio.timeout(10):
        delivery = await anext(killed)

    def work(connection: Connection) -> bool:
        for message in delivery.messages:
            store_effect(connection, message.items[0])
        return delivery.acknowledge_within(connection)

    assert await asyncio.to_thread(database.write, work)
    await back_end.kill(dying, killed)

    living = await back_end.open()
    await living.publish(messages("events", 0, 1, first=5))
    async with living.subscribe("events", durable="ttp", run=8) as subscription:
        assert numbers(await take(subscription, 1)) == [5]
    assert effects(database) == dict.fromkeys("01234", 1)


@in_loop
async def test_what_waits_in_a_partition_comes_in_runs_of_limited_length_and_size(
    back_end: InJournal, database: Database
) -> None:
    bus = await back_end.open()
    large = Message("events", 1, (bytes(RUN_BYTES // 2),))
    await publish_at_once(database, [*messages("events", 0, 20), *[large] * 5])
    async with bus.subscribe("events", durable="ttp", start=Start.FIRST, run=8) as subscription:
        taken = await take(subscription, 6)
        assert await is_quiet(subscription, 0.1)

    lengths = {number: [len(one.messages) for one in taken if one.message.partition == number] for number in (0, 1)}
    assert lengths == {0: [8, 8, 4], 1: [2, 2, 1]}


async def publish_at_once(database: Database, several: list[Message]) -> None:
    """Every message is there before a reader can see the first."""
    await asyncio.to_thread(database.write, partial(add_messages, messages=several, now=NOON))
    wake_readers(database)


@in_loop
async def test_a_roll_back_takes_the_position_back_as_well(back_end: InJournal, database: Database) -> None:
    bus = await back_end.open()
    attempts = 0
    counters = Counters()

    async def handle(batch: Batch) -> None:
        def work(connection: Connection) -> None:
            nonlocal attempts
            attempts += 1
            for item in batch.items:
                store_effect(connection, item)
            batch.acknowledge_within(connection)
            if attempts <= 2:
                raise ValueError("after the position was moved")

        await asyncio.to_thread(database.write, work)

    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle, counters=counters))
        await bus.publish([Message("events", 0, (b"a", b"b", b"c")), Message("events", 0, (b"d",))])
        await until(lambda: _is(lambda: counters.handled == 4))
        loop.cancel()

    assert effects(database) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert await bus.dead_letters() == []


@in_loop
async def test_a_position_that_was_rolled_back_for_good_moves_past_the_dead_letter(
    back_end: InJournal, database: Database
) -> None:
    bus = await back_end.open()
    counters = Counters()

    async def handle(batch: Batch) -> None:
        def work(connection: Connection) -> None:
            store_effect(connection, batch.items[0])
            batch.acknowledge_within(connection)
            if batch.items == (b"bad",):
                raise ValueError("always")

        await asyncio.to_thread(database.write, work)

    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle, counters=counters))
        await bus.publish([Message("events", 0, (item,)) for item in (b"bad", b"good")])
        await until(lambda: _is(lambda: counters.handled == 1))
        await until(lambda: _has_lag(bus, 0))
        loop.cancel()

    assert effects(database) == {"good": 1}
    assert (counters.dead, counters.lost) == (1, 0)


async def _is(claim: object) -> bool:
    assert callable(claim)
    return bool(claim())


async def _has_lag(bus: object, count: int) -> bool:
    assert isinstance(bus, JournalBus)
    return (await bus.lag("ttp")).messages == count


@in_loop
async def test_who_lost_the_partition_cannot_commit(back_end: InJournal, database: Database) -> None:
    slow, quick = await back_end.open(), await back_end.open()
    leases = await back_end.leases()
    async with slow.subscribe("events", durable="ttp", partitions=(3,)) as late:
        await slow.publish(messages("events", 3, 1))
        async with asyncio.timeout(10):
            delivery = await anext(late)
        await leases.release(["ttp.p03"], late._share._member)  # type: ignore[attr-defined]
        async with quick.subscribe("events", durable="ttp", partitions=(3,)) as subscription:
            await take(subscription, 1)

            def work(connection: Connection) -> None:
                store_effect(connection, b"0")
                delivery.acknowledge_within(connection)

            with pytest.raises(PartitionLost):
                await asyncio.to_thread(database.write, work)

    assert effects(database) == {}


@in_loop
async def test_a_connection_to_another_database_moves_no_position(back_end: InJournal, tmp_path: Path) -> None:
    bus = await back_end.open()
    other = open_database(f"sqlite:///{tmp_path / 'other.sqlite'}")
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish(messages("events", 0, 1))
        async with asyncio.timeout(10):
            delivery = await anext(subscription)

        assert other.write(delivery.acknowledge_within) is False

        assert (await bus.lag("ttp")).messages == 1
    other.close()


# wake-ups


@in_loop
async def test_what_another_process_announces_arrives_without_polling(back_end: InJournal, database: Database) -> None:
    bus = JournalBus(database, JournalSettings(poll_s=30))
    async with bus.subscribe("events", durable="ttp") as subscription:
        program = (
            "import sys, asyncio; from decnet.db.engine import open_database;"
            "from decnet.bus.journal import JournalBus; from decnet.models.message import Message;"
            "asyncio.run(JournalBus(open_database(sys.argv[1])).publish([Message('events', 0, (b'7',))]))"
        )
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, back_end.url)
        assert await child.wait() == 0

        assert numbers(await take(subscription, 1, within_s=5)) == [7]
    await bus.close()


@in_loop
async def test_a_kill_between_commit_and_wake_up_delays_a_message_and_loses_none(database: Database) -> None:
    bus = JournalBus(database, JournalSettings(poll_s=0.5))
    async with bus.subscribe("events", durable="ttp") as subscription:
        database.write(partial(add_messages, messages=messages("events", 0, 1), now=NOON))

        assert numbers(await take(subscription, 1, within_s=5)) == [0]
    await bus.close()


@in_loop
async def test_a_wake_up_that_nobody_waits_for_is_harmless(database: Database) -> None:
    wake_readers(database)
    assert not wake_file(database).exists()
    bus = JournalBus(database)
    async with bus.subscribe("events", durable="ttp"):
        assert wake_file(database).stat().st_mode & 0o777 == 0o600
        wake_file(database).unlink()
        await bus.publish(messages("events", 0, 1))
    await bus.close()


# retention


@in_loop
async def test_what_every_durable_has_passed_goes_and_numbers_never_return(database: Database) -> None:
    bus = JournalBus(database, JournalSettings(keep_s=0))
    async with bus.subscribe("events", durable="quick") as quick, bus.subscribe("events", durable="slow") as slow:
        await bus.publish(messages("events", 0, 5))
        await take(quick, 5)
        await take(slow, 2)

        assert await bus.trim() == 2
        left = database.read(partial(messages_after, partition=0, position=0, limit=10))
        assert [stored.message for stored in left] == messages("events", 0, 5)[2:]
        await take(slow, 3)
        assert await bus.trim() == 3

        await bus.publish(messages("events", 0, 1))
        [newest] = database.read(partial(messages_after, partition=0, position=0, limit=10))
        assert newest.id > left[-1].id
        assert numbers(await take(slow, 1)) == [0]
    await bus.close()


@in_loop
async def test_what_is_young_stays_although_everybody_has_read_it(database: Database) -> None:
    now = NOON
    bus = JournalBus(database, JournalSettings(keep_s=60), now=lambda: now)
    await bus.publish(messages("events", 0, 1))
    now += 50_000_000
    await bus.publish(messages("events", 0, 1))

    assert await bus.trim() == 0
    now += 11_000_000
    assert await bus.trim() == 1
    await bus.close()


@in_loop
async def test_a_durable_of_a_rare_topic_does_not_keep_what_it_never_reads(database: Database) -> None:
    bus = JournalBus(database, JournalSettings(keep_s=0, poll_s=0.05))
    async with bus.subscribe("ttp.tagged", durable="hooks"):
        await bus.publish(messages("events", 0, 700))
        await asyncio.sleep(0.3)

    assert await bus.trim() == 700
    await bus.close()


@in_loop
async def test_a_full_journal_says_what_to_do(database: Database) -> None:
    bus = JournalBus(database, JournalSettings(max_unread=3, patience_s=0.1))
    async with bus.subscribe("events", durable="ttp"):
        with pytest.raises(BusUnavailable, match=r"3 messages wait to be read, .* forget a durable that nobody uses"):
            await bus.publish(messages("events", 0, 4))
    await bus.close()


# processes that are killed, files that are locked


def read_in_child(url: str, count: int, run: int = 1) -> tuple[int, list[str]]:
    """The exit code and the items that a child printed which reads ``count`` items, ``run`` messages at a time."""
    command = [sys.executable, str(READER), url, str(count), str(run)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    return child.returncode, child.stdout.split()[1:]


@pytest.mark.timeout(120)
def test_a_message_that_kills_its_process_is_put_aside_after_five_kills(
    back_end: InJournal, database: Database
) -> None:
    bus = JournalBus(database)
    poisoned = [Message("events", 0, (item,)) for item in (b"before", b"kill", b"after")]
    asyncio.run(bus.publish(poisoned))

    runs = [read_in_child(back_end.url, 2) for _ in range(MAX_TRIES)]
    last = read_in_child(back_end.url, 1)

    assert runs == [(-9, ["before"]), *[(-9, [])] * (MAX_TRIES - 1)]
    assert last == (0, ["after"])
    [letter] = asyncio.run(bus.dead_letters("ttp"))
    assert letter.item == b"kill"
    assert letter.tries == MAX_TRIES + 1


@pytest.mark.timeout(120)
def test_of_a_run_that_kills_its_process_only_the_message_at_fault_is_put_aside(
    back_end: InJournal, database: Database
) -> None:
    bus = JournalBus(database)
    items = (b"1", b"2", b"kill", b"3", b"4")
    asyncio.run(bus.publish([Message("events", 0, (item,)) for item in items]))

    runs = [read_in_child(back_end.url, 5, run=8) for _ in range(1 + MAX_TRIES)]
    last = read_in_child(back_end.url, 2, run=8)

    assert runs == [(-9, ["1", "2"]), (-9, ["1", "2"]), *[(-9, [])] * (MAX_TRIES - 1)]
    assert last == (0, ["3", "4"])
    assert [letter.item for letter in asyncio.run(bus.dead_letters("ttp"))] == [b"kill"]


@in_loop
async def test_a_locked_database_delays_a_publisher_and_a_reader(back_end: InJournal) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        lock = sqlite3.connect(back_end.url.removeprefix("sqlite:///"), isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        asyncio.get_running_loop().call_later(0.5, lock.close)
        await bus.publish(messages("events", 0, 1))

        assert time.monotonic() - begun >= 0.4
        assert numbers(await take(subscription, 1)) == [0]


def test_a_database_where_numbers_commit_out_of_order_is_refused() -> None:
    server = Database(make_url("postgresql+asyncpg://nobody:hidden@127.0.0.1:9/none"))
    try:
        with pytest.raises(BusError, match=r"journal bus needs SQLite, .* set DECNET_BUS_URL to nats://") as refusal:
            JournalBus(server)
        assert "hidden" not in str(refusal.value)
    finally:
        server.close()


@in_loop
async def test_lag_is_the_same_in_a_process_that_never_used_the_durable(back_end: InJournal) -> None:
    reading, looking = await back_end.open(), await back_end.open()
    await reading.publish([*messages("events", 0, 2), *messages("ttp.tagged", 0, 1), *messages("finding.scan", 0, 1)])
    async with reading.subscribe(("events", "finding.*"), durable="ttp", start=Start.FIRST):
        assert (await looking.lag("ttp")).messages == (await reading.lag("ttp")).messages == 3
    async with reading.subscribe("ttp.tagged", durable="ttp"):
        assert (await looking.lag("ttp")).messages == 1


@in_loop
async def test_a_durable_from_before_its_topics_were_stored_counts_all_until_it_is_used_again(
    back_end: InJournal, database: Database
) -> None:
    bus = await back_end.open()
    await bus.publish([*messages("events", 0, 2), *messages("ttp.tagged", 0, 1)])
    database.write(lambda connection: downgrade(connection, "0003"))
    run(database, "INSERT INTO bus_position VALUES ('ttp', 0, 0, 0)")
    database.write(upgrade)

    assert (await bus.lag("ttp")).messages == 3
    async with bus.subscribe("events", durable="ttp"):
        assert (await bus.lag("ttp")).messages == 2
