"""The bus: messages into the journal, wake-ups of three processes on one file, events through a NATS server.

A wake-up is the time from before a message is published until a handler in another process has it. Wall clock
throughout: what is measured is mostly waiting, so other load on the machine shows.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from decnet.bus.base import Start
from decnet.bus.consume import Batch, Counters, consume
from decnet.bus.journal import JournalBus
from decnet.bus.nats import NatsBus, NatsSettings, connect_nats
from decnet.db.engine import open_database
from decnet.errors import BusError
from decnet.models.message import MAX_ITEMS, PARTITIONS, Message

NATS_URL = os.environ.get("DECNET_TEST_NATS_URL", "nats://127.0.0.1:4222")
SMALL = bytes(100)
SMALL_MESSAGES = 100_000
AT_ONCE = 100
WAKE_UPS = 300
PAUSE_S = 0.02
NATS_EVENTS = 500_000
EVENT_BYTES = 200
RUNS = 3
END = b"end"


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_journal(f"sqlite:///{Path(folder) / 'decnet.sqlite'}"))
    try:
        asyncio.run(_nats())
    except BusError as error:
        print(f"NATS: {error}")


async def _journal(url: str) -> None:
    database = open_database(url)
    bus = JournalBus(database)
    print("journal bus, one SQLite file, a process that publishes and two that read")
    readers = [_reader(url, name) for name in ("one", "two")]
    for reader in readers:
        await asyncio.to_thread(_line, reader)
    latencies = await _wake_ups(bus, readers)
    p50, p99 = statistics.median(latencies), latencies[len(latencies) * 99 // 100]
    print(f"  wake-up               median {p50:.1f} ms, p99 {p99:.1f} ms, max {latencies[-1]:.1f} ms")
    readers = [_reader(url, name) for name in ("one", "two")]
    for reader in readers:
        await asyncio.to_thread(_line, reader)
    rates = [await _rate_in(bus, AT_ONCE, SMALL_MESSAGES) for _ in range(RUNS)]
    for reader in readers:
        reader.kill()
        reader.communicate()
    print(f"  in, {AT_ONCE} at a time     {_spread(rates)} small messages/s, while both read")
    for name in ("one", "two"):
        await bus.forget(name)
    rates = [await _rate_in(bus, AT_ONCE, SMALL_MESSAGES) for _ in range(RUNS)]
    print(f"  in, {AT_ONCE} at a time     {_spread(rates)} small messages/s, nobody reads")
    rates = [await _rate_in(bus, 1, 5_000) for _ in range(RUNS)]
    print(f"  in, one at a time     {_spread(rates)} small messages/s")
    rates = [await _rate_out(bus, number) for number in range(RUNS)]
    print(f"  out, acknowledged     {_spread(rates)} messages/s to one process")
    await bus.close()
    database.close()


def _spread(figures: list[float]) -> str:
    return f"median {statistics.median(figures):,.0f} (min {min(figures):,.0f}, max {max(figures):,.0f})"


def _reader(url: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "bench.bus", url, name], stdout=subprocess.PIPE, text=True)


def _line(reader: subprocess.Popen[str]) -> str:
    return reader.stdout.readline() if reader.stdout else ""


async def _wake_ups(bus: JournalBus, readers: list[subprocess.Popen[str]]) -> list[float]:
    """Milliseconds, sorted."""
    for number in range(WAKE_UPS):
        await bus.publish([Message("events", number % PARTITIONS, (time.time_ns().to_bytes(8, "big"),))])
        await asyncio.sleep(PAUSE_S)
    await bus.publish([Message("events", partition, (END,)) for partition in range(PARTITIONS)])
    return sorted(one for reader in readers for one in json.loads(reader.communicate()[0]))


async def _rate_in(bus: JournalBus, at_once: int, count: int) -> float:
    begun = time.perf_counter()
    for first in range(0, count, at_once):
        await bus.publish([Message("events", (first + place) % PARTITIONS, (SMALL,)) for place in range(at_once)])
    return count / (time.perf_counter() - begun)


async def _rate_out(bus: JournalBus, number: int) -> float:
    count = 5_000
    counters = Counters()
    async with bus.subscribe("events", durable=f"out-{number}", start=Start.FIRST) as subscription:
        begun = time.perf_counter()
        loop = asyncio.create_task(consume(subscription, _nothing, parallel=4, counters=counters))
        while counters.handled < count:  # noqa: ASYNC110 - the loop under test has no such event
            await asyncio.sleep(0.005)
        rate = counters.handled / (time.perf_counter() - begun)
        loop.cancel()
    await bus.forget(f"out-{number}")
    return rate


async def _nothing(_: Batch) -> None:
    pass


async def _nats() -> None:
    name = f"bench{uuid4().hex[:12]}"
    settings = replace(NatsSettings(), prefix=f"{name}.", stream=name.upper(), max_bytes=1024**3)
    bus = await connect_nats(NATS_URL, settings=settings)
    try:
        rates = [await _through(bus) for _ in range(RUNS)]
    finally:
        for stream in (settings.stream, settings.dead_stream, f"KV_{settings.bucket}"):
            await bus._connection.js.delete_stream(stream)  # noqa: SLF001 - what no program of ours does
        await bus.close()
    print(
        f"NATS bus, {NATS_EVENTS:,} events of {EVENT_BYTES} bytes, {MAX_ITEMS} to a message, one process at both ends"
    )
    print(f"  through               {_spread(rates)} events/s, from publish to acknowledged")


async def _through(bus: NatsBus) -> float:
    items = tuple(os.urandom(EVENT_BYTES) for _ in range(MAX_ITEMS))
    counters = Counters()
    async with bus.subscribe("events", durable="bench") as subscription:
        loop = asyncio.create_task(consume(subscription, _nothing, parallel=8, counters=counters))
        begun = time.perf_counter()
        for first in range(0, NATS_EVENTS // MAX_ITEMS, 2 * PARTITIONS):
            await bus.publish(
                [Message("events", (first + place) % PARTITIONS, items) for place in range(2 * PARTITIONS)]
            )
        while (await bus.lag("bench")).messages:  # noqa: ASYNC110 - the server knows
            await asyncio.sleep(0.005)
        seconds = time.perf_counter() - begun
        loop.cancel()
    return counters.handled / seconds


async def _child(url: str, name: str) -> None:
    """Read until the end, then print how long each wake-up took."""
    database = open_database(url)
    bus = JournalBus(database)
    latencies: list[float] = []
    done = asyncio.Event()

    async def handle(batch: Batch) -> None:
        now = time.time_ns()
        for item in batch.items:
            if item == END:
                done.set()
            elif item != SMALL:
                latencies.append((now - int.from_bytes(item, "big")) / 1e6)

    async with bus.subscribe("events", durable=name) as subscription:
        print("ready", flush=True)
        loop = asyncio.create_task(consume(subscription, handle))
        await done.wait()
        await asyncio.sleep(0.5)
        loop.cancel()
    print(json.dumps(latencies))
    await bus.close()
    database.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_child(*sys.argv[1:]))
    else:
        main()
