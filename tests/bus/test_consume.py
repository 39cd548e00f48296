from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.bus.base import MAX_ERROR_CHARS, MAX_TRIES, readable_error
from decnet.bus.consume import Batch, Counters, consume
from decnet.bus.durable import DurableSubscription, pauses
from decnet.bus.memory import MemoryBus
from decnet.models.message import Message
from tests.contract.bus_backends import in_loop, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.bus.base import DeadLetter


async def run(
    items: tuple[bytes, ...], poison: Callable[[bytes], bool], *, apart: int = 100
) -> tuple[list[tuple[bytes, ...]], list[float], list[DeadLetter], Counters]:
    """What the handler was given, the pauses, the dead letters and the counters.

    ``items`` come ``apart`` to a message, and all messages in one run.
    """
    bus = MemoryBus()
    attempts: list[tuple[bytes, ...]] = []
    waited: list[float] = []
    counters = Counters()

    async def handle(batch: Batch) -> None:
        attempts.append(batch.items)
        if any(map(poison, batch.items)):
            raise KeyError(batch.items[0])

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    async def is_done() -> bool:
        return (await bus.lag("ttp")).messages == 0

    async with bus.subscribe("events", durable="ttp", run=100) as subscription:
        await bus.publish([Message("events", 0, items[at : at + apart]) for at in range(0, len(items), apart)])
        loop = asyncio.create_task(consume(subscription, handle, counters=counters, pause=pause))
        await until(is_done)
        loop.cancel()
    return attempts, waited, await bus.dead_letters(), counters


@in_loop
async def test_a_failing_message_is_tried_in_halves_until_the_poison_is_alone() -> None:
    attempts, waited, letters, counters = await run((b"1", b"2", b"3", b"4"), lambda item: item == b"3")

    assert attempts == [
        (b"1", b"2", b"3", b"4"),
        (b"1", b"2"),
        (b"3", b"4"),
        (b"3",),
        (b"3",),
        (b"3",),
        (b"4",),
    ]
    assert waited == [0.05, 0.1, 0.2, 0.4]
    assert [letter.item for letter in letters] == [b"3"]
    assert (counters.handled, counters.retried, counters.dead) == (3, 4, 1)


@in_loop
async def test_a_single_item_is_tried_five_times() -> None:
    attempts, _, letters, _ = await run((b"1",), lambda _: True)

    assert attempts == [(b"1",)] * MAX_TRIES
    assert len(letters) == 1


@in_loop
async def test_pauses_between_tries_grow_to_a_limit() -> None:
    _, waited, letters, _ = await run(tuple(str(number).encode() for number in range(100)), lambda item: item == b"99")

    assert waited == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert len(letters) == 1


@in_loop
async def test_a_failing_run_is_tried_message_by_message() -> None:
    items = (b"1", b"2", b"3", b"4", b"5", b"6")
    attempts, waited, letters, _ = await run(items, lambda item: item == b"3", apart=2)

    assert attempts == [items, (b"1", b"2"), (b"3", b"4"), (b"3",), (b"3",), (b"3",), (b"4",), (b"5", b"6")]
    assert waited == [0.05, 0.1, 0.2, 0.4]
    assert [letter.item for letter in letters] == [b"3"]


@given(
    st.lists(st.binary(max_size=2), min_size=1, max_size=30),
    st.sets(st.binary(max_size=2), max_size=5),
    st.integers(1, 30),
)
def test_what_can_be_handled_is_handled_once_in_order_and_the_rest_is_put_aside(
    items: list[bytes], poison: set[bytes], apart: int
) -> None:
    attempts, _, letters, counters = asyncio.run(run(tuple(items), lambda item: item in poison, apart=apart))

    good = [item for attempt in attempts if not poison & set(attempt) for item in attempt]
    assert good == [item for item in items if item not in poison]
    assert [letter.item for letter in letters] == [item for item in items if item in poison]
    assert counters.handled + counters.dead == len(items)


@in_loop
async def test_messages_of_several_partitions_are_handled_at_a_time() -> None:
    bus = MemoryBus()
    together = asyncio.Barrier(3)

    async def handle(_: Batch) -> None:
        await together.wait()

    counters = Counters()
    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle, parallel=3, counters=counters))
        await bus.publish([Message("events", partition, (b"x",)) for partition in range(3)])

        async def are_done() -> bool:
            return counters.handled == 3

        await until(are_done, within_s=5)
        loop.cancel()


@in_loop
async def test_a_fault_of_the_bus_itself_ends_the_loop() -> None:
    bus = MemoryBus()

    async def handle(_: Batch) -> None:
        """Nothing."""

    async with bus.subscribe("events", durable="ttp") as subscription:
        assert isinstance(subscription, DurableSubscription)
        loop = asyncio.create_task(consume(subscription, handle, parallel=2))
        await asyncio.sleep(0)
        subscription._ready.put_nowait(RuntimeError("a fault"))

        with pytest.raises(RuntimeError, match="a fault"):
            await loop


def test_pauses_double_up_to_the_longest() -> None:
    waits = pauses(0.1, 1.0)

    for expected in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        assert 0.7 * expected < next(waits) < 1.3 * expected


@given(st.text(max_size=2 * MAX_ERROR_CHARS))
def test_an_error_is_kept_short_and_printable(text: str) -> None:
    shown = readable_error(ValueError(text))

    assert len(shown) <= MAX_ERROR_CHARS
    assert shown.isprintable()
