"""What decnet/bus/base.py promises, held against every bus."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from decnet.bus.base import MAX_TRIES, Start
from decnet.bus.consume import Batch, Counters, consume
from decnet.bus.durable import DurableSubscription
from decnet.errors import BusError, BusUnavailable, PartitionLost, StorageUnavailable
from decnet.models.message import MAX_BYTES, PARTITIONS, Message
from tests.contract.bus_backends import (
    BUFFER,
    BackEnd,
    InJournal,
    InMemory,
    OnNats,
    in_loop,
    is_quiet,
    messages,
    numbers,
    take,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from decnet.bus.base import Bus, Delivery, Subscription

BACK_ENDS: dict[str, Callable[[Path], BackEnd]] = {
    "journal": InJournal,
    "memory": lambda _: InMemory(),
    "nats": lambda _: OnNats(),
}


@pytest.fixture(params=sorted(BACK_ENDS))
def back_end(request: pytest.FixtureRequest, tmp_path: Path) -> BackEnd:
    return BACK_ENDS[request.param](tmp_path)


def held(subscription: Subscription) -> frozenset[int]:
    assert isinstance(subscription, DurableSubscription)
    return subscription.held


async def nothing(_: float) -> None:
    """A pause of no length."""
    await asyncio.sleep(0)


# what is delivered


@in_loop
async def test_a_published_message_reaches_a_durable_whole(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish([Message("events", 7, (b"one", b"\x00\xfftwo", b""))])

        [delivery] = await take(subscription, 1)

    assert delivery.message == Message("events", 7, (b"one", b"\x00\xfftwo", b""))
    assert delivery.tries == 1
    await bus.close()


@in_loop
async def test_a_durable_from_the_first_message_reads_what_was_published_before(back_end: BackEnd) -> None:
    bus = await back_end.open()
    await bus.publish(messages("events", 0, 3))

    async with bus.subscribe("events", durable="ttp", start=Start.FIRST) as subscription:
        taken = await take(subscription, 3)

    assert numbers(taken) == [0, 1, 2]
    await bus.close()


@in_loop
async def test_a_durable_from_now_on_reads_only_what_is_published_later(back_end: BackEnd) -> None:
    bus = await back_end.open()
    await bus.publish(messages("events", 0, 3))

    async with bus.subscribe("events", durable="ttp", start=Start.NEW) as subscription:
        await bus.publish(messages("events", 0, 1, first=3))
        taken = await take(subscription, 1)

        assert numbers(taken) == [3]
        assert await is_quiet(subscription)
    await bus.close()


@in_loop
async def test_patterns_choose_the_topics(back_end: BackEnd) -> None:
    bus = await back_end.open()
    topics = [
        "events",
        "finding.auth_attempt",
        "finding.scan",
        "attacker.session.ended",
        "ttp.tagged",
        "ttp.rule.fired.T1059",
        "ttp.rule.fired.T1105",
    ]

    async def taken_by(name: str, patterns: str | tuple[str, ...], count: int) -> set[str]:
        async with bus.subscribe(patterns, durable=name, start=Start.FIRST) as subscription:
            taken = {delivery.message.topic for delivery in await take(subscription, count)}
            assert await is_quiet(subscription, 0.1)
        return taken

    await bus.publish([Message(topic, 1, (b"x",)) for topic in topics])

    assert await taken_by("a", "finding.*", 2) == {"finding.auth_attempt", "finding.scan"}
    assert await taken_by("b", "ttp.>", 3) == {"ttp.tagged", "ttp.rule.fired.T1059", "ttp.rule.fired.T1105"}
    assert await taken_by("c", "ttp.rule.fired.T1105", 1) == {"ttp.rule.fired.T1105"}
    assert await taken_by("d", ("events", "attacker.>"), 2) == {"events", "attacker.session.ended"}
    assert await taken_by("e", ("finding.scan", "finding.*"), 2) == {"finding.auth_attempt", "finding.scan"}
    await bus.close()


@in_loop
async def test_only_the_partitions_asked_for_are_read(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp", partitions=(3, 5)) as subscription:
        await bus.publish([Message("events", partition, (b"x",)) for partition in range(8)])

        taken = await take(subscription, 2)

        assert {delivery.message.partition for delivery in taken} == {3, 5}
        assert held(subscription) == {3, 5}
        assert await is_quiet(subscription)
    await bus.close()


@in_loop
async def test_every_durable_gets_every_message(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="one") as one, bus.subscribe("events", durable="two") as two:
        await bus.publish(messages("events", 0, 3))

        assert numbers(await take(one, 3)) == [0, 1, 2]
        assert numbers(await take(two, 3)) == [0, 1, 2]
    await bus.close()


# order


@in_loop
async def test_a_partition_is_in_order_also_when_a_message_has_to_come_again(back_end: BackEnd) -> None:
    bus = await back_end.open()
    seen: list[tuple[int, int]] = []
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish(messages("events", 4, 4))
        async with asyncio.timeout(10):
            while len(seen) < 6:
                delivery = await anext(subscription)
                seen.append((numbers([delivery])[0], delivery.tries))
                if delivery.tries < 3 and numbers([delivery]) == [1]:
                    await delivery.retry(0.05)
                else:
                    await delivery.acknowledge()

    assert seen == [(0, 1), (1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]
    await bus.close()


@in_loop
async def test_the_next_message_of_a_partition_waits_and_other_partitions_do_not(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish([*messages("events", 0, 2), *messages("events", 1, 1, first=10)])
        async with asyncio.timeout(10):
            both = [await anext(subscription), await anext(subscription)]

        assert sorted(numbers(both)) == [0, 10]
        assert await is_quiet(subscription)

        for delivery in both:
            await delivery.acknowledge()
        assert numbers(await take(subscription, 1)) == [1]
    await bus.close()


@in_loop
async def test_a_delayed_message_does_not_come_before_its_time(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish(messages("events", 0, 1))
        async with asyncio.timeout(10):
            delivery = await anext(subscription)
        await delivery.retry(0.8)

        assert await is_quiet(subscription, 0.4)
        assert numbers(await take(subscription, 1)) == [0]
    await bus.close()


# runs


@in_loop
async def test_what_waits_in_a_partition_comes_whole_and_in_order_in_runs(back_end: BackEnd) -> None:
    bus = await back_end.open()
    await bus.publish([*messages("events", 4, 30), *messages("ttp.tagged", 4, 1), *messages("events", 5, 3, first=50)])
    taken: list[Delivery] = []
    async with bus.subscribe("events", durable="ttp", start=Start.FIRST, run=7) as subscription:
        while len(numbers(taken)) < 33:
            taken += await take(subscription, 1)
        assert await is_quiet(subscription, 0.1)

    for delivery in taken:
        assert 1 <= len(delivery.messages) <= 7
        assert {(message.topic, message.partition) for message in delivery.messages} == {
            ("events", delivery.message.partition)
        }
    for partition, first, count in ((4, 0, 30), (5, 50, 3)):
        there = [delivery for delivery in taken if delivery.message.partition == partition]
        assert numbers(there) == list(range(first, first + count))
    assert await bus.lag("ttp") == (0, 0.0)
    await bus.close()


@in_loop
async def test_a_run_waits_for_no_more_than_is_there(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp", run=100) as subscription:
        for number in range(3):
            await bus.publish(messages("events", 0, 1, first=number))

            assert numbers(await take(subscription, 1)) == [number]
    await bus.close()


@in_loop
async def test_the_messages_of_a_run_that_is_given_back_come_again_in_order(back_end: BackEnd) -> None:
    bus = await back_end.open()
    await bus.publish(messages("events", 0, 6))
    async with bus.subscribe("events", durable="ttp", start=Start.FIRST, run=4) as subscription:
        async with asyncio.timeout(10):
            await (await anext(subscription)).retry(0.05)
        seen: list[Delivery] = []
        while len(numbers(seen)) < 6:
            seen += await take(subscription, 1)

    assert numbers(seen) == list(range(6))
    assert (seen[0].tries, len(seen[0].messages)) == (2, 1)
    await bus.close()


@in_loop
async def test_what_a_process_may_have_died_of_comes_alone(back_end: BackEnd) -> None:
    dying, living = await back_end.open(), await back_end.open()
    await living.publish(messages("events", 0, 12))
    killed = dying.subscribe("events", durable="ttp", start=Start.FIRST, run=4)
    await killed.__aenter__()
    async with asyncio.timeout(10):
        of_the_dead = [await anext(killed)]
    await back_end.kill(dying, killed)

    async with living.subscribe("events", durable="ttp", run=4) as subscription:
        taken = await take(subscription, 1)
        while len(numbers(taken)) < 12:
            taken += await take(subscription, 1)

    assert numbers(taken) == list(range(12))
    assert taken[0].tries == 2
    suspects = numbers(of_the_dead)
    assert all(len(one.messages) == 1 for one in taken if set(numbers([one])) & set(suspects))
    await living.close()


@in_loop
async def test_a_poison_item_in_a_run_takes_no_other_along(back_end: BackEnd) -> None:
    bus = await back_end.open()
    handled: list[bytes] = []
    counters = Counters()

    async def handle(batch: Batch) -> None:
        if b"poison" in batch.items:
            raise ValueError("no way")
        handled.extend(batch.items)

    bodies = [(b"1", b"2"), (b"3", b"poison", b"4"), (b"5",), (b"6", b"7")]
    await bus.publish([Message("events", 9, items) for items in bodies])
    async with bus.subscribe("events", durable="ttp", start=Start.FIRST, run=8) as subscription:
        loop = asyncio.create_task(consume(subscription, handle, counters=counters, pause=nothing))
        await until(lambda: _has_lag(bus, 0))
        loop.cancel()

    assert handled == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]
    assert (counters.handled, counters.dead) == (7, 1)
    [letter] = await bus.dead_letters("ttp")
    assert (letter.topic, letter.partition, letter.item) == ("events", 9, b"poison")
    await bus.close()


# nothing is lost


@in_loop
async def test_the_position_survives_a_restart(back_end: BackEnd) -> None:
    before = await back_end.open()
    async with before.subscribe("events", durable="ttp") as subscription:
        await before.publish(messages("events", 2, 5))
        await take(subscription, 2)
    await before.close()

    after = await back_end.open()
    await after.publish(messages("events", 2, 1, first=5))
    async with after.subscribe("events", durable="ttp", start=Start.NEW) as subscription:
        assert numbers(await take(subscription, 4)) == [2, 3, 4, 5]
    await after.close()


@in_loop
async def test_what_was_handed_out_and_not_acknowledged_comes_again_after_leaving(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish(messages("events", 0, 2))
        async with asyncio.timeout(10):
            left = await anext(subscription)
    with pytest.raises(PartitionLost):
        await left.acknowledge()

    async with bus.subscribe("events", durable="ttp") as subscription:
        assert numbers(await take(subscription, 2)) == [0, 1]
    await bus.close()


@in_loop
async def test_leaving_ends_the_iteration_of_every_task(back_end: BackEnd) -> None:
    bus = await back_end.open()

    async def count(subscription: Subscription) -> int:
        return len([delivery async for delivery in subscription])

    for durable in ("ttp", None):
        async with bus.subscribe("events", durable=durable) as subscription:
            tasks = [asyncio.create_task(count(subscription)) for _ in range(3)]
            await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            assert await asyncio.gather(*tasks) == [0, 0, 0]
    await bus.close()


@in_loop
async def test_what_a_dead_process_held_goes_to_another(back_end: BackEnd) -> None:
    dying, living = await back_end.open(), await back_end.open()
    killed = dying.subscribe("events", durable="ttp")
    await killed.__aenter__()
    await living.publish(messages("events", 0, 2))
    async with asyncio.timeout(10):
        assert numbers([await anext(killed)]) == [0]
    await back_end.kill(dying, killed)

    async with living.subscribe("events", durable="ttp") as subscription:
        taken = await take(subscription, 2)

    assert numbers(taken) == [0, 1]
    assert [delivery.tries for delivery in taken] == [2, 1]
    await living.close()


# sharing


@in_loop
async def test_two_processes_share_the_partitions_and_each_message_has_one_of_them(back_end: BackEnd) -> None:
    one, two = await back_end.open(), await back_end.open()
    async with one.subscribe("events", durable="ttp") as first, two.subscribe("events", durable="ttp") as second:

        async def is_even() -> bool:
            return len(held(first)) == len(held(second)) == PARTITIONS // 2

        await until(is_even)
        assert not held(first) & held(second)
        await one.publish([one for partition in range(PARTITIONS) for one in messages("events", partition, 3)])

        by_first, by_second = await asyncio.gather(
            take(first, 3 * PARTITIONS // 2),
            take(second, 3 * PARTITIONS // 2),
        )

        for partition in range(PARTITIONS):
            whole = [one for one in (*by_first, *by_second) if one.message.partition == partition]
            assert numbers(whole) == [0, 1, 2]
        assert await is_quiet(first, 0.1)
        assert await is_quiet(second, 0.1)
    await one.close()
    await two.close()


@in_loop
async def test_a_process_that_leaves_hands_its_partitions_over(back_end: BackEnd) -> None:
    one, two = await back_end.open(), await back_end.open()
    async with one.subscribe("events", durable="ttp") as staying:
        async with two.subscribe("events", durable="ttp") as leaving:

            async def has_some() -> bool:
                return len(held(leaving)) == PARTITIONS // 2

            await until(has_some)

        async def has_all() -> bool:
            return len(held(staying)) == PARTITIONS

        await until(has_all, within_s=back_end.lease_s * 1.5)
    await one.close()
    await two.close()


@in_loop
async def test_a_partition_that_was_away_meanwhile_comes_back_under_another_hold(back_end: BackEnd) -> None:
    one, two = await back_end.open(), await back_end.open()
    everywhere = [Message("events", partition, (b"x",)) for partition in range(PARTITIONS)]
    async with one.subscribe("events", durable="ttp") as staying:
        await one.publish(everywhere)
        before = {delivery.message.partition: delivery.hold for delivery in await take(staying, PARTITIONS)}
        async with two.subscribe("events", durable="ttp") as passing:

            async def has_some() -> bool:
                return len(held(passing)) == PARTITIONS // 2

            await until(has_some)
            away = held(passing)

        async def has_all() -> bool:
            return len(held(staying)) == PARTITIONS

        await until(has_all, within_s=back_end.lease_s * 1.5)
        await one.publish(everywhere)
        after = {delivery.message.partition: delivery.hold for delivery in await take(staying, PARTITIONS)}
    assert {partition for partition in after if after[partition] != before[partition]} == away
    await one.close()
    await two.close()


@in_loop
async def test_a_partition_in_work_is_handed_over_only_when_the_work_is_done(back_end: BackEnd) -> None:
    one, two = await back_end.open(), await back_end.open()
    async with one.subscribe("events", durable="ttp") as first:
        await one.publish([Message("events", partition, (b"x",)) for partition in range(PARTITIONS)])
        async with asyncio.timeout(10):
            working = [await anext(first) for _ in range(PARTITIONS)]
        async with two.subscribe("events", durable="ttp") as second:
            await asyncio.sleep(back_end.lease_s)
            assert len(held(first)) == PARTITIONS
            assert not held(second)

            for delivery in working:
                await delivery.acknowledge()

            async def is_even() -> bool:
                return len(held(second)) == PARTITIONS // 2

            await until(is_even)
            assert await is_quiet(second, 0.1)
    await one.close()
    await two.close()


@in_loop
async def test_who_lost_a_partition_cannot_acknowledge(back_end: BackEnd) -> None:
    bus, leases = await back_end.open(), await back_end.leases()
    async with bus.subscribe("events", durable="ttp", partitions=(3,)) as subscription:
        assert isinstance(subscription, DurableSubscription)
        await bus.publish(messages("events", 3, 1))
        async with asyncio.timeout(10):
            delivery = await anext(subscription)
        await leases.release(["ttp.p03"], subscription._share._member)
        assert await leases.acquire(["ttp.p03"], "thief")

        async def is_lost() -> bool:
            return not held(subscription)

        await until(is_lost, within_s=back_end.lease_s)
        with pytest.raises(PartitionLost, match="partition 3 of events has passed to another process"):
            await delivery.acknowledge()
    await bus.close()


@in_loop
async def test_a_lease_has_one_holder_until_it_is_released_or_ends(back_end: BackEnd) -> None:
    one, two = await back_end.leases(), await back_end.leases()

    assert await one.acquire(["group.p01", "group.p02"], "one") == {"group.p01", "group.p02"}
    assert await one.acquire(["group.p01"], "one") == {"group.p01"}
    assert await two.acquire(["group.p01", "group.p03"], "two") == {"group.p03"}
    assert await two.renew(["group.p01", "group.p03"], "two") == {"group.p03"}
    await two.release(["group.p01", "group.p03"], "two")
    assert await one.renew(["group.p01"], "one") == {"group.p01"}
    assert await two.taken("group.") == {"group.p01", "group.p02"}
    assert await two.taken("other.") == frozenset()
    await one.release(["group.p01", "group.p02"], "one")
    assert await two.taken("group.") == frozenset()

    assert await two.acquire(["group.p01"], "two")
    await asyncio.sleep(two.ttl_s + 0.5)
    assert await two.taken("group.") == frozenset()
    assert await one.acquire(["group.p01"], "one")
    assert not await two.renew(["group.p01"], "two")


@in_loop
async def test_processes_may_come_go_and_die_at_any_time(back_end: BackEnd) -> None:
    chance = random.Random(7)  # noqa: S311 - a story that can be told again
    publisher = await back_end.open()
    seen: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}

    async def handle(batch: Batch) -> None:
        await asyncio.sleep(chance.uniform(0, 0.01))
        if chance.random() < 0.02:
            raise ValueError("once in a while")
        seen[batch.partition].extend(map(int, batch.items))

    async def process(lifetime_s: float | None) -> None:
        bus = await back_end.open()
        subscription = await bus.subscribe("events", durable="ttp", start=Start.FIRST, run=8).__aenter__()
        loop = asyncio.create_task(consume(subscription, handle, parallel=4))
        await asyncio.sleep(lifetime_s) if lifetime_s else await is_over.wait()
        loop.cancel()
        if lifetime_s and chance.random() < 0.5:
            await back_end.kill(bus, subscription)
        else:
            await subscription.__aexit__(None, None, None)

    is_over = asyncio.Event()
    processes = [asyncio.create_task(process(None))]
    for number in range(30):
        await publisher.publish(
            [one for partition in range(PARTITIONS) for one in messages("events", partition, 1, number)]
        )
        if number % 6 == 0:
            processes.append(asyncio.create_task(process(chance.uniform(0.1, 1))))
        await asyncio.sleep(0.1)
    await until(lambda: _has_lag(publisher, 0))
    is_over.set()
    await asyncio.gather(*processes)

    assert {partition: list(dict.fromkeys(items)) for partition, items in seen.items()} == {
        partition: list(range(30)) for partition in range(PARTITIONS)
    }
    assert await publisher.dead_letters() == []


# limits


@in_loop
async def test_a_subscription_that_nobody_reads_holds_one_message_per_partition(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        assert isinstance(subscription, DurableSubscription)
        await bus.publish([*messages("events", 0, 50), *messages("events", 1, 50)])
        await asyncio.sleep(0.5)

        assert subscription._ready.qsize() == 2
    await bus.close()


@in_loop
async def test_a_full_bus_refuses_after_a_while_and_takes_again_when_there_is_room(back_end: BackEnd) -> None:
    bus = await back_end.open(small=True)
    large = Message("events", 0, (bytes(10_000),))
    async with bus.subscribe("events", durable="ttp") as subscription:
        with pytest.raises(BusUnavailable):
            await bus.publish([large] * 10)
        kept = (await bus.lag("ttp")).messages
        assert 3 <= kept <= 6

        await take(subscription, kept)
        await bus.publish([large] * 3)
        await take(subscription, 3)
    await bus.close()


@in_loop
async def test_an_ephemeral_subscription_sees_what_comes_and_counts_what_it_cannot_hold(back_end: BackEnd) -> None:
    bus = await back_end.open()
    await bus.publish(messages("ttp.tagged", 0, 3))
    async with bus.subscribe("ttp.>", durable=None) as subscription:
        await bus.publish([*messages("events", 0, 5), *messages("ttp.tagged", 0, BUFFER + 7, first=3)])

        async def has_dropped() -> bool:
            return subscription.dropped == 7

        await until(has_dropped)
        taken = await take(subscription, BUFFER)

        assert numbers(taken) == list(range(3, 3 + BUFFER))
        assert await is_quiet(subscription, 0.1)
        with pytest.raises(BusError, match="ephemeral"):
            await taken[0].retry(0)
    await bus.close()


@in_loop
async def test_an_id_given_twice_is_stored_once(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish(messages("events", 0, 2), ids=["a", "b"])
        await bus.publish(messages("events", 0, 3), ids=["a", "b", "c"])

        assert numbers(await take(subscription, 3)) == [0, 1, 2]
        assert await is_quiet(subscription)
    await bus.close()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Message("event", 0, (b"x",)), "topic 'event' is not declared .* did you mean events?"),
        (Message("events", PARTITIONS, (b"x",)), "partition 32 does not exist"),
        (Message("events", 0, ()), "has no items"),
        (Message("events", 0, (bytes(MAX_BYTES), b"x")), "524,289 bytes in 2 items are too many"),
        (Message("events", 0, (bytes(1_000_001),)), "announce what is larger"),
    ],
)
@in_loop
async def test_a_wrong_message_is_refused_with_all_that_came_with_it(
    back_end: BackEnd, message: Message, words: str
) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        with pytest.raises(BusError, match=words):
            await bus.publish([Message("events", 0, (b"x",)), message])

        assert await is_quiet(subscription, 0.1)
    await bus.close()


@in_loop
async def test_the_largest_item_goes_through(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish([Message("events", 0, (bytes(1_000_000),))])

        [delivery] = await take(subscription, 1)

    assert delivery.message.items == (bytes(1_000_000),)
    await bus.close()


@in_loop
async def test_a_wrong_subscription_is_refused(back_end: BackEnd) -> None:
    bus = await back_end.open()
    with pytest.raises(BusError, match="meets no topic"):
        bus.subscribe("event.*", durable="ttp")
    with pytest.raises(BusError, match="letters, digits and dashes"):
        bus.subscribe("events", durable="ttp.1")
    with pytest.raises(BusError, match="partition -1 does not exist"):
        bus.subscribe("events", durable="ttp", partitions=(-1,))
    await bus.close()


# figures


@in_loop
async def test_lag_counts_what_is_not_acknowledged_and_how_old_it_is(back_end: BackEnd) -> None:
    bus = await back_end.open()
    assert await bus.lag("ttp") == (0, 0.0)
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish([*messages("events", 0, 3), *messages("events", 1, 2), *messages("ttp.tagged", 0, 2)])
        await asyncio.sleep(0.3)

        before = await bus.lag("ttp")
        await take(subscription, 5)
        after = await bus.lag("ttp")

    assert before.messages == 5
    assert 0.3 <= before.oldest_age_s < 5
    assert after == (0, 0.0)
    await bus.close()


@in_loop
async def test_a_forgotten_durable_begins_anew(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish(messages("events", 0, 2))
        await take(subscription, 1)

    await bus.forget("ttp")
    assert (await bus.lag("ttp")).messages == 0
    await bus.forget("ttp")

    async with bus.subscribe("events", durable="ttp", start=Start.FIRST) as subscription:
        assert numbers(await take(subscription, 2)) == [0, 1]
    await bus.close()


# the loop of the workers


@in_loop
async def test_a_poison_item_is_put_aside_and_takes_no_other_along(back_end: BackEnd) -> None:
    bus = await back_end.open()
    handled: list[bytes] = []
    counters = Counters()

    async def handle(batch: Batch) -> None:
        if b"poison" in batch.items:
            raise ValueError("no \x1b[31mway")
        handled.extend(batch.items)

    items = (b"1", b"2", b"poison", b"3", b"4", b"5")
    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle, counters=counters, pause=nothing))
        await bus.publish([Message("events", 9, items), Message("events", 9, (b"6",))])

        async def is_done() -> bool:
            return b"6" in handled

        await until(is_done)
        await until(lambda: _has_lag(bus, 0))
        [letter] = await bus.dead_letters("ttp")
        loop.cancel()

    assert handled == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert (counters.handled, counters.dead) == (6, 1)
    assert (letter.durable, letter.topic, letter.partition, letter.item) == ("ttp", "events", 9, b"poison")
    assert letter.error == "ValueError: no \\x1b[31mway"
    assert letter.tries == 1
    assert letter.at > 1_600_000_000_000_000
    assert await bus.dead_letters("other") == []
    assert await bus.dead_letters() == [letter]
    await bus.close()


async def _has_lag(bus: Bus, count: int) -> bool:
    return (await bus.lag("ttp")).messages == count


@in_loop
async def test_a_dead_letter_can_be_replayed_or_dropped_once(back_end: BackEnd) -> None:
    bus = await back_end.open()
    handled: list[bytes] = []
    is_mended = False

    async def handle(batch: Batch) -> None:
        if not is_mended:
            raise ValueError("not yet")
        handled.extend(batch.items)

    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle, pause=nothing))
        await bus.publish([Message("events", 9, (b"1", b"2"))])

        async def are_dead() -> bool:
            return len(await bus.dead_letters("ttp")) == 2

        await until(are_dead)
        first, second = await bus.dead_letters("ttp")
        assert await bus.dead_letters("ttp", limit=1) == [first]
        is_mended = True
        await bus.replay_dead_letter(first.id)
        await bus.drop_dead_letter(second.id)

        async def is_handled() -> bool:
            return handled == [b"1"]

        await until(is_handled)
        loop.cancel()

    assert await bus.dead_letters("ttp") == []
    for gone in (first.id, second.id, "none", "0", "99999999999999999999999"):
        with pytest.raises(BusError, match="does not exist"):
            await bus.replay_dead_letter(gone)
        with pytest.raises(BusError, match="does not exist"):
            await bus.drop_dead_letter(gone)
    await bus.close()


@in_loop
async def test_an_item_that_is_buried_twice_is_one_dead_letter(back_end: BackEnd) -> None:
    bus = await back_end.open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish([Message("events", 0, (b"1", b"2"))])
        async with asyncio.timeout(10):
            delivery = await anext(subscription)
        for _ in range(2):
            await delivery.bury(1, "because")
        await delivery.acknowledge()

        assert [letter.item for letter in await bus.dead_letters("ttp")] == [b"2"]
    await bus.close()


@in_loop
async def test_a_message_that_is_never_acknowledged_is_put_aside_unhandled(back_end: BackEnd) -> None:
    bus = await back_end.open()
    handled: list[bytes] = []

    async def handle(batch: Batch) -> None:
        handled.extend(batch.items)

    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish([Message("events", 0, (b"1", b"2")), Message("events", 0, (b"3",))])
        async with asyncio.timeout(10):
            for tries in range(1, MAX_TRIES + 1):
                delivery = await anext(subscription)
                assert delivery.tries == tries
                await delivery.retry(0)
        loop = asyncio.create_task(consume(subscription, handle))

        async def is_handled() -> bool:
            return handled == [b"3"]

        await until(is_handled)
        letters = await bus.dead_letters("ttp")
        loop.cancel()

    assert [letter.item for letter in letters] == [b"1", b"2"]
    assert "delivered 5 times and never acknowledged" in letters[0].error
    await bus.close()


@pytest.mark.parametrize("away", [StorageUnavailable("no database"), BusUnavailable("no bus")])
@in_loop
async def test_a_server_that_is_away_costs_no_tries(back_end: BackEnd, away: Exception) -> None:
    bus = await back_end.open()
    counters = Counters()
    attempts = []

    async def handle(batch: Batch) -> None:
        attempts.append(batch.items)
        if len(attempts) <= 3 * MAX_TRIES:
            raise away

    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle, counters=counters, pause=nothing))
        await bus.publish([Message("events", 0, (b"1", b"2"))])
        await until(lambda: _are_handled(counters, 2))
        loop.cancel()

    assert set(attempts) == {(b"1", b"2")}
    assert (counters.retried, counters.dead, counters.waits) == (0, 0, 3 * MAX_TRIES)
    assert await bus.dead_letters() == []
    await bus.close()


async def _are_handled(counters: Counters, count: int) -> bool:
    return counters.handled == count


@in_loop
async def test_work_that_takes_longer_than_any_limit_is_not_given_to_another(back_end: BackEnd) -> None:
    bus = await back_end.open()
    attempts = []
    counters = Counters()

    async def handle(batch: Batch) -> None:
        attempts.append(batch.items)
        await asyncio.sleep(2.5 * back_end.lease_s)

    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle, counters=counters, parallel=2))
        await bus.publish(messages("events", 0, 1))
        await until(lambda: _are_handled(counters, 1))
        await asyncio.sleep(0.2)
        loop.cancel()

    assert len(attempts) == 1
    await bus.close()


@in_loop
async def test_a_cancelled_loop_leaves_its_message_to_the_next(back_end: BackEnd) -> None:
    bus = await back_end.open()
    begun = asyncio.Event()
    handled: list[bytes] = []

    async def hang(_: Batch) -> None:
        begun.set()
        await asyncio.sleep(60)

    async def handle(batch: Batch) -> None:
        handled.extend(batch.items)

    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish(messages("events", 0, 2))
        loop = asyncio.create_task(consume(subscription, hang))
        await begun.wait()
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop

    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle))

        async def is_done() -> bool:
            return handled == [b"0", b"1"]

        await until(is_done)
        loop.cancel()
    await bus.close()
