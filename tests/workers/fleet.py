"""All workers that make something of stored events, at work on one database, as ``decnet serve`` has them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.journal import JournalBus, JournalSettings
from decnet.bus.memory import MemoryBus, MemoryStore
from decnet.db.actors import Actors
from decnet.db.events import commands_before
from decnet.intake.store import Intake
from decnet.workers.attribute import AttributionWorker
from decnet.workers.cluster import ClusterWorker
from decnet.workers.relay import Relay
from decnet.workers.tagging import TaggingWorker
from tests.databases import rows
from tests.events import NOON, SECOND
from tests.workers.rules_in_force import live, loaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from typing import Any

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.db.engine import Database
    from decnet.models.event import Event
    from decnet.models.network import Networks

PATIENCE_S = 40.0
LEASE_S = 2.0
DURABLES = ("attribute", "ttp", "cluster")


class Fleet:
    """A database and the bus that workers read."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.database = database
        self._bus = bus
        self._actors = Actors()

    async def bring(self, events: Sequence[Event]) -> None:
        """Store and announce ``events``, and wait until everybody has made of them what there is to make."""

        def work(connection: Connection) -> None:
            Intake(self._actors, announce=True).store(connection, events, now=NOON)

        await asyncio.to_thread(self.database.write, work, self._actors.forget)
        await self.settled()

    async def settled(self) -> None:
        """Nothing waits, and what was made of it does not wait either."""

        async def is_idle() -> bool:
            if not self.database.is_embedded and rows(self.database, "SELECT count(*) FROM outbox") != [(0,)]:
                return False
            return not any([(await self._bus.lag(durable)).messages for durable in DURABLES])

        quiet = 0
        async with asyncio.timeout(PATIENCE_S):
            while quiet < 3:
                quiet = quiet + 1 if await is_idle() else 0
                await asyncio.sleep(0.1)


@asynccontextmanager
async def at_work(database: Database, *texts: str, networks: Networks | None = None) -> AsyncIterator[Fleet]:
    """Attribution, tagging by these rules and clustering; on a server with a relay to a bus of its own."""
    loop = asyncio.get_running_loop()

    def clock() -> int:
        return NOON + int(loop.time() * SECOND)

    bus: Bus = (
        JournalBus(database, JournalSettings(lease_s=LEASE_S, poll_s=0.05))
        if database.is_embedded
        else MemoryBus(MemoryStore())
    )
    rules = live(loaded(*texts), lambda event: database.read(partial(commands_before, event=event)))
    cluster = ClusterWorker(database, bus, holder="fleet", clock=clock, lease_s=LEASE_S, networks=networks)
    runs: list[Callable[[asyncio.Event], Coroutine[Any, Any, None]]] = [
        partial(AttributionWorker(database, clock).run, bus),
        partial(TaggingWorker(database, rules, clock=clock).run, bus),
        cluster.run,
    ]
    if not database.is_embedded:
        runs.append(Relay(database, bus, holder="fleet", clock=clock).run)
    stop = asyncio.Event()
    running = [asyncio.create_task(run(stop)) for run in runs]
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not cluster.is_leading:  # noqa: ASYNC110 - its state, not an event
                await asyncio.sleep(0.02)
        yield Fleet(database, bus)
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*running), PATIENCE_S)
        await bus.close()
