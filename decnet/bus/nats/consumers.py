"""Positions of durables: a pull consumer on the server for each topic filter and partition."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from nats.js import api
from nats.js import errors as js_errors

from decnet.bus.base import ALL_PARTITIONS, Lag, Start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from decnet.bus.nats.connection import Connection


def consumer_name(durable: str, wanted: str, partition: int) -> str:
    """``ttp_finding=~_p07``: JetStream takes no dots and wildcards in names."""
    return f"{durable}_{wanted.replace('.', '=').replace('*', '~')}_p{partition:02}"


async def consumers(connection: Connection, durable: str | None = None) -> AsyncIterator[api.ConsumerInfo]:
    """All consumers of the stream of messages, or those of ``durable``."""
    seen = 0
    while page := await connection.js.consumers_info(connection.settings.stream, offset=seen):
        seen += len(page)
        for info in page:
            if durable is None or info.name.partition("_")[0] == durable:
                yield info


async def make_consumers(connection: Connection, durable: str, wanted: tuple[str, ...], start: Start) -> None:
    """A durable has its position in all partitions from the first subscription on.

    :raises BusUnavailable: the server does not answer.
    """
    async with connection.asking(f"making the consumers of {durable}"):
        known = {info.name async for info in consumers(connection, durable)}
        await asyncio.gather(
            *(
                make_consumer(connection, durable, one, partition, start)
                for one in wanted
                for partition in ALL_PARTITIONS
                if consumer_name(durable, one, partition) not in known
            )
        )


async def make_consumer(connection: Connection, durable: str, wanted: str, partition: int, start: Start) -> None:
    """The consumer of ``durable`` for one filter and partition exists. Raises what is in ``AWAY``."""
    ours, name = connection.settings, consumer_name(durable, wanted, partition)
    config = api.ConsumerConfig(
        durable_name=name,
        deliver_policy=api.DeliverPolicy.ALL if start is Start.FIRST else api.DeliverPolicy.NEW,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=ours.ack_wait_s,
        max_deliver=-1,
        max_ack_pending=1,
        filter_subject=ours.subject(wanted, partition),
    )
    try:
        await connection.js.add_consumer(ours.stream, config)
    except js_errors.APIError:
        await connection.js.consumer_info(ours.stream, name)  # another process made it with another start


async def lag_of(connection: Connection, durable: str) -> Lag:
    """How far behind ``durable`` is.

    :raises BusUnavailable: the server does not answer.
    """
    async with connection.asking(f"reading the lag of {durable}"):
        behind = [info async for info in consumers(connection, durable) if waiting(info)]
        times = await asyncio.gather(*(_oldest(connection, info) for info in behind))
    oldest = min((one for one in times if one), default=0.0)
    return Lag(sum(map(waiting, behind)), max(time.time() - oldest, 0.0) if oldest else 0.0)


async def _oldest(connection: Connection, info: api.ConsumerInfo) -> float:
    """When the first message that ``info``'s consumer has not acknowledged was published, in Unix seconds."""
    with contextlib.suppress(js_errors.NotFoundError):
        message = await connection.js.get_msg(
            connection.settings.stream, seq=acknowledged(info) + 1, subject=info.config.filter_subject, next=True
        )
        return message.time.timestamp() if message.time else 0.0
    return 0.0


async def forget_consumers(connection: Connection, durable: str) -> None:
    """``durable`` has no position any more.

    :raises BusUnavailable: the server does not answer.
    """
    async with connection.asking(f"forgetting {durable}"):
        names = [info.name async for info in consumers(connection, durable)]
        for name in names:
            with contextlib.suppress(js_errors.NotFoundError):
                await connection.js.delete_consumer(connection.settings.stream, name)


def waiting(info: api.ConsumerInfo) -> int:
    """How many messages the consumer has not acknowledged."""
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


def acknowledged(info: api.ConsumerInfo) -> int:
    """The number of the message up to which the consumer has acknowledged all."""
    return info.ack_floor.stream_seq if info.ack_floor else 0
