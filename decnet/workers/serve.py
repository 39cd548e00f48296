"""Workers by their names on the command line, alone or all together, with one graceful stop."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.consume import Counters
from decnet.db.events import commands_before
from decnet.db.intel import count_due
from decnet.db.outbox import backlog
from decnet.errors import BusUnavailable, DecnetError, StorageUnavailable
from decnet.telemetry import logger
from decnet.ttp.live import watch_store
from decnet.workers.alerts import DURABLE as ALERTS
from decnet.workers.alerts import AlertsWorker
from decnet.workers.attribute import DURABLE as ATTRIBUTE
from decnet.workers.attribute import AttributionWorker
from decnet.workers.children import keep_child
from decnet.workers.cluster import DURABLE as CLUSTER
from decnet.workers.cluster import ClusterWorker
from decnet.workers.enrich import DURABLE as ENRICH
from decnet.workers.enrich import EnrichWorker
from decnet.workers.ingest import IntakeWorker
from decnet.workers.relay import Relay
from decnet.workers.rules import RulesWorker
from decnet.workers.stopping import pause_unless
from decnet.workers.tagging import DURABLE, TaggingWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
    from typing import Any

    from decnet.bus.base import Bus
    from decnet.config import Settings, SyslogAddress
    from decnet.db.engine import Database
    from decnet.models.artifact import ArtifactStore
    from decnet.models.event import Event
    from decnet.models.secret import SecretDigest
    from decnet.ttp.lifters.base import Joins, Tables
    from decnet.ttp.store.base import RuleStore

TELL_S = 10.0
"""How often a worker tells how far behind it is."""
_AFTER_FAULT_S = 2.0
_SHARDS = 1_000
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Workplace:
    """What workers of one process share. ``logs`` and ``syslog`` are for the intake; ``clock`` gives µs UTC.

    ``tables`` and ``joins`` are for the lifters, see :class:`~decnet.ttp.live.LiveRules`; mails are kept in
    ``artifacts``. ``children`` are commands of workers that run in processes of their own, by name; such a process ends
    when its standard input is closed.
    """

    database: Database
    bus: Bus
    store: RuleStore
    digest: SecretDigest
    clock: Callable[[], int]
    logs: tuple[str, ...] = ()
    syslog: tuple[SyslogAddress, ...] = ()
    sensor: str | None = None
    children: Mapping[str, Sequence[str]] = field(default_factory=dict)
    settings: Settings | None = None
    """Whom to ask for threat intelligence, and whether secrets are kept; without them nobody and none."""
    tables: Tables | None = None
    joins: Joins | None = None
    artifacts: ArtifactStore | None = None

    @property
    def shard(self) -> int:
        """This process's own part of the fleet's sums, see :class:`~decnet.db.tags.TagWriter`."""
        return 0 if self.database.is_embedded else 1 + hash((socket.gethostname(), os.getpid())) % _SHARDS

    def earlier_commands(self, event: Event) -> list[str]:
        """The stored commands of the event's session before it."""
        return self.database.read(partial(commands_before, event=event))


async def serve(names: Iterable[str], place: Workplace, stop: asyncio.Event) -> None:
    """Run the workers of these names until ``stop`` is set, or until each has nothing more to do.

    A fault that waiting does not mend ends all of them, politely. A server that is away is waited for.

    :raises DecnetError: that fault.
    """
    faults: list[Exception] = []
    await asyncio.gather(*(_serve_one(name, place, stop, faults) for name in names))
    if faults:
        raise faults[0]


async def _serve_one(name: str, place: Workplace, stop: asyncio.Event, faults: list[Exception]) -> None:
    while True:
        try:
            if name in place.children:
                await keep_child(name, place.children[name], stop)
            else:
                await WORKERS[name](place, stop)
        except Exception as error:  # noqa: BLE001 - the boundary of a worker: the others are to end politely
            fault = _innermost(error)
            if isinstance(fault, BusUnavailable | StorageUnavailable) and not stop.is_set():
                _log.warning("%s waits: %s", name, fault)
                await pause_unless(stop, _AFTER_FAULT_S)
                continue
            faults.append(fault)
            stop.set()
        return


async def _intake(place: Workplace, stop: asyncio.Event) -> None:
    keep_secrets = place.settings is not None and place.settings.keeps_secrets
    worker = IntakeWorker(
        place.database,
        place.digest,
        place.logs,
        syslog=place.syslog,
        clock=place.clock,
        sensor=place.sensor,
        keep_secrets=keep_secrets,
        artifacts=place.artifacts,
    )

    async def tell() -> str:
        told = f"{worker.lines:,} lines read, {worker.refused:,} refused"
        return f"{told}; {worker.syslog_text}" if place.syslog else told

    async with _telling("intake", tell):
        await worker.run(stop)


async def _attribute(place: Workplace, stop: asyncio.Event) -> None:
    worker = AttributionWorker(place.database, place.clock)

    async def tell() -> str:
        return f"{await _lag_text(place.bus, ATTRIBUTE)}; {_done_text(worker.counters)}"

    async with _telling("attribute", tell):
        await worker.run(place.bus, stop)


async def _cluster(place: Workplace, stop: asyncio.Event) -> None:
    counters = Counters()
    holder = f"cluster-{socket.gethostname()}-{os.getpid()}"
    networks = place.joins.networks if place.joins is not None else None
    worker = ClusterWorker(
        place.database, place.bus, holder=holder, clock=place.clock, counters=counters, networks=networks
    )

    async def tell() -> str:
        if not worker.is_leading:
            return "another clusterer is at work; waiting to take over"
        return f"{await _lag_text(place.bus, CLUSTER)}; {_done_text(counters)}"

    async with _telling("cluster", tell):
        await worker.run(stop)


async def _ttp(place: Workplace, stop: asyncio.Event) -> None:
    watched = watch_store(place.store, earlier_commands=place.earlier_commands, tables=place.tables, joins=place.joins)
    async with watched as rules:
        worker = TaggingWorker(place.database, rules, clock=place.clock, shard=place.shard)

        async def tell() -> str:
            told = f"{await _lag_text(place.bus, DURABLE)}; {_done_text(worker.counters)}"
            return f"{told}, {worker.tags:,} new tags"

        async with _telling("ttp", tell):
            await worker.run(place.bus, stop)


async def _enrich(place: Workplace, stop: asyncio.Event) -> None:
    from decnet.workers.providers import feeds_of, keep_feeds, providers_of

    providers = providers_of(place.settings, place.clock) if place.settings is not None else []
    feeds = feeds_of(place.settings) if place.settings is not None else []
    holder = f"enrich-{socket.gethostname()}-{os.getpid()}"
    worker = EnrichWorker(place.database, providers, holder=holder, clock=place.clock)

    async def tell() -> str:
        due = await asyncio.to_thread(
            place.database.read, partial(count_due, providers=worker.providers, now=place.clock())
        )
        return f"{await _lag_text(place.bus, ENRICH)}; {due:,} questions wait, {worker.answers:,} answers"

    async with _telling("enrich", tell), asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_feeds(feeds, stop))
        await worker.run(place.bus, stop)


async def _alerts(place: Workplace, stop: asyncio.Event) -> None:
    from decnet.alerts.target import AllowedNetworks
    from decnet.attack import catalog
    from decnet.config import installation_key
    from decnet.workers.sending import Sender

    assert place.settings is not None  # noqa: S101 - whoever sends has settings: they say where it may
    overlay = place.settings.folder / "attack"
    worker = AlertsWorker(
        place.database,
        Sender(AllowedNetworks(place.settings.alert_networks)),
        key=installation_key(place.settings),
        catalog_of=partial(catalog.load, overlay=overlay),
        newest=catalog.load(catalog.current_releases(overlay)["enterprise"], overlay),
        holder=f"alerts-{socket.gethostname()}-{os.getpid()}",
        clock=place.clock,
    )

    async def tell() -> str:
        if not worker.is_reading:
            return "nothing to tell: there is no hook, or another process is at work"
        return f"{await _lag_text(place.bus, ALERTS)}; {worker.delivered:,} delivered, {worker.failed:,} failed tries"

    async with _telling("alerts", tell):
        await worker.run(place.bus, stop)


async def _rules(place: Workplace, stop: asyncio.Event) -> None:
    worker = RulesWorker(place.database, place.store, clock=place.clock)

    async def tell() -> str:
        return f"{worker.announced:,} changes announced"

    async with _telling("rules", tell):
        await worker.run(stop)


async def _relay(place: Workplace, stop: asyncio.Event) -> None:
    holder = f"relay-{socket.gethostname()}-{os.getpid()}"
    relay = Relay(place.database, place.bus, holder=holder, clock=place.clock)

    async def tell() -> str:
        waiting, oldest = await asyncio.to_thread(place.database.read, backlog)
        age_s = (place.clock() - oldest) / 1_000_000 if oldest is not None else 0.0
        return f"{waiting:,} messages wait, the oldest for {age_s:.1f} s; {relay.relayed:,} relayed"

    async with _telling("relay", tell):
        await relay.run(stop)


WORKERS: Mapping[str, Callable[[Workplace, asyncio.Event], Coroutine[Any, Any, None]]] = {
    "intake": _intake,
    "attribute": _attribute,
    "ttp": _ttp,
    "cluster": _cluster,
    "enrich": _enrich,
    "alerts": _alerts,
    "rules": _rules,
    "relay": _relay,
}
"""Each runs until the event is set. Those that feed others come first."""


async def _lag_text(bus: Bus, durable: str) -> str:
    lag = await bus.lag(durable)
    return f"{lag.messages:,} messages wait, the oldest for {lag.oldest_age_s:.1f} s"


def _done_text(done: Counters) -> str:
    return f"{done.handled:,} items handled, {done.retried:,} tried again, {done.dead:,} dead letters"


@asynccontextmanager
async def _telling(name: str, tell: Callable[[], Awaitable[str]]) -> AsyncIterator[None]:
    """Now and then, and at the end, a line of the log tells how far behind the worker is."""

    async def once() -> None:
        try:
            _log.info("%s: %s", name, await tell())
        except DecnetError as error:
            _log.info("%s: how far behind is not known for now: %s", name, error)

    async def tell_on() -> None:
        while True:
            await asyncio.sleep(TELL_S)
            await once()

    telling = asyncio.create_task(tell_on())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await once()


def _innermost(error: Exception) -> Exception:
    """The first fault of a group, or of a group within it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
