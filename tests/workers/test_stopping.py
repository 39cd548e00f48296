from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from decnet.bus.base import Start
from decnet.bus.memory import MemoryBus, MemoryStore
from decnet.models.message import EVENTS, Message
from decnet.workers.stopping import consume_until
from tests.contract.bus_backends import in_loop

if TYPE_CHECKING:
    from decnet.bus.consume import Batch


@in_loop
async def test_what_is_under_way_is_done_to_its_end_and_nothing_new_is_begun() -> None:
    bus, stop = MemoryBus(MemoryStore()), asyncio.Event()
    await bus.publish([Message(EVENTS, 0, (str(number).encode(),)) for number in range(3)])
    begun, ended = [], []

    async def handle(batch: Batch) -> None:
        begun.append(batch.items[0])
        stop.set()
        await asyncio.sleep(0.05)
        ended.append(batch.items[0])

    async with bus.subscribe(EVENTS, durable="one", start=Start.FIRST) as subscription:
        await asyncio.wait_for(consume_until(stop, subscription, handle), 5)
    assert begun == ended == [b"0"]
    await bus.close()


@in_loop
async def test_a_stop_while_nothing_comes_is_heard_at_once() -> None:
    bus, stop = MemoryBus(MemoryStore()), asyncio.Event()

    async def handle(batch: Batch) -> None:
        raise AssertionError(batch)

    async with bus.subscribe(EVENTS, durable="one") as subscription:
        working = asyncio.create_task(consume_until(stop, subscription, handle))
        await asyncio.sleep(0.01)
        stop.set()
        await asyncio.wait_for(working, 1)
    await bus.close()
