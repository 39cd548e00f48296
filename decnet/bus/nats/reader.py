"""One consumer of a durable, read a message at a time, and what may become of each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import msgspec
from nats.js import api

from decnet.bus.base import readable_error
from decnet.bus.durable import Held, Reader
from decnet.bus.nats.bodies import Letter, message_of
from decnet.bus.nats.connection import AWAY
from decnet.bus.nats.consumers import consumer_name, make_consumer
from decnet.errors import BusUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription as NatsSubscription

    from decnet.bus.base import Start
    from decnet.bus.nats.connection import Connection
    from decnet.bus.nats.dead_letters import DeadLetters
    from decnet.models.message import Message

_PULL_S = 5.0
"""How long a request for messages stays with the server, which says when it is over."""
_PULL_GRACE_S = 1.0
_ONE_MORE = msgspec.json.encode({"batch": 1, "expires": int(_PULL_S * 1e9)})
"""One at a time: a request for more outlives its inbox, and swallows what is given back (nats-server 2.9.10)."""


class NatsReader(Reader):
    """One consumer on the server."""

    def __init__(
        self, connection: Connection, dead: DeadLetters, durable: str, wanted: str, partition: int, start: Start
    ) -> None:
        self._connection = connection
        self._dead = dead
        self._durable = durable
        self._wanted = wanted
        self._partition = partition
        self._start = start
        self._name = consumer_name(durable, wanted, partition)
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._inbox: tuple[str, NatsSubscription] | None = None
        self._asked_until = 0.0
        self._acknowledged = 0

    def _ask_again(self) -> None:
        """The server has forgotten what was asked of it."""
        self._asked_until = 0.0
        self._arrived.put_nowait(None)

    async def next(self) -> Held:
        with self._connection.returning(self._ask_again):
            while True:
                message = await self._message()
                if message is None:
                    continue
                if message.headers and api.Header.STATUS.value in message.headers:
                    await self._on_status(message.headers[api.Header.STATUS.value])
                    continue
                self._asked_until = 0.0
                if message.metadata.sequence.stream <= self._acknowledged:  # its answer was lost
                    await self._connection.tell(message.reply, b"+ACK", "acknowledging again")
                    continue
                try:
                    return NatsDelivery(self._connection, self._dead, self._durable, message, self._on_acknowledged)
                except msgspec.DecodeError as error:
                    await self._put_aside(message, error)

    async def _put_aside(self, message: Msg, error: Exception) -> None:
        """What is no message of ours, whoever published it, is a dead letter and not in the way."""
        reason = f"not published by this program: {readable_error(error)}"
        tries = message.metadata.num_delivered
        letter = Letter(self._durable, self._wanted, self._partition, message.data, reason, tries)
        await self._dead.bury(letter, f"{self._durable}-{message.metadata.sequence.stream}-body")
        await self._connection.request(message.reply, b"+ACK", "acknowledging")

    def _on_acknowledged(self, sequence: int) -> None:
        self._acknowledged = sequence

    async def _message(self) -> Msg | None:
        """What the server says next; None when it is time to ask again."""
        now = time.monotonic()
        if now >= self._asked_until:
            try:
                await self._pull()
            except AWAY as error:
                raise BusUnavailable(f"partition {self._partition} of {self._wanted}: {error}") from None
            self._asked_until = now + _PULL_S
        try:
            async with asyncio.timeout(self._asked_until + _PULL_GRACE_S - now):
                return await self._arrived.get()
        except TimeoutError:
            self._asked_until = 0.0
            await self._make_sure()
            return None

    async def _pull(self) -> None:
        """Ask for the next message."""
        self._inbox = self._inbox or await self._connection.open_inbox(self._arrived.put)
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._connection.settings.stream}.{self._name}"
        await self._connection.ask(subject, _ONE_MORE, self._inbox[0])

    async def _on_status(self, status: str) -> None:
        """An idle sign says nothing, the end of what was asked little; anything else, that the consumer may be gone."""
        if status == api.StatusCode.CONTROL_MESSAGE:
            return
        self._asked_until = 0.0
        if status not in {api.StatusCode.REQUEST_TIMEOUT, api.StatusCode.NO_MESSAGES}:
            await self._make_sure()
            await asyncio.sleep(0.1)  # a server that starts says the same for a while

    async def _make_sure(self) -> None:
        """The consumer exists: the server does not answer for one that was deleted.

        :raises BusUnavailable: the server does not answer at all.
        """
        try:
            await make_consumer(self._connection, self._durable, self._wanted, self._partition, self._start)
        except AWAY as error:
            raise BusUnavailable(f"consumer {self._name}: {error}; check that the server runs") from None

    async def close(self) -> None:
        """Nothing more is read; what arrived unread goes back to the server."""
        if self._inbox:
            with contextlib.suppress(*AWAY):
                await self._inbox[1].unsubscribe()
        while not self._arrived.empty():
            message = self._arrived.get_nowait()
            if message and message.reply:
                await self._connection.tell(message.reply, b"-NAK", "giving back")


class NatsDelivery(Held):
    """A message that a consumer waits to hear of.

    :raises msgspec.DecodeError: ``raw`` was not published by this program.
    """

    def __init__(
        self,
        connection: Connection,
        dead: DeadLetters,
        durable: str,
        raw: Msg,
        on_acknowledged: Callable[[int], None],
    ) -> None:
        super().__init__()
        self._connection = connection
        self._dead = dead
        self._durable = durable
        self._reply = raw.reply
        self._metadata = raw.metadata
        self._message = message_of(raw, connection.settings)
        self._on_acknowledged = on_acknowledged

    @property
    def messages(self) -> tuple[Message, ...]:
        return (self._message,)

    @property
    def tries(self) -> int:
        return self._metadata.num_delivered

    async def acknowledge(self) -> None:
        self.check()
        await self._connection.request(self._reply, b"+ACK", "acknowledging")
        self._on_acknowledged(self._metadata.sequence.stream)
        self.ended.set()

    def acknowledge_within(self, connection: object) -> bool:  # noqa: ARG002 - the position is not in a database
        return False

    async def retry(self, delay_s: float) -> None:
        self.check()
        await self._connection.request(self._reply, _nak(delay_s), "asking for another try")
        self.ended.set()

    async def give_back(self) -> None:
        self.ended.set()
        await self._connection.tell(self._reply, _nak(0), "giving back")

    async def keep_alive(self) -> None:
        await self._connection.tell(self._reply, b"+WPI", "telling that a message is being handled")

    async def bury(self, index: int, error: str) -> None:
        message = self._message
        letter = Letter(self._durable, message.topic, message.partition, message.items[index], error, self.tries)
        await self._dead.bury(letter, f"{self._durable}-{self._metadata.sequence.stream}-{index}")


def _nak(delay_s: float) -> bytes:
    return b"-NAK " + msgspec.json.encode({"delay": int(delay_s * 1e9)}) if delay_s > 0 else b"-NAK"
