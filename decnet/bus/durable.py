"""The part of a durable subscription that is the same for every bus: holding partitions, reading each, handing out.

A bus brings a :class:`Reader` for each partition that is held. Here they are started and stopped as partitions come and
go, what they find is handed out, and what is not acknowledged at the end is given back.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from decnet.bus.base import Delivery, Subscription
from decnet.errors import BusError, BusUnavailable, PartitionLost, StorageUnavailable
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from decnet.bus.shares import Share

UNAVAILABLE = (BusUnavailable, StorageUnavailable)
_LEAVE_PATIENCE_S = 2.0
_CANCEL_AGAIN_S = 0.1
_log = logger(__name__)


def pauses(first_s: float = 0.1, longest_s: float = 5.0) -> Iterator[float]:
    """How long to wait before each next attempt, in seconds: doubling, at most ``longest_s``, with jitter; endless."""
    pause_s = first_s
    while True:
        yield pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not a secret
        pause_s = min(pause_s * 2, longest_s)


async def end_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Every task is over.

    Cancelled as often as it takes: before Python 3.12 ``asyncio.wait_for`` loses a cancellation that meets a result.
    """
    rest = [task for task in tasks if not task.done()]
    while rest:
        for task in rest:
            task.cancel()
        _, pending = await asyncio.wait(rest, timeout=_CANCEL_AGAIN_S)
        rest = list(pending)


class RunLength:
    """How many messages a reader hands out together, of those that wait: up to ``most``.

    What a handler died of is one of the messages that it was given, and nobody knows which: after a delivery that comes
    again as many as that could have been go alone, so that tries are counted for the one that is at fault.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._alone = 0

    def next(self, tries: int) -> int:
        """The length of the next run, whose first message is delivered for the ``tries``-th time."""
        if tries > 1:
            self._alone = self.most
        elif self._alone:
            self._alone -= 1
        return 1 if self._alone else self.most


class Held(Delivery):
    """A delivery of a partition that is held. ``ended`` is set when it is over, ``lost`` when the partition went."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.lost = False

    @abstractmethod
    async def give_back(self) -> None:
        """The message may come again at once, to whoever holds the partition; a try is not counted if possible."""

    async def keep_alive(self) -> None:
        """The bus knows that the message is still being handled."""

    def check(self) -> None:
        """Nothing, as long as the partition is ours.

        :raises PartitionLost: it is not.
        """
        if self.lost:
            self.ended.set()
            raise self.loss()

    def loss(self) -> PartitionLost:
        """That the partition is another's, in words."""
        return PartitionLost(
            f"partition {self.message.partition} of {self.message.topic} has passed to another process; "
            "this message is handled there"
        )


class Reader(ABC):
    """What is read in one partition that is held; where a bus keeps order topic by topic, of one topic filter."""

    @abstractmethod
    async def next(self) -> Held:
        """The next run of messages; waits for one. Called again only when the last one has ended. May be cancelled.

        :raises BusUnavailable, StorageUnavailable: out of reach; called again later.
        """

    @abstractmethod
    async def close(self) -> None:
        """Nothing more is read.

        :raises BusUnavailable, StorageUnavailable: out of reach, which the caller passes over.
        """


class _Pump:
    """Reads one partition, a delivery at a time, into the queue of those ready to be handed out."""

    def __init__(
        self, reader: Reader, ready: asyncio.Queue[Held | BaseException | None], before: Sequence[Held], hold: int
    ) -> None:
        self._reader = reader
        self._ready = ready
        self._before = before
        self._hold = hold
        self._stopping = False
        self.current: Held | None = None
        self.handed_out = False
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            for delivery in self._before:  # of a lease that was lost and came back: one at a time
                await delivery.ended.wait()
            await self._read()
        except Exception as error:  # noqa: BLE001 - a fault of ours ends the iteration and not only this task
            self._ready.put_nowait(error)

    async def _read(self) -> None:
        waits = pauses()
        while not self._stopping:
            try:
                delivery = await self._reader.next()
            except UNAVAILABLE as error:
                _log.warning("a partition cannot be read for now: %s", error)
                await asyncio.sleep(next(waits))
                continue
            waits = pauses()
            delivery.hold = self._hold
            self.current, self.handed_out = delivery, False
            self._ready.put_nowait(delivery)
            await delivery.ended.wait()
            self.current = None

    async def stop(self) -> None:
        """Read no more: what was handed out is waited for, what was not is given back."""
        self._stopping = True
        current = self.current
        if current and self.handed_out:
            await current.ended.wait()
        await self.end()

    async def end(self) -> None:
        """Read no more, at once; what has not ended is given back, unless it is lost."""
        await end_tasks([self.task])
        try:
            await self._reader.close()  # before anything is given back, or it would come back here
            if self.current and not self.current.ended.is_set() and not self.current.lost:
                self.current.lost = True
                await self.current.give_back()
        except (BusError, StorageUnavailable) as error:
            _log.info("a partition was left without a word to the bus: %s", error)

    def lose(self) -> None:
        """The partition is another's: whoever acknowledges is told so."""
        if self.current:
            self.current.lost = True


class DurableSubscription(Subscription):
    """A share of the partitions, the readers of those held, and one queue of what they found."""

    def __init__(
        self,
        share: Share,
        prepare: Callable[[], Awaitable[None]],
        readers: Callable[[int], Sequence[Reader]],
        *,
        keep_alive_s: float = 0.0,
    ) -> None:
        self._share = share
        self._prepare = prepare
        self._readers = readers
        self._keep_alive_s = keep_alive_s
        self._ready: asyncio.Queue[Held | BaseException | None] = asyncio.Queue()
        self._pumps: dict[int, list[_Pump]] = {}
        self._holds = 0
        self._retiring: dict[int, asyncio.Task[None]] = {}
        self._lost: list[Held] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def held(self) -> frozenset[int]:
        """The partitions that this process reads at the moment."""
        return frozenset(self._pumps)

    async def __aenter__(self) -> Self:
        await self._prepare()
        await self._turn()
        self._tasks = [asyncio.create_task(self._govern())]
        if self._keep_alive_s:
            self._tasks.append(asyncio.create_task(self._keep_alive()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ready.put_nowait(None)
        await end_tasks([*self._tasks, *self._retiring.values()])
        try:
            async with asyncio.timeout(_LEAVE_PATIENCE_S):
                await asyncio.gather(*(pump.end() for pumps in self._pumps.values() for pump in pumps))
                await self._share.leave()
        except TimeoutError:
            _log.info("the bus did not answer; the partitions are free when their leases end")

    async def __anext__(self) -> Delivery:
        while True:
            found = await self._ready.get()
            if found is None:
                self._ready.put_nowait(None)  # for the other tasks that iterate
                raise StopAsyncIteration
            if isinstance(found, BaseException):
                raise found
            if found.lost:
                continue
            for pump in self._pumps.get(found.message.partition, ()):
                if pump.current is found:
                    pump.handed_out = True
            return found

    async def _govern(self) -> None:
        while True:
            await asyncio.sleep(self._share.pause_s)
            try:
                await self._turn()
            except UNAVAILABLE as error:
                _log.warning("leases cannot be renewed for now: %s", error)
                self._follow()
            except Exception as error:  # noqa: BLE001 - a fault of ours ends the iteration and not only this task
                self._ready.put_nowait(error)
                return

    async def _turn(self) -> None:
        await self._share.turn()
        self._follow()

    def _follow(self) -> None:
        """Readers for what is held, none for what is not."""
        held = self._share.held
        for partition in list(self._pumps):
            if partition not in held:
                self._lose(partition)
        for partition in self._share.surplus - self._retiring.keys():
            self._retiring[partition] = asyncio.create_task(self._retire(partition))
        for partition in held - self._pumps.keys() - self._retiring.keys():
            before = [one for one in self._lost if one.message.partition == partition and not one.ended.is_set()]
            self._holds += 1
            self._pumps[partition] = [
                _Pump(reader, self._ready, before, self._holds) for reader in self._readers(partition)
            ]
        self._lost = [one for one in self._lost if not one.ended.is_set()]

    def _lose(self, partition: int) -> None:
        for pump in self._pumps.pop(partition):
            pump.lose()
            if pump.current and pump.handed_out:
                self._lost.append(pump.current)
            self._tasks.append(asyncio.create_task(pump.end()))
        self._tasks = [task for task in self._tasks if not task.done()]

    async def _retire(self, partition: int) -> None:
        """Finish with a partition that is beyond our share, then let others have it."""
        try:
            await asyncio.gather(*(pump.stop() for pump in self._pumps.get(partition, ())))
            self._pumps.pop(partition, None)
            await self._share.give_up(partition)
        except UNAVAILABLE as error:
            _log.info("partition %d is free when its lease ends: %s", partition, error)
        finally:
            self._retiring.pop(partition, None)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._keep_alive_s)
            open_now = [pump.current for pumps in self._pumps.values() for pump in pumps if pump.current]
            for delivery in open_now:
                try:
                    await delivery.keep_alive()
                except UNAVAILABLE as error:
                    _log.info("the bus cannot be told that a message is being handled: %s", error)
                    break
