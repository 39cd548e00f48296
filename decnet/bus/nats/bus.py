"""The bus itself: what its parts do together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from decnet.bus.base import ALL_PARTITIONS, Bus, DeadLetter, Lag, Start, Subscription, check_durable, check_partitions
from decnet.bus.durable import DurableSubscription
from decnet.bus.ephemeral import EphemeralSubscription
from decnet.bus.nats.connection import Connection
from decnet.bus.nats.consumers import forget_consumers, lag_of, make_consumers
from decnet.bus.nats.credentials import read_credentials
from decnet.bus.nats.dead_letters import DeadLetters
from decnet.bus.nats.ephemeral import listen
from decnet.bus.nats.leases import NatsLeases
from decnet.bus.nats.publisher import Publisher
from decnet.bus.nats.reader import NatsReader
from decnet.bus.nats.settings import NatsSettings
from decnet.bus.nats.streams import make_streams
from decnet.bus.shares import Share
from decnet.bus.topics import filters

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from decnet.models.message import Message


async def connect_nats(url: str, *, credentials: Path | None = None, settings: NatsSettings | None = None) -> NatsBus:
    """A bus on the server at ``url``, its streams made or brought to ``settings``.

    ``credentials`` is a file of a user's JWT and seed, read once: start again when it was renewed.

    :raises BusUnavailable: there is no server, or it has no JetStream.
    :raises BusError: the server refuses the credentials or the streams.
    :raises SettingsError: the file of credentials cannot be read, holds none, or others may read it.
    """
    secret = read_credentials(credentials) if credentials else None
    connection = Connection(url, settings or NatsSettings())
    try:
        await connection.open(secret)
        await make_streams(connection)
    except BaseException:
        await connection.close()
        raise
    return NatsBus(connection)


class NatsBus(Bus):
    """Made by :func:`connect_nats`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._settings = connection.settings
        self._publisher = Publisher(connection)
        self._dead = DeadLetters(connection, self._publisher)

    async def publish(self, messages: Sequence[Message], *, ids: Sequence[str] | None = None) -> None:
        await self._publisher.publish(messages, ids)

    def subscribe(
        self,
        patterns: str | tuple[str, ...],
        *,
        durable: str | None,
        start: Start = Start.NEW,
        partitions: Collection[int] = ALL_PARTITIONS,
        run: int = 1,  # noqa: ARG002 - a run here is one message: of several the server gives back in no sure order
    ) -> Subscription:
        wanted, ours = filters(patterns), check_partitions(partitions)
        if durable is None:
            return EphemeralSubscription(
                partial(listen, self._connection, wanted),
                ours,
                buffer_messages=self._settings.buffer_messages,
                buffer_bytes=self._settings.buffer_bytes,
            )
        return DurableSubscription(
            Share(NatsLeases(self._connection), check_durable(durable), uuid4().hex, ours),
            partial(make_consumers, self._connection, durable, wanted, start),
            lambda partition: [
                NatsReader(self._connection, self._dead, durable, one, partition, start) for one in wanted
            ],
            keep_alive_s=self._settings.ack_wait_s / 3,
        )

    async def lag(self, durable: str) -> Lag:
        return await lag_of(self._connection, check_durable(durable))

    async def forget(self, durable: str) -> None:
        await forget_consumers(self._connection, check_durable(durable))

    async def dead_letters(self, durable: str | None = None, *, limit: int = 100) -> list[DeadLetter]:
        return await self._dead.read(check_durable(durable) if durable else None, limit)

    async def replay_dead_letter(self, letter_id: str) -> None:
        await self._dead.replay(letter_id)

    async def drop_dead_letter(self, letter_id: str) -> None:
        await self._dead.drop(letter_id)

    async def close(self) -> None:
        await self._connection.close()
