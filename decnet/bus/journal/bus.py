"""The bus itself: what its parts do together."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from decnet.bus.base import ALL_PARTITIONS, Bus, DeadLetter, Lag, Start, Subscription, check_durable, check_partitions
from decnet.bus.durable import DurableSubscription
from decnet.bus.ephemeral import EphemeralSubscription
from decnet.bus.journal.dead_letters import DeadLetters
from decnet.bus.journal.ephemeral import listen
from decnet.bus.journal.leases import JournalLeases
from decnet.bus.journal.looking import Looking
from decnet.bus.journal.positions import begin_durable, forget_durable, lag_of
from decnet.bus.journal.publisher import Publisher
from decnet.bus.journal.reader import JournalReader
from decnet.bus.journal.retention import Retention
from decnet.bus.journal.settings import JournalSettings
from decnet.bus.journal.storage import JournalStorage
from decnet.bus.journal.wake import Watch
from decnet.bus.shares import Share
from decnet.bus.topics import filters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from decnet.db.engine import Database
    from decnet.models.message import Message


class JournalBus(Bus):
    """A bus in ``database``, which the caller opens, and closes after the bus.

    ``now`` gives µs UTC.

    :raises BusError: the database is not SQLite.
    """

    def __init__(
        self,
        database: Database,
        settings: JournalSettings | None = None,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self._settings = settings or JournalSettings()
        self._storage = JournalStorage(database, now)
        self._leases = JournalLeases(self._storage, self._settings.lease_s)
        self._publisher = Publisher(self._storage, self._settings)
        self._dead = DeadLetters(self._storage)
        self._looking = Looking(self._storage)
        self._watch = Watch(self._storage, self._settings.poll_s)
        self._retention = Retention(self._storage, self._leases, self._settings)

    async def publish(self, messages: Sequence[Message], *, ids: Sequence[str] | None = None) -> None:
        await self._publisher.publish(messages, ids)

    def subscribe(
        self,
        patterns: str | tuple[str, ...],
        *,
        durable: str | None,
        start: Start = Start.NEW,
        partitions: Collection[int] = ALL_PARTITIONS,
        run: int = 1,
    ) -> Subscription:
        wanted, ours = filters(patterns), check_partitions(partitions)
        if durable is None:
            return EphemeralSubscription(
                partial(self._listen, wanted),
                ours,
                buffer_messages=self._settings.buffer_messages,
                buffer_bytes=self._settings.buffer_bytes,
            )
        return DurableSubscription(
            Share(self._leases, check_durable(durable), uuid4().hex, ours),
            partial(self._prepare, durable, wanted, start),
            lambda partition: [
                JournalReader(self._storage, self._looking, self._watch, self._dead, durable, partition, wanted, run)
            ],
        )

    async def _listen(self, wanted: tuple[str, ...], offer: Callable[[Message], None]) -> Callable[[], Awaitable[None]]:
        await self._begin()
        return await listen(self._storage, self._watch, wanted, offer)

    async def _prepare(self, durable: str, wanted: tuple[str, ...], start: Start) -> None:
        await begin_durable(self._storage, durable, wanted, start)
        await self._begin()

    async def _begin(self) -> None:
        """From now on readers are told of what is new, and what is old is deleted."""
        await self._watch.begin()
        self._retention.begin()

    async def lag(self, durable: str) -> Lag:
        return await lag_of(self._storage, check_durable(durable))

    async def forget(self, durable: str) -> None:
        await forget_durable(self._storage, check_durable(durable))

    async def trim(self) -> int:
        """Delete what every durable has passed and that is older than the limit; how many messages that were.

        :raises BusUnavailable: the database is full or locked for now; some may have been deleted.
        """
        return await self._retention.trim()

    async def dead_letters(self, durable: str | None = None, *, limit: int = 100) -> list[DeadLetter]:
        return await self._dead.read(durable, limit)

    async def replay_dead_letter(self, letter_id: str) -> None:
        await self._dead.replay(letter_id)

    async def drop_dead_letter(self, letter_id: str) -> None:
        await self._dead.drop(letter_id)

    async def close(self) -> None:
        await self._retention.end()
        await self._watch.end()
