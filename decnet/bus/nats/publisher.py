"""Messages and dead letters in: stored once, in order, after what nobody needs any more has made room."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nats import errors as nats_errors
from nats.js import api

from decnet.bus.base import check_partitions, check_size
from decnet.bus.durable import pauses
from decnet.bus.nats.bodies import packed
from decnet.bus.nats.connection import AWAY
from decnet.bus.nats.consumers import acknowledged, consumers, waiting
from decnet.bus.topics import topic_of
from decnet.errors import BusError, BusUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.bus.nats.connection import Connection
    from decnet.models.message import Message

_PUBLISH_S = 2.0
"""How long one attempt to publish waits for its answer: an attempt after it doubles nothing."""
_TRIM_EVERY_S = 1.0


class Publisher:
    """What stores on the server; one per connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._trimmed_at = 0.0
        self._trimming = asyncio.Lock()

    async def publish(self, messages: Sequence[Message], ids: Sequence[str] | None) -> None:
        """As :meth:`decnet.bus.base.Bus.publish`; partitions are published side by side."""
        chains: dict[int, list[tuple[Message, str]]] = defaultdict(list)
        own = uuid4().hex
        for place, message in enumerate(messages):
            topic_of(message.topic)
            check_partitions((message.partition,))
            check_size(message)
            chains[message.partition].append((message, ids[place] if ids else f"{own}-{place}"))
        deadline = time.monotonic() + self._connection.settings.patience_s
        publishing = (self._publish_chain(chain, deadline) for chain in chains.values())
        for outcome in await asyncio.gather(*publishing, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _publish_chain(self, chain: Sequence[tuple[Message, str]], deadline: float) -> None:
        """One after the other: a message that was refused must not be overtaken."""
        ours = self._connection.settings
        for message, message_id in chain:
            subject = ours.subject(message.topic, message.partition)
            await self.store(ours.stream, subject, packed(message.items), message_id, deadline)

    async def store(self, stream: str, subject: str, body: bytes, message_id: str, deadline: float) -> None:
        """Publish until it is stored or ``deadline`` is past; the server drops a second one with the same id.

        ``deadline`` is in monotonic seconds.

        :raises BusUnavailable, BusError: as :meth:`decnet.bus.base.Bus.publish`.
        """
        headers: dict[str, Any] = {api.Header.MSG_ID.value: message_id, api.Header.EXPECTED_STREAM.value: stream}
        waits = pauses(0.05, 1.0)
        while True:
            try:
                await self._connection.js.publish(subject, body, timeout=_PUBLISH_S, headers=headers)
            except nats_errors.MaxPayloadError:
                raise BusError(
                    f"bus at {self._connection.place}: {len(body):,} bytes for {subject} are over max_payload of the "
                    f"server, {self._connection.max_payload:,}; raise it there"
                ) from None
            except AWAY as error:
                reason = self._connection.in_words(error, f"publishing to {subject}")
                if not isinstance(reason, BusUnavailable) or time.monotonic() >= deadline:
                    raise reason from None
                await self._trim()
                await asyncio.sleep(min(next(waits), max(deadline - time.monotonic(), 0)))
            else:
                return

    async def _trim(self) -> None:
        """Purge what every durable has acknowledged; nothing while there is no durable at all."""
        async with self._trimming:
            if time.monotonic() - self._trimmed_at < _TRIM_EVERY_S:
                return
            self._trimmed_at = time.monotonic()
            js, stream = self._connection.js, self._connection.settings.stream
            with contextlib.suppress(*AWAY):
                last = (await js.stream_info(stream)).state.last_seq
                floors = [_floor(info, last) async for info in consumers(self._connection)]
                if floors and (passed := min(floors)):
                    await js.purge_stream(stream, seq=passed + 1)


def _floor(info: api.ConsumerInfo, last: int) -> int:
    """Up to where the stream, whose end is ``last``, is of no more use to a consumer."""
    return acknowledged(info) if waiting(info) else last
