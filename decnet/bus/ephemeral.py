"""The part of an ephemeral subscription that is the same for every bus: a bounded buffer that counts what it drops."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from decnet.bus.base import Delivery, Subscription
from decnet.errors import BusError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from decnet.models.message import Message

BUFFER_MESSAGES = 1_000
BUFFER_BYTES = 16 * 1024 * 1024


class Passing(Delivery):
    """A message that was seen in passing: nobody waits for a word on it."""

    def __init__(self, message: Message) -> None:
        self._message = message

    @property
    def messages(self) -> tuple[Message, ...]:
        return (self._message,)

    @property
    def tries(self) -> int:
        return 1

    async def acknowledge(self) -> None:
        """Nothing."""

    def acknowledge_within(self, connection: object) -> bool:  # noqa: ARG002 - there is no position to move
        """False."""
        return False

    async def retry(self, delay_s: float) -> None:
        """Refused.

        :raises BusError: always.
        """
        raise BusError(
            f"a message of topic {self._message.topic} cannot come again after {delay_s} s to an ephemeral "
            "subscription; subscribe with a durable name"
        )

    async def bury(self, index: int, error: str) -> None:
        """Nothing: an ephemeral subscription has no dead letters."""


class EphemeralSubscription(Subscription):
    """A buffer between a bus that calls :meth:`offer` and somebody who iterates.

    ``enter`` makes the bus call, and gives what ends it.
    """

    def __init__(
        self,
        enter: Callable[[Callable[[Message], None]], Awaitable[Callable[[], Awaitable[None]]]],
        partitions: tuple[int, ...],
        *,
        buffer_messages: int = BUFFER_MESSAGES,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._enter = enter
        self._partitions = frozenset(partitions)
        self._buffer_messages = buffer_messages
        self._buffer_bytes = buffer_bytes
        self._buffer: deque[Message] = deque()
        self._bytes = 0
        self._arrived = asyncio.Semaphore(0)
        self._is_left = False

    async def __aenter__(self) -> Self:
        self._leave = await self._enter(self.offer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_left = True
        self._arrived.release()
        await self._leave()

    @property
    def room(self) -> int:
        """How many more messages the buffer takes, if they are small."""
        return self._buffer_messages - len(self._buffer)

    def offer(self, message: Message) -> None:
        """Keep ``message`` if there is room, else count it as dropped."""
        if message.partition not in self._partitions:
            return
        size = sum(map(len, message.items))
        if not self.room or self._bytes + size > self._buffer_bytes:
            self.dropped += 1
            return
        self._buffer.append(message)
        self._bytes += size
        self._arrived.release()

    async def __anext__(self) -> Delivery:
        await self._arrived.acquire()
        if not self._buffer:
            self._arrived.release()  # left: for the other tasks that iterate
            raise StopAsyncIteration
        message = self._buffer.popleft()
        self._bytes -= sum(map(len, message.items))
        return Passing(message)
