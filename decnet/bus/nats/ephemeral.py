"""What is published now, for whoever listens: JetStream stores what also goes to the listeners of the subject."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from decnet.bus.nats.bodies import message_of
from decnet.bus.nats.connection import AWAY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.msg import Msg

    from decnet.bus.nats.connection import Connection
    from decnet.models.message import Message


async def listen(
    connection: Connection, wanted: tuple[str, ...], offer: Callable[[Message], None]
) -> Callable[[], Awaitable[None]]:
    """``offer`` gets what the topic filters ``wanted`` take, until what comes back is called.

    :raises BusUnavailable: there is no connection.
    """
    ours = connection.settings

    async def take(raw: Msg) -> None:
        with contextlib.suppress(msgspec.DecodeError):  # not published by this program
            offer(message_of(raw, ours))

    subscriptions = await connection.listen([f"{ours.prefix}{one}.*" for one in wanted], take)

    async def leave() -> None:
        for subscription in subscriptions:
            with contextlib.suppress(*AWAY):
                await subscription.unsubscribe()

    return leave
