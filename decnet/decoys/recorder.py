"""Events of decoys → the database, in batches, without letting anybody who touches a decoy wait for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from decnet.bus.journal import wake_readers
from decnet.db.actors import Actors
from decnet.errors import StorageUnavailable
from decnet.intake.store import Intake
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event

MAX_WAITING = 20_000
"""Events that wait for the database; beyond, new ones are dropped and counted."""
_BATCH = 100  # a hundred of the largest are still one packet for every server
_AFTER_FAULT_S = 2.0
_log = logger(__name__)


class Recorder:
    """Stores and announces events through the intake, in the order in which they were recorded.

    An event is safe once :meth:`run` has stored it; what waits in memory is lost with the process. ``clock`` gives µs
    UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._actors = Actors()
        self._intake = Intake(self._actors, announce=True)
        self._waiting: list[Event] = []
        self._arrived = asyncio.Event()
        self.stored = 0
        self.dropped = 0

    def record(self, events: Iterable[Event]) -> None:
        """Take ``events`` in; never blocks."""
        for event in events:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(event)
                continue
            self.dropped += 1
            if self.dropped == 1 or self.dropped % 1_000 == 0:
                _log.warning("%d events of decoys were dropped: the database does not keep up", self.dropped)
        self._arrived.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Store what was recorded until ``stop`` is set, then what is left; a database that is away is waited for.

        :raises StorageError: the database does not take events, and waiting does not mend it; or it is still away at
            the end.
        """
        told = asyncio.create_task(stop.wait())
        try:
            while not told.done():
                arrived = asyncio.create_task(self._arrived.wait())
                await asyncio.wait({told, arrived}, return_when=asyncio.FIRST_COMPLETED)
                arrived.cancel()
                await self._store_patiently(told)
        finally:
            told.cancel()
        await self._store_waiting()

    async def run_beside(self, stop: asyncio.Event, close: Callable[[], Awaitable[None]]) -> None:
        """Store what a decoy records until ``stop`` is set; then ``close`` lets its clients go, and the rest is stored.

        :raises DecnetError: the database cannot be used; the decoy is closed then.
        """
        done = asyncio.Event()
        recording = asyncio.create_task(self.run(done))
        told = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({told, recording}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            await close()
            done.set()
            await recording

    async def _store_patiently(self, told: asyncio.Task[bool]) -> None:
        try:
            await self._store_waiting()
        except StorageUnavailable as error:
            _log.warning("decoys wait for the database: %s", error)
            await asyncio.wait({told}, timeout=_AFTER_FAULT_S)

    async def _store_waiting(self) -> None:
        self._arrived.clear()
        while batch := self._waiting[:_BATCH]:
            self.stored += await asyncio.to_thread(self._store, batch)
            del self._waiting[: len(batch)]

    def _store(self, batch: list[Event]) -> int:
        def work(connection: Connection) -> int:
            new, _ = self._intake.store(connection, batch, now=self._clock())
            return len(new)

        new = self._database.write(work, self._actors.forget)
        if new and self._database.is_embedded:
            wake_readers(self._database)
        return new
