"""The processes that chaos kills: ``python -m tests.chaos.programs ROLE --db URL --bus URL --events N --die-after K``.

``intake`` stores events batch by batch and remembers how far it came; ``relay`` moves the outbox to the bus; ``worker``
tags what arrives. Each is the production code; only the events and the rule are made up. ``--die-after`` ends the
process with SIGKILL before its K-th step: every statement and commit of the database and every message published,
fetched or acknowledged is a step.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import event as sa_event
from sqlalchemy.engine import Engine

from decnet.bus.base import Start
from decnet.bus.consume import Batch, consume
from decnet.bus.journal import JournalBus, JournalSettings, wake_readers
from decnet.bus.nats import NatsSettings, connect_nats
from decnet.db.actors import Actors
from decnet.db.engine import Database, open_database
from decnet.db.positions import StoredPosition, read_position, write_position
from decnet.db.tags import TagWriter
from decnet.errors import BusUnavailable
from decnet.intake.store import Intake
from decnet.models.event import unpacked_event
from decnet.models.message import EVENTS
from decnet.telemetry import install_tracing
from decnet.workers.relay import Relay
from decnet.workers.stopping import pause_unless
from tests.events import NOON, SECOND, a_command, a_tag

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.models.event import Event
    from decnet.models.tag import TTPTag

BATCH = 50
DURABLE = "tagger"
RUN = 16
_LOG = "chaos"


def event_at(number: int) -> Event:
    """The events of a run: 60 attackers in turn, two sessions each, two hours."""
    text = f"wget http://203.0.113.{number % 250}/{number}"
    session = f"s{number % 120}"
    return a_command(text, at=NOON + number * SECOND // 5, src=f"198.51.100.{number % 60}", session=session)


def tags_of(event: Event) -> list[TTPTag]:
    """What the made-up rule says."""
    return [a_tag(event, technique=name, confidence=0.85) for name in ("T1105", "T1083")]


def main() -> None:
    """Play one role until done (intake) or told to stop."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("role", choices=("intake", "relay", "worker"))
    arguments.add_argument("--db", required=True)
    arguments.add_argument("--bus", required=True)
    arguments.add_argument("--events", type=int, required=True)
    arguments.add_argument("--die-after", type=int, default=0)
    given = arguments.parse_args()
    database = open_database(given.db)
    if given.die_after:
        _die_after(given.die_after)
    if given.role == "intake":
        _intake(database, given.events)
    else:
        asyncio.run(_serve(given.role, database, given.bus))
    database.close()


def _die_after(steps: int) -> None:
    """Count every step of this process from here on, and end it without a word before step ``steps``."""
    left = steps

    def step(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa_event.listen(Engine, name, step)

    def traced(_name: str, **_attributes: object) -> AbstractContextManager[object]:
        step()
        return nullcontext()

    install_tracing(traced)


def _intake(database: Database, events: int) -> None:
    actors = Actors()
    intake = Intake(actors, announce=True)

    def store(connection: Connection, first: int) -> None:
        batch = [event_at(number) for number in range(first, min(first + BATCH, events))]
        intake.store(connection, batch, now=_now())
        write_position(connection, StoredPosition(_LOG, _LOG, first + len(batch), 1, ""), now=_now())

    while True:
        stored = database.read(partial(read_position, fingerprint=_LOG))
        first = stored.offset if stored else 0
        if first >= events:
            return
        database.write(partial(store, first=first), actors.forget)
        if database.is_embedded:
            wake_readers(database)


async def _serve(role: str, database: Database, url: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        try:
            await _serve_once(role, database, url, stop)
        except BusUnavailable as error:  # a server that has just been killed: whoever keeps real workers tries again
            print(error, file=sys.stderr)  # noqa: T201 - for who reads why it took so long
            await pause_unless(stop, 1.0)


async def _serve_once(role: str, database: Database, url: str, stop: asyncio.Event) -> None:
    bus = await open_bus(database, url)
    try:
        if role == "relay":
            await Relay(database, bus, holder=f"relay-{os.getpid()}", clock=_now, lease_s=2.0).run(stop)
        else:
            await _work(database, bus, stop)
    finally:
        await bus.close()


async def open_bus(database: Database, url: str) -> Bus:
    """The journal of ``database``, or JetStream under a prefix of its own: ``nats://host:port/prefix``."""
    if url == "journal":
        return JournalBus(database, JournalSettings(lease_s=2.0))
    return await connect_nats(url.rpartition("/")[0], settings=nats_settings(url))


def nats_settings(url: str) -> NatsSettings:
    """A bus of its own, with leases so short that a killed process is soon replaced."""
    name = url.rpartition("/")[2]
    return NatsSettings(prefix=f"{name}.", stream=name.upper(), lease_s=2.0, ack_wait_s=3.0, reconnect_s=0.2)


async def _work(database: Database, bus: Bus, stop: asyncio.Event) -> None:
    actors = Actors()
    tags = TagWriter(actors)

    def store(connection: Connection, batch: Batch) -> None:
        found = [tag for item in batch.items for tag in tags_of(unpacked_event(item))]
        tags.insert_tags(connection, found, now=_now())
        batch.acknowledge_within(connection)

    async def handle(batch: Batch) -> None:
        await asyncio.to_thread(database.write, partial(store, batch=batch), tags.forget)

    async with AsyncExitStack() as stack:
        subscription = await stack.enter_async_context(
            bus.subscribe(EVENTS, durable=DURABLE, start=Start.FIRST, run=RUN)
        )
        working = asyncio.create_task(consume(subscription, handle))
        await stop.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _now() -> int:
    return time.time_ns() // 1_000


if __name__ == "__main__":
    main()
