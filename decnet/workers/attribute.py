"""The attribution worker: events of a partition in, sessions that end, findings and their announcements out.

What batches bring is computed before the transaction. In it are the states, findings, ends of sessions with their
traits, messages and, on the journal, the positions of all batches that wait for it. A message that comes again, from a
relay or after a kill, is known by its items and adds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.bus.base import Start
from decnet.bus.consume import Counters
from decnet.bus.journal import wake_readers
from decnet.db.outbox import add_messages
from decnet.models.message import EVENTS
from decnet.workers.attributing import Arrived, Attributions, write_taken
from decnet.workers.commits import SharedCommits
from decnet.workers.sightings import outcome_messages
from decnet.workers.stopping import consume_until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.bus.consume import Batch
    from decnet.db.engine import Database

DURABLE = "attribute"
LANES = 24
"""Batches at a time, each of another partition: those that come while some are stored share the next transaction."""
RUN = 64
"""Messages of a partition at a time."""
FULL = 2_000
"""Items of a transaction, some 20 ms of writing: the more there are, the less each costs."""


class AttributionWorker:
    """Handles batches of ``events``; several may be handled at a time if their partitions differ.

    ``clock`` gives µs UTC, for the time of announcements alone: attribution goes by the time of events.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._attributions = Attributions(database)
        self._commits = SharedCommits(self._store, size_of=lambda batch: len(batch.items), full=FULL)
        self.counters = Counters()

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; a server that is away is waited for."""
        async with bus.subscribe(EVENTS, durable=DURABLE, start=Start.FIRST, run=RUN) as subscription:
            await consume_until(stop, subscription, self.handle, parallel=LANES, counters=self.counters)

    async def handle(self, batch: Batch) -> None:
        """Take a batch in, or leave everything as it was and raise."""
        await self._commits.store(batch)

    def _store(self, batches: list[Batch]) -> None:
        """Take some batches in, in one transaction."""
        try:
            taken = self._attributions.take_in([Arrived(one.partition, one.hold, one.items) for one in batches])
            messages = [
                message for one in taken for message in outcome_messages(one.brought.outcome, one.met, one.partition)
            ]
            now = self._clock()

            def write(connection: Connection) -> None:
                write_taken(connection, taken)
                add_messages(connection, messages, now=now)
                for batch in batches:
                    batch.acknowledge_within(connection)

            self._database.write(write)
        except BaseException:
            self._attributions.forget({batch.partition for batch in batches})
            raise
        if messages and self._database.is_embedded:
            wake_readers(self._database)
