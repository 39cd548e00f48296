"""The relay, from a real outbox to a real bus."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.base import Start
from decnet.bus.memory import MemoryBus, MemoryStore
from decnet.db.outbox import add_messages, backlog, oldest_messages
from decnet.errors import BusUnavailable
from decnet.models.message import EVENTS, PARTITIONS, Message
from decnet.workers.relay import Relay, message_id
from tests.contract.bus_backends import in_loop, is_quiet, take, until
from tests.events import NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.bus.base import Bus
    from decnet.db.engine import Database


def announce(database: Database, count: int, *, partitions: int = 4) -> list[Message]:
    sent = [Message(EVENTS, number % partitions, (str(number).encode(),)) for number in range(count)]
    database.write(partial(add_messages, messages=sent, now=NOON))
    return sent


def a_relay(database: Database, bus: Bus, name: str = "one", share: int = PARTITIONS, clock: int = NOON) -> Relay:
    return Relay(database, bus, holder=name, clock=lambda: clock, share=share)


async def read_all(bus: Bus, count: int) -> list[Message]:
    async with bus.subscribe(EVENTS, durable="reader", start=Start.FIRST) as subscription:
        return [delivery.message for delivery in await take(subscription, count)]


def by_partition(messages: Sequence[Message]) -> dict[int, list[Message]]:
    return {number: [m for m in messages if m.partition == number] for number in {m.partition for m in messages}}


@in_loop
async def test_everything_is_relayed_in_order_and_then_gone_from_the_outbox(database: Database) -> None:
    sent = announce(database, 600)
    bus = MemoryBus(MemoryStore())
    relay = a_relay(database, bus)
    while await relay.step():
        pass
    assert by_partition(await read_all(bus, 600)) == by_partition(sent)
    assert database.read(backlog) == (0, None)
    assert relay.relayed == 600
    await bus.close()


@in_loop
async def test_two_relays_never_hold_the_same_partition(database: Database) -> None:
    sent = announce(database, 64, partitions=PARTITIONS)
    bus = MemoryBus(MemoryStore())
    one, two = a_relay(database, bus, "one", share=16), a_relay(database, bus, "two", share=16)
    assert (await one.step(), await two.step()) == (32, 32)
    assert by_partition(await read_all(bus, 64)) == by_partition(sent)
    await bus.close()


@in_loop
async def test_what_a_silent_relay_held_goes_to_another_after_its_lease(database: Database) -> None:
    announce(database, 8)
    bus = MemoryBus(MemoryStore())
    silent = a_relay(database, bus, "silent")
    await silent.step()
    announce(database, 8)
    assert await a_relay(database, bus, "early").step() == 0
    assert await a_relay(database, bus, "late", clock=NOON + 16 * SECOND).step() == 8
    await bus.close()


@in_loop
async def test_a_relay_that_stops_gives_its_partitions_back_at_once(database: Database) -> None:
    bus = MemoryBus(MemoryStore())
    stop = asyncio.Event()
    running = asyncio.create_task(a_relay(database, bus).run(stop))
    await asyncio.sleep(0.1)
    stop.set()
    await running
    announce(database, 3)
    assert await a_relay(database, bus, "next").step() == 3
    await bus.close()


class AwayBus(MemoryBus):
    """A bus that is out of reach for its first few messages."""

    away = 2

    async def publish(self, messages: Sequence[Message], *, ids: Sequence[str] | None = None) -> None:
        if self.away:
            self.away -= 1
            raise BusUnavailable("no server at nats://127.0.0.1:1")
        await super().publish(messages, ids=ids)


@in_loop
async def test_a_bus_that_is_away_is_waited_for_and_nothing_is_lost(database: Database) -> None:
    announce(database, 5)
    bus = AwayBus(MemoryStore())
    stop = asyncio.Event()
    relay = a_relay(database, bus)
    running = asyncio.create_task(relay.run(stop))

    async def is_done() -> bool:
        return relay.relayed == 5

    await until(is_done)
    stop.set()
    await running
    assert len(await read_all(bus, 5)) == 5
    assert database.read(backlog) == (0, None)
    await bus.close()


@in_loop
async def test_what_was_published_but_not_yet_deleted_is_on_the_bus_once(database: Database) -> None:
    sent = announce(database, 5)
    bus = MemoryBus(MemoryStore())
    stored = database.read(partial(oldest_messages, partitions=range(PARTITIONS), limit=10))
    await bus.publish([one.message for one in stored], ids=list(map(message_id, stored)))  # and then a kill
    assert await a_relay(database, bus).step() == 5
    async with bus.subscribe(EVENTS, durable="reader", start=Start.FIRST) as subscription:
        found = [delivery.message for delivery in await take(subscription, 5)]
        assert by_partition(found) == by_partition(sent)
        assert await is_quiet(subscription)
    await bus.close()
