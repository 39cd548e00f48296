"""What everybody has passed goes, once it is old enough."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from decnet.bus.base import ALL_PARTITIONS
from decnet.bus.durable import end_tasks
from decnet.db.journal import delete_passed
from decnet.errors import BusUnavailable
from decnet.telemetry import logger

if TYPE_CHECKING:
    from decnet.bus.base import Leases
    from decnet.bus.journal.settings import JournalSettings
    from decnet.bus.journal.storage import JournalStorage

_LEASE = "retention"
_US = 1_000_000
_log = logger(__name__)


class Retention:
    """Deletes every now and then, in one process at a time."""

    def __init__(self, storage: JournalStorage, leases: Leases, settings: JournalSettings) -> None:
        self._storage = storage
        self._leases = leases
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """From now on what is old is deleted."""
        self._tasks = self._tasks or [asyncio.create_task(self._trim_now_and_then())]

    async def end(self) -> None:
        """Nothing is deleted any more."""
        tasks, self._tasks = self._tasks, []
        await end_tasks(tasks)

    async def trim(self) -> int:
        """Delete what every durable has passed and that is older than the limit; how many messages that were.

        :raises BusUnavailable: the database is full or locked for now; some may have been deleted.
        """
        before = self._storage.now() - int(self._settings.keep_s * _US)
        total = 0
        for partition in ALL_PARTITIONS:
            while deleted := await self._storage.write(partial(delete_passed, partition=partition, before=before)):
                total += deleted
        return total

    async def _trim_now_and_then(self) -> None:
        holder = uuid4().hex
        while True:
            await asyncio.sleep(self._settings.trim_s)
            try:
                if await self._leases.acquire([_LEASE], holder):
                    await self.trim()
            except BusUnavailable as error:
                _log.warning("old messages stay for now: %s", error)
