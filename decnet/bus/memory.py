"""The bus within one process: for tests and for programs that need no other. What it keeps ends with the process."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from decnet.bus.base import (
    ALL_PARTITIONS,
    Bus,
    DeadLetter,
    Lag,
    Leases,
    Start,
    Subscription,
    check_durable,
    check_partitions,
    check_size,
    item_at,
    run_length,
)
from decnet.bus.durable import DurableSubscription, Held, Reader, RunLength
from decnet.bus.ephemeral import BUFFER_BYTES, BUFFER_MESSAGES, EphemeralSubscription
from decnet.bus.shares import Share
from decnet.bus.topics import filters, takes, topic_of
from decnet.errors import BusError, BusUnavailable
from decnet.models.message import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

MAX_MESSAGES = 100_000
MAX_KEPT_BYTES = 256 * 1024 * 1024
PATIENCE_S = 5.0
LEASE_S = 10.0
_US = 1_000_000


class _Entry(NamedTuple):
    number: int
    message: Message
    size: int
    at: int


@dataclass(slots=True)
class _Position:
    """How far a durable is in one partition; ``tries`` are those of the message after ``done``, due at ``due``."""

    done: int
    tries: int = 0
    due: float = 0.0


@dataclass(slots=True)
class _Durable:
    filters: tuple[str, ...]
    positions: dict[int, _Position]

    def takes(self, topic: str) -> bool:
        return takes(self.filters, topic)


@dataclass
class MemoryStore:
    """What several :class:`MemoryBus` of one process have in common, as several processes have one server.

    Bounded by ``max_messages`` and ``max_bytes``: what every durable has acknowledged goes when room is needed.
    """

    max_messages: int = MAX_MESSAGES
    max_bytes: int = MAX_KEPT_BYTES
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], int] = lambda: time.time_ns() // 1_000
    entries: dict[int, list[_Entry]] = field(default_factory=lambda: {partition: [] for partition in ALL_PARTITIONS})
    last: dict[int, int] = field(default_factory=lambda: dict.fromkeys(ALL_PARTITIONS, 0))
    count: int = 0
    bytes: int = 0
    durables: dict[str, _Durable] = field(default_factory=dict)
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    listeners: dict[Callable[[Message], None], tuple[str, ...]] = field(default_factory=dict)
    ids: dict[str, None] = field(default_factory=dict)
    leases: dict[str, tuple[str, float]] = field(default_factory=dict)
    changed: dict[int, asyncio.Event] = field(
        default_factory=lambda: {partition: asyncio.Event() for partition in ALL_PARTITIONS}
    )

    def add(self, message: Message, size: int) -> None:
        """Store ``message`` and tell everybody who waits."""
        partition = message.partition
        self.last[partition] += 1
        self.entries[partition].append(_Entry(self.last[partition], message, size, self.now()))
        self.count += 1
        self.bytes += size
        self.wake(partition)
        for listener, wanted in self.listeners.items():
            if takes(wanted, message.topic):
                listener(message)

    def wake(self, partition: int) -> None:
        """Let every reader of ``partition`` look again."""
        self.changed[partition].set()
        self.changed[partition] = asyncio.Event()

    def has_room(self, size: int) -> bool:
        """Whether a message of ``size`` bytes fits, after what nobody needs any more is gone."""
        if self.count < self.max_messages and self.bytes + size <= self.max_bytes:
            return True
        for partition, entries in self.entries.items():
            passed = min((durable.positions[partition].done for durable in self.durables.values()), default=None)
            kept = [] if passed is None else [entry for entry in entries if entry.number > passed]
            self.count -= len(entries) - len(kept)
            self.bytes -= sum(entry.size for entry in entries) - sum(entry.size for entry in kept)
            self.entries[partition] = kept
        return self.count < self.max_messages and self.bytes + size <= self.max_bytes


class MemoryLeases(Leases):
    """Leases in the common store."""

    def __init__(self, store: MemoryStore, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s

    @property
    def ttl_s(self) -> float:
        return self._ttl_s

    async def acquire(self, names: Collection[str], holder: str) -> frozenset[str]:
        return self._hold([name for name in names if self._holder(name) in {None, holder}], holder)

    async def renew(self, names: Collection[str], holder: str) -> frozenset[str]:
        return self._hold([name for name in names if self._holder(name) == holder], holder)

    async def release(self, names: Collection[str], holder: str) -> None:
        for name in names:
            if self._holder(name) == holder:
                del self._store.leases[name]

    async def taken(self, prefix: str) -> frozenset[str]:
        return frozenset(name for name in self._store.leases if name.startswith(prefix) and self._holder(name))

    def _hold(self, names: Sequence[str], holder: str) -> frozenset[str]:
        until = self._store.clock() + self._ttl_s
        self._store.leases |= dict.fromkeys(names, (holder, until))
        return frozenset(names)

    def _holder(self, name: str) -> str | None:
        holder, until = self._store.leases.get(name, (None, 0.0))
        return holder if until > self._store.clock() else None


class MemoryBus(Bus):
    """A bus over ``store``; ``patience_s`` is how long a publisher waits for room."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        lease_s: float = LEASE_S,
        patience_s: float = PATIENCE_S,
        buffer_messages: int = BUFFER_MESSAGES,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._store = store or MemoryStore()
        self._leases = MemoryLeases(self._store, lease_s)
        self._patience_s = patience_s
        self._buffer_messages = buffer_messages
        self._buffer_bytes = buffer_bytes

    async def publish(self, messages: Sequence[Message], *, ids: Sequence[str] | None = None) -> None:
        sizes = []
        for message in messages:
            topic_of(message.topic)
            check_partitions((message.partition,))
            sizes.append(check_size(message))
        for place, (message, size) in enumerate(zip(messages, sizes, strict=True)):
            if ids and ids[place] in self._store.ids:
                continue
            await self._wait_for_room(message, size)
            self._store.add(message, size)
            if ids:
                self._remember(ids[place])

    async def _wait_for_room(self, message: Message, size: int) -> None:
        deadline = self._store.clock() + self._patience_s
        while not self._store.has_room(size):
            if self._store.clock() >= deadline:
                raise BusUnavailable(
                    f"bus in memory: {self._store.count:,} messages ({self._store.bytes:,} bytes) wait to be read, and "
                    f"there was no room for one of {message.topic} within {self._patience_s:g} s; start its reader, or "
                    "forget a durable that nobody uses"
                )
            await asyncio.sleep(0.01)

    def _remember(self, message_id: str) -> None:
        self._store.ids[message_id] = None
        while len(self._store.ids) > self._store.max_messages:
            del self._store.ids[next(iter(self._store.ids))]

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
                buffer_messages=self._buffer_messages,
                buffer_bytes=self._buffer_bytes,
            )
        share = Share(self._leases, check_durable(durable), uuid4().hex, ours, self._store.clock)
        return DurableSubscription(
            share,
            partial(self._prepare, durable, wanted, start),
            lambda partition: [_MemoryReader(self._store, durable, partition, run)],
        )

    async def _listen(self, wanted: tuple[str, ...], offer: Callable[[Message], None]) -> Callable[[], Awaitable[None]]:
        self._store.listeners[offer] = wanted

        async def leave() -> None:
            del self._store.listeners[offer]

        return leave

    async def _prepare(self, durable: str, wanted: tuple[str, ...], start: Start) -> None:
        known = self._store.durables.get(durable)
        if known:
            known.filters = wanted
            return
        done = dict.fromkeys(ALL_PARTITIONS, 0) if start is Start.FIRST else self._store.last
        self._store.durables[durable] = _Durable(
            wanted, {partition: _Position(done[partition]) for partition in ALL_PARTITIONS}
        )

    async def lag(self, durable: str) -> Lag:
        known = self._store.durables.get(durable)
        waiting = [
            entry.at
            for partition, position in (known.positions.items() if known else ())
            for entry in self._store.entries[partition]
            if known and entry.number > position.done and known.takes(entry.message.topic)
        ]
        age_us = self._store.now() - min(waiting) if waiting else 0
        return Lag(len(waiting), max(age_us, 0) / _US)

    async def forget(self, durable: str) -> None:
        self._store.durables.pop(durable, None)

    async def dead_letters(self, durable: str | None = None, *, limit: int = 100) -> list[DeadLetter]:
        return [one for one in self._store.letters.values() if durable in {None, one.durable}][:limit]

    async def replay_dead_letter(self, letter_id: str) -> None:
        letter = self._letter(letter_id)
        await self.publish([Message(letter.topic, letter.partition, (letter.item,))])
        self._store.letters.pop(letter_id, None)

    async def drop_dead_letter(self, letter_id: str) -> None:
        del self._store.letters[self._letter(letter_id).id]

    def _letter(self, letter_id: str) -> DeadLetter:
        letter = self._store.letters.get(letter_id)
        if not letter:
            raise BusError(
                f"dead letter {letter_id[:100]!r} does not exist; it may have been replayed or dropped already"
            )
        return letter

    async def close(self) -> None:
        """Nothing: the store lives as long as somebody refers to it."""


class _MemoryReader(Reader):
    """One partition for one durable."""

    def __init__(self, store: MemoryStore, durable: str, partition: int, run: int) -> None:
        self._store = store
        self._durable = durable
        self._partition = partition
        self._run = RunLength(run)

    async def next(self) -> Held:
        while True:
            changed = self._store.changed[self._partition]
            durable = self._store.durables.get(self._durable)
            wait_s = None
            if durable and (entries := self._pending(durable)):
                position = durable.positions[self._partition]
                wait_s = position.due - self._store.clock()
                if wait_s <= 0:
                    position.tries += 1
                    length = run_length((entry.size for entry in entries), self._run.next(position.tries))
                    return _MemoryDelivery(self._store, self._durable, position, entries[:length])
            try:
                async with asyncio.timeout(wait_s):
                    await changed.wait()
            except TimeoutError:
                pass

    def _pending(self, durable: _Durable) -> list[_Entry]:
        """The first messages after the position that the durable takes; the position passes over what is before."""
        position = durable.positions[self._partition]
        entries = self._store.entries[self._partition]
        first = position.done + 1 - entries[0].number if entries else 0
        pending: list[_Entry] = []
        for entry in entries[max(first, 0) :]:
            if durable.takes(entry.message.topic):
                pending.append(entry)
                if len(pending) == self._run.most:
                    break
            elif not pending:
                position.done = entry.number
        return pending

    async def close(self) -> None:
        """Nothing to close."""


class _MemoryDelivery(Held):
    def __init__(self, store: MemoryStore, durable: str, position: _Position, entries: Sequence[_Entry]) -> None:
        super().__init__()
        self._store = store
        self._durable = durable
        self._position = position
        self._entries = entries
        self._messages = tuple(entry.message for entry in entries)
        self._tries = position.tries

    @property
    def messages(self) -> tuple[Message, ...]:
        return self._messages

    @property
    def tries(self) -> int:
        return self._tries

    async def acknowledge(self) -> None:
        self.check()
        self._position.done = max(self._position.done, self._entries[-1].number)
        self._position.tries = 0
        self.ended.set()

    def acknowledge_within(self, connection: object) -> bool:  # noqa: ARG002 - no database holds the position
        return False

    async def retry(self, delay_s: float) -> None:
        self.check()
        self._position.due = self._store.clock() + delay_s
        self.ended.set()

    async def give_back(self) -> None:
        self._position.tries -= 1
        self.ended.set()
        self._store.wake(self.message.partition)

    async def bury(self, index: int, error: str) -> None:
        number, place = item_at(self._messages, index)
        message = self._messages[number]
        letter_id = f"{self._durable}-{message.partition}-{self._entries[number].number}-{place}"
        self._store.letters[letter_id] = DeadLetter(
            letter_id,
            self._durable,
            message.topic,
            message.partition,
            message.items[place],
            error,
            self._tries,
            self._store.now(),
        )
