"""What is announced from now on, for whoever listens: all partitions in the order of their numbers."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.durable import end_tasks
from decnet.bus.topics import takes
from decnet.db.journal import last_number, stored_messages, topics_after
from decnet.errors import BusUnavailable
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.engine import Connection

    from decnet.bus.journal.storage import JournalStorage
    from decnet.bus.journal.wake import Watch
    from decnet.db.outbox import StoredMessage
    from decnet.models.message import Message

_AT_ONCE = 500
_log = logger(__name__)


async def listen(
    storage: JournalStorage, watch: Watch, wanted: tuple[str, ...], offer: Callable[[Message], None]
) -> Callable[[], Awaitable[None]]:
    """``offer`` gets what the topic filters ``wanted`` take, until what comes back is called.

    :raises BusUnavailable: the database cannot be read for now.
    """
    position = await storage.read(last_number)
    woken = asyncio.Event()
    forget = watch.awaken(None, woken)
    task = asyncio.create_task(_pass_on(storage, wanted, position, woken, offer))

    async def leave() -> None:
        forget()
        await end_tasks([task])

    return leave


async def _pass_on(
    storage: JournalStorage,
    wanted: tuple[str, ...],
    position: int,
    woken: asyncio.Event,
    offer: Callable[[Message], None],
) -> None:
    while True:
        woken.clear()
        try:
            position, found = await storage.read(partial(_taken_after, position=position, wanted=wanted))
        except BusUnavailable as error:
            _log.warning("%s", error)
            found = None
        for stored in found or ():
            offer(stored.message)
        if found is None:
            await woken.wait()


def _taken_after(
    connection: Connection, position: int, wanted: tuple[str, ...]
) -> tuple[int, list[StoredMessage] | None]:
    """What is taken of the next messages of all partitions, and up to which number was looked; None at the end."""
    ahead = topics_after(connection, position, _AT_ONCE)
    if not ahead:
        return position, None
    return ahead[-1][0], stored_messages(connection, [number for number, topic, _ in ahead if takes(wanted, topic)])
