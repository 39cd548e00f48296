"""Messages in, as far as there is room."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.base import check_partitions, check_size
from decnet.bus.journal.wake import wake_readers
from decnet.bus.topics import topic_of
from decnet.db.journal import unread
from decnet.db.outbox import add_messages
from decnet.errors import BusUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.bus.journal.settings import JournalSettings
    from decnet.bus.journal.storage import JournalStorage
    from decnet.models.message import Message

_REMEMBERED_IDS = 100_000
_COUNT_EVERY_S = 1.0
_ROOM_PAUSE_S = 0.05


class Publisher:
    """What this process publishes outside of the transactions of others."""

    def __init__(self, storage: JournalStorage, settings: JournalSettings) -> None:
        self._storage = storage
        self._settings = settings
        self._ids: dict[str, None] = {}
        self._unread = 0
        self._counted_at = 0.0

    async def publish(self, messages: Sequence[Message], ids: Sequence[str] | None) -> None:
        """As :meth:`decnet.bus.base.Bus.publish`; ids are remembered in this process only."""
        for message in messages:
            topic_of(message.topic)
            check_partitions((message.partition,))
            check_size(message)
        known = [bool(ids) and one in self._ids for one in ids or [""] * len(messages)]
        rest = [message for message, is_known in zip(messages, known, strict=True) if not is_known]
        deadline = time.monotonic() + self._settings.patience_s
        while rest:
            room = await self._room()
            part, rest = rest[:room], rest[room:]
            if part:
                await self._storage.write(partial(add_messages, messages=part, now=self._storage.now()))
                self._unread += len(part)
                wake_readers(self._storage.database)
            if rest:
                await self._wait_for_room(deadline)
        self._remember(ids or ())

    async def _room(self) -> int:
        """For how many messages there is room; counted every now and then, or when it seems to be full."""
        if self._unread >= self._settings.max_unread or time.monotonic() - self._counted_at > _COUNT_EVERY_S:
            self._unread = await self._storage.read(unread)
            self._counted_at = time.monotonic()
        return max(self._settings.max_unread - self._unread, 0)

    async def _wait_for_room(self, deadline: float) -> None:
        if time.monotonic() >= deadline:
            raise BusUnavailable(
                f"journal in {self._storage.database.place}: {self._unread:,} messages wait to be read, and there was "
                f"no room for more within {self._settings.patience_s:g} s; start their readers, or forget a durable "
                "that nobody uses"
            )
        await asyncio.sleep(_ROOM_PAUSE_S)

    def _remember(self, ids: Sequence[str]) -> None:
        self._ids |= dict.fromkeys(ids)
        while len(self._ids) > _REMEMBERED_IDS:
            del self._ids[next(iter(self._ids))]
