"""The relay: what the outbox of a server's database holds goes to the bus, and is deleted once the bus has it.

Several relays share the partitions: each is relayed under a lease, so that its order is kept. A relay that is killed
between publishing and deleting leaves rows that the next one publishes again, under the same ids: a bus that remembers
ids drops them, and handlers are idempotent in any case.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from decnet.db.leases import acquire_lease, release_lease
from decnet.db.outbox import delete_messages, oldest_messages
from decnet.errors import BusUnavailable, StorageUnavailable
from decnet.models.message import PARTITIONS
from decnet.telemetry import logger, span
from decnet.workers.stopping import pause_unless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.db.engine import Database
    from decnet.db.outbox import StoredMessage

LEASE_S = 15.0
STEP = 256
"""Messages per step; a bulk message holds up to a hundred events."""
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25
_AFTER_FAULT_S = 1.0

_log = logger(__name__)


class Relay:
    """Moves messages from ``database``'s outbox to ``bus``.

    ``holder`` names this process among all relays; ``clock`` gives µs UTC. ``share`` is how many partitions it takes at
    most, so that several relays divide them.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        holder: str,
        clock: Callable[[], int],
        share: int = PARTITIONS,
        lease_s: float = LEASE_S,
    ) -> None:
        self._database = database
        self._bus = bus
        self._holder = holder
        self._clock = clock
        self._share = share
        self._held: tuple[int, ...] = ()
        self._lease_us = int(lease_s * 1_000_000)
        self._renewed_at = -self._lease_us
        self.relayed = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until ``stop`` is set, then give the partitions back; a server that is away is waited for."""
        pause = _SHORTEST_PAUSE_S
        while not stop.is_set():
            try:
                pause = _SHORTEST_PAUSE_S if await self.step() else min(2 * pause, _LONGEST_PAUSE_S)
            except (BusUnavailable, StorageUnavailable) as error:
                _log.warning("relay waits: %s", error)
                pause = _AFTER_FAULT_S
            await pause_unless(stop, pause)
        await self.close()

    async def step(self) -> int:
        """Relay what is there, up to :data:`STEP` messages; returns their number.

        :raises BusUnavailable, StorageUnavailable: nothing is lost; call it again.
        """
        await self._hold_partitions()
        stored = await asyncio.to_thread(
            self._database.read, partial(oldest_messages, partitions=self._held, limit=STEP)
        )
        if not stored:
            return 0
        with span("relay.publish", messages=len(stored)):
            await self._bus.publish([one.message for one in stored], ids=list(map(message_id, stored)))
        with span("relay.delete", messages=len(stored)):
            numbers = [one.id for one in stored]
            await asyncio.to_thread(self._database.write, partial(delete_messages, numbers=numbers))
        self.relayed += len(stored)
        return len(stored)

    async def close(self) -> None:
        """Give the partitions back, so that another relay need not wait for the leases to run out."""
        held, self._held = self._held, ()
        try:
            await asyncio.to_thread(self._database.write, partial(self._release, partitions=held))
        except StorageUnavailable as error:
            _log.warning("relay leaves its leases to run out: %s", error)

    async def _hold_partitions(self) -> None:
        """Renew the leases at hand, and take free ones up to the share, three times in the life of a lease."""
        now = self._clock()
        if now - self._renewed_at >= self._lease_us // 3:
            self._held = await asyncio.to_thread(self._database.write, partial(self._acquire, now=now))
            self._renewed_at = now

    def _acquire(self, connection: Connection, now: int) -> tuple[int, ...]:
        held: list[int] = []
        for partition in sorted(range(PARTITIONS), key=lambda number: (number not in self._held, number)):
            if len(held) < self._share and acquire_lease(
                connection, _lease(partition), self._holder, now=now, length_us=self._lease_us
            ):
                held.append(partition)
        return tuple(sorted(held))

    def _release(self, connection: Connection, partitions: Sequence[int]) -> None:
        for partition in partitions:
            release_lease(connection, _lease(partition), self._holder)


def message_id(stored: StoredMessage) -> str:
    """By which the bus knows a message again; with the time, since a database made anew begins its numbers anew."""
    return f"{stored.id}-{stored.created_at}"


def _lease(partition: int) -> str:
    return f"relay.p{partition:02}"
