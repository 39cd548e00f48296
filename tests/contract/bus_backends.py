"""The buses that the contract suite runs on, with short leases, and what makes each look like several processes."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, cast
from uuid import uuid4

from decnet.bus.durable import DurableSubscription, end_tasks
from decnet.bus.journal import JournalBus, JournalSettings
from decnet.bus.memory import MemoryBus, MemoryStore
from decnet.bus.nats import NatsBus, NatsLeases, NatsSettings, connect_nats
from decnet.db.engine import open_database
from decnet.errors import BusUnavailable
from decnet.models.message import Message
from tests.require import lacking

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator
    from pathlib import Path
    from typing import Any, ParamSpec

    from decnet.bus.base import Bus, Delivery, Leases, Subscription
    from decnet.db.engine import Database

    P = ParamSpec("P")

NATS_URL = os.environ.get("DECNET_TEST_NATS_URL", "nats://127.0.0.1:4222")
BUFFER = 10
"""How many messages an ephemeral subscription of these buses holds."""
SMALL_BYTES = 64 * 1024
"""What a small bus holds."""


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that pytest can call; what its ``back_end`` opened is closed in the same event loop."""

    async def story(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await test(*args, **kwargs)
        finally:
            if "back_end" in kwargs:
                await cast("BackEnd", kwargs["back_end"]).close()

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(story(*args, **kwargs))

    return run


class BackEnd(Protocol):
    """One bus, as several processes see it."""

    lease_s: float

    async def open(self, *, small: bool = False) -> Bus:
        """The bus as a process of its own sees it; a small one is full with :data:`SMALL_BYTES`."""

    async def leases(self) -> Leases:
        """Leases as a process of its own sees them."""

    async def kill(self, bus: Bus, subscription: Subscription) -> None:
        """End them as a kill would: nothing is given up or given back."""

    async def close(self) -> None:
        """Nothing of it is left."""


async def _end_tasks(subscription: Subscription) -> None:
    assert isinstance(subscription, DurableSubscription)
    pumps = [pump.task for pumps in subscription._pumps.values() for pump in pumps]
    await end_tasks([*subscription._tasks, *subscription._retiring.values(), *pumps])


class InJournal:
    """Several openings of one SQLite file."""

    lease_s = 0.6

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'decnet.sqlite'}"
        self._opened: list[tuple[Database, JournalBus]] = []

    async def open(self, *, small: bool = False) -> Bus:
        database = open_database(self.url)
        settings = JournalSettings(
            lease_s=self.lease_s,
            patience_s=0.3,
            max_unread=5 if small else 100_000,
            buffer_messages=BUFFER,
        )
        bus = JournalBus(database, settings)
        self._opened.append((database, bus))
        return bus

    async def leases(self) -> Leases:
        bus = await self.open()
        assert isinstance(bus, JournalBus)
        return bus._leases

    async def kill(self, bus: Bus, subscription: Subscription) -> None:
        await _end_tasks(subscription)
        await bus.close()

    async def close(self) -> None:
        for database, bus in self._opened:
            await bus.close()
            database.close()


class InMemory:
    """Several buses over one store."""

    lease_s = 0.4

    def __init__(self) -> None:
        self._store = MemoryStore()

    async def open(self, *, small: bool = False) -> Bus:
        if small:
            self._store.max_bytes = SMALL_BYTES
        return MemoryBus(self._store, lease_s=self.lease_s, patience_s=0.3, buffer_messages=BUFFER)

    async def leases(self) -> Leases:
        bus = await self.open()
        assert isinstance(bus, MemoryBus)
        return bus._leases

    async def kill(self, bus: Bus, subscription: Subscription) -> None:  # noqa: ARG002 - nothing of it would go on
        await _end_tasks(subscription)

    async def close(self) -> None:
        pass


class OnNats:
    """Several connections to one server, under names of our own."""

    lease_s = 1.0

    def __init__(self, url: str = NATS_URL) -> None:
        self.url = url
        self._name = f"test{uuid4().hex[:12]}"
        self._buses: list[NatsBus] = []

    def settings(self, *, small: bool = False) -> NatsSettings:
        return NatsSettings(
            prefix=f"{self._name}.",
            stream=self._name.upper(),
            max_bytes=SMALL_BYTES if small else 64 * 1024 * 1024,
            dead_max_bytes=1024 * 1024,
            lease_s=self.lease_s,
            ack_wait_s=1.5,
            patience_s=3.0,
            reconnect_s=0.1,
            buffer_messages=BUFFER,
        )

    async def open(self, *, small: bool = False) -> Bus:
        try:
            bus = await connect_nats(self.url, settings=self.settings(small=small))
        except BusUnavailable as error:
            lacking("nats", str(error))
            raise
        self._buses.append(bus)
        return bus

    async def leases(self) -> Leases:
        bus = await self.open()
        assert isinstance(bus, NatsBus)
        return NatsLeases(bus._connection)

    async def kill(self, bus: Bus, subscription: Subscription) -> None:
        await _end_tasks(subscription)
        await bus.close()

    async def close(self) -> None:
        if not self._buses:
            return
        last = await connect_nats(self.url, settings=self.settings())
        names = self.settings()
        for stream in (names.stream, names.dead_stream, f"KV_{names.bucket}"):
            await last._connection.js.delete_stream(stream)
        for bus in (*self._buses, last):
            await bus.close()


class NatsServer:
    """A server of our own, that can be stopped and started again over the same files."""

    PROGRAM = "nats-server"
    OPTIONS: tuple[str, ...] = ("-js",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    def start(self, *options: str) -> None:
        """Start it and wait until it listens."""
        place = ["-sd", str(self._folder), "-a", "127.0.0.1", "-p", str(self._port)]
        command = [self.PROGRAM, *self.OPTIONS, *place, *options]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            lacking("nats", f"there is no program {self.PROGRAM}")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError(f"{self.PROGRAM} does not listen on port {self._port}")

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def messages(topic: str, partition: int, count: int, first: int = 0) -> list[Message]:
    """``count`` messages of one item each, which is its number."""
    return [Message(topic, partition, (str(first + number).encode(),)) for number in range(count)]


async def take(subscription: Subscription, count: int, *, within_s: float = 10.0) -> list[Delivery]:
    """The next ``count`` deliveries, each acknowledged."""
    taken: list[Delivery] = []
    async with asyncio.timeout(within_s):
        while len(taken) < count:
            delivery = await anext(subscription)
            await delivery.acknowledge()
            taken.append(delivery)
    return taken


async def is_quiet(subscription: Subscription, seconds: float = 0.3) -> bool:
    """Whether nothing is delivered for some time."""
    waiting = asyncio.ensure_future(anext(subscription))
    done, _ = await asyncio.wait([waiting], timeout=seconds)
    waiting.cancel()
    await asyncio.wait([waiting])
    return not done


async def until(claim: Callable[[], Awaitable[bool]], *, within_s: float = 10.0) -> None:
    """Return when ``claim`` holds."""
    async with asyncio.timeout(within_s):
        while not await claim():  # noqa: ASYNC110 - claims are about other processes too
            await asyncio.sleep(0.02)


def numbers(deliveries: list[Delivery]) -> list[int]:
    """The items of ``deliveries`` as made by :func:`messages`."""
    return [int(item) for delivery in deliveries for message in delivery.messages for item in message.items]


@contextmanager
def own_streams(settings: NatsSettings) -> Iterator[None]:
    """A clean place on the shared server, left clean; a missing server ends the test."""

    async def drop() -> None:
        try:
            bus = await connect_nats(NATS_URL, settings=settings)
        except BusUnavailable as error:
            lacking("nats", str(error))
            return
        for stream in (settings.stream, settings.dead_stream, f"KV_{settings.bucket}"):
            await bus._connection.js.delete_stream(stream)
        await bus.close()

    asyncio.run(drop())
    yield
    asyncio.run(drop())
