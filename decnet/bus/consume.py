"""The one loop that workers use: messages to a handler, acknowledged after their effects, whatever goes wrong.

What a server's absence costs is time: the loop waits and tries again without end and counts nothing. What the handler
cannot do is tried again with pauses, message by message and then in halves, until the item that is at fault is alone;
having failed :data:`~decnet.bus.base.MAX_TRIES` times it goes to the dead letters, and the rest goes on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from decnet.bus.base import MAX_TRIES, item_at, readable_error
from decnet.bus.durable import UNAVAILABLE, pauses
from decnet.errors import PartitionLost
from decnet.models.message import Message
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from decnet.bus.base import Delivery, Subscription

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 5.0
_LOG_EVERY = 100
_log = logger(__name__)


@dataclass(slots=True)
class Counters:
    """What a loop has done so far, in items; ``waits`` counts pauses for a server that was away."""

    handled: int = 0
    retried: int = 0
    dead: int = 0
    lost: int = 0
    waits: int = 0


class Batch:
    """What is to be handled together: all messages of a delivery, or a part of them after something failed.

    A handler stores the effects of all ``items`` or raises and stores none: then it is called again, with fewer.
    """

    def __init__(self, delivery: Delivery, messages: tuple[Message, ...], *, is_last: bool) -> None:
        self._delivery = delivery
        self._is_last = is_last
        self.messages = messages
        """In their order, all of one partition; the first and the last may have lost items to other batches."""
        self.items = tuple(item for message in messages for item in message.items)

    def items_of(self, topic: str) -> list[bytes]:
        """The items of the messages of ``topic``, in their order."""
        return [item for message in self.messages if message.topic == topic for item in message.items]

    @property
    def partition(self) -> int:
        """The partition of the messages."""
        return self._delivery.message.partition

    @property
    def hold(self) -> int:
        """Of the messages, see :attr:`~decnet.bus.base.Delivery.hold`."""
        return self._delivery.hold

    def acknowledge_within(self, connection: object) -> bool:
        """Move the position in the transaction of ``connection``, that of the effects, just before its commit.

        Whether it was moved there: only by the last part of a delivery, and on a bus that lives in that database. Where
        it was not, the loop acknowledges after the handler has returned, so a handler need not look at the answer.

        :raises PartitionLost: another process handles the messages: let it pass, so that the transaction rolls back.
        """
        return self._is_last and self._delivery.acknowledge_within(connection)


@dataclass(frozen=True, slots=True)
class _Part:
    """Items ``first`` to before ``end``, which have failed ``failures`` times, in company or alone."""

    first: int
    end: int
    failures: int = 0

    def smaller(self, messages: Iterable[Message]) -> tuple[_Part, ...]:
        """Of several messages each by itself; of one its halves."""
        ends = [end for end in accumulate(len(message.items) for message in messages) if self.first < end < self.end]
        bounds = [self.first, *(ends or [(self.first + self.end) // 2]), self.end]
        return tuple(_Part(first, end, self.failures) for first, end in pairwise(bounds))


async def consume(
    subscription: Subscription,
    handle: Callable[[Batch], Awaitable[None]],
    *,
    parallel: int = 1,
    counters: Counters | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Handle every message of ``subscription``, which was entered, until it is left or this task is cancelled.

    ``parallel`` deliveries are handled at a time, of different partitions. What a cancelled handler had is given back
    when the subscription is left.

    :raises Exception: what the subscription raises for a fault of ours; nothing that a handler raises.
    """
    loop = _Loop(handle, counters or Counters(), pause)
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(parallel):
                tasks.create_task(loop.run(subscription))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


class _Loop:
    def __init__(
        self,
        handle: Callable[[Batch], Awaitable[None]],
        counters: Counters,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._handle = handle
        self._counters = counters
        self._pause = pause

    async def run(self, subscription: Subscription) -> None:
        async for delivery in subscription:
            try:
                await self._settle(delivery)
            except PartitionLost as error:
                self._counters.lost += 1
                _log.info("%s", error)

    async def _settle(self, delivery: Delivery) -> None:
        """Handle all items of ``delivery``, or bury those that cannot be, then acknowledge it."""
        parts = [_Part(0, sum(len(message.items) for message in delivery.messages))]
        if delivery.tries > MAX_TRIES:
            await self._bury(
                delivery,
                parts.pop(),
                f"delivered {MAX_TRIES} times and never acknowledged: handling it ended the process each time, or "
                "was cut short for other reasons",
            )
        while parts:
            part = parts.pop()
            error = await self._attempt(delivery, part, is_last=not parts)
            if error:
                parts += reversed(await self._after_failure(delivery, part, error))
        await self._patiently(delivery.acknowledge)

    async def _attempt(self, delivery: Delivery, part: _Part, *, is_last: bool) -> Exception | None:
        """Handle ``part``; what went wrong, unless that was a server's absence, which is waited out."""
        batch = Batch(delivery, _cut(delivery.messages, part), is_last=is_last)
        try:
            await self._patiently(partial(self._handle, batch))
        except PartitionLost:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a worker: one bad item must not end it
            delivery.undone()
            return error
        self._counters.handled += len(batch.items)
        return None

    async def _after_failure(self, delivery: Delivery, part: _Part, error: Exception) -> tuple[_Part, ...]:
        """The parts to try instead of ``part``, after a pause; none when it was buried."""
        failed = _Part(part.first, part.end, part.failures + 1)
        is_alone = failed.end - failed.first == 1
        if is_alone and failed.failures >= MAX_TRIES:
            await self._bury(delivery, failed, readable_error(error))
            return ()
        self._note(delivery, error)
        await self._pause(min(_FIRST_PAUSE_S * 2 ** (failed.failures - 1), _LONGEST_PAUSE_S))
        return (failed,) if is_alone else failed.smaller(delivery.messages)

    async def _bury(self, delivery: Delivery, part: _Part, reason: str) -> None:
        for index in range(part.first, part.end):
            await self._patiently(partial(delivery.bury, index, reason))
        self._counters.dead += part.end - part.first
        number, _ = item_at(delivery.messages, part.first)
        _log.error(
            "%d items of %s, partition %d, went to the dead letters: %s",
            part.end - part.first,
            delivery.messages[number].topic,
            delivery.message.partition,
            reason,
        )

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """``act``, again and again while a server is away."""
        waits = pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while True:
            try:
                return await act()
            except UNAVAILABLE as error:
                self._counters.waits += 1
                _log.warning("waiting for a server: %s", error)
                await self._pause(next(waits))

    def _note(self, delivery: Delivery, error: Exception) -> None:
        """The first and every 100th failure are logged; the count tells of the others."""
        self._counters.retried += 1
        if self._counters.retried % _LOG_EVERY == 1:
            _log.warning(
                "an item of %s, partition %d, could not be handled and is tried again (%d times so far): %s",
                delivery.message.topic,
                delivery.message.partition,
                self._counters.retried,
                readable_error(error),
            )


def _cut(messages: tuple[Message, ...], part: _Part) -> tuple[Message, ...]:
    """What ``part`` takes of ``messages``, whose items are counted through."""
    cut: list[Message] = []
    first = 0
    for message in messages:
        end = first + len(message.items)
        if part.first <= first and end <= part.end:
            cut.append(message)
        elif first < part.end and part.first < end:
            items = message.items[max(part.first - first, 0) : part.end - first]
            cut.append(Message(message.topic, message.partition, items))
        first = end
    return tuple(cut)
