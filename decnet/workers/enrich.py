"""The enrich worker: attackers out of messages, verdicts of third parties in.

A message only says whom to ask about; that is noted in the transaction that acknowledges it. Asking happens beside it,
one provider at a time each, from what is noted: a provider that is slow, spent or away delays nobody but itself, and
tagging never waits for any of them. A verdict is stored with its finding and its messages in one transaction; from
there it tags by itself, whenever it comes.

One process asks at a time, under a lease, so that quotas are kept by all hosts together. A provider learns addresses
that anybody on the internet can have, and nothing else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from decnet.bus.base import Start
from decnet.bus.consume import Counters
from decnet.bus.journal import wake_readers
from decnet.bus.topics import ATTACKER_OBSERVED, FINDING, INTEL_ENRICHED, SESSION_ENDED
from decnet.db.intel import (
    Quota,
    attackers_of_sessions,
    attackers_with,
    due_lookup,
    forget_lookups,
    postpone_lookup,
    read_quota,
    store_answer,
    want_lookups,
    write_quota,
)
from decnet.db.leases import acquire_lease, release_lease
from decnet.db.outbox import add_messages
from decnet.errors import ProviderFailed, StorageUnavailable
from decnet.intel.base import is_public
from decnet.models.actor import SessionUuid
from decnet.models.event import INTEL_VERDICT
from decnet.models.finding import packed_finding
from decnet.models.intel import IntelEnriched, Verdict
from decnet.models.message import Message, partition_of
from decnet.models.sighting import AttackerObserved
from decnet.telemetry import logger, span
from decnet.workers.stopping import consume_until, pause_unless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.bus.consume import Batch
    from decnet.db.engine import Database
    from decnet.db.intel import Lookup
    from decnet.intel.base import Provider
    from decnet.models.finding import Finding

DURABLE = "enrich"
TOPICS = (ATTACKER_OBSERVED.pattern, SESSION_ENDED.pattern)
RUN = 64
"""Messages of a partition at a time."""
LEASE = "enrich"

_S = 1_000_000
_TIDY_US = 600 * _S
_uuid = msgspec.msgpack.Decoder(bytes).decode
_observed = msgspec.msgpack.Decoder(AttackerObserved).decode
_pack = msgspec.msgpack.Encoder().encode
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds.

    ``kept_s``: an attacker is not asked about again so soon, and an unanswered question is dropped so late.
    ``retries_s``: pauses after each further failure of a provider; the last one repeats. ``poll_s``: how often we look
    for what is due.
    """

    kept_s: float = 86_400
    retries_s: tuple[float, ...] = (60, 120, 240, 300)
    poll_s: float = 2.0
    lease_s: float = 15.0

    def retry_s(self, failures: int) -> float:
        """How long to pause after so many failures in a row."""
        return self.retries_s[min(failures, len(self.retries_s)) - 1]


class EnrichWorker:
    """Asks ``providers`` about the attackers that ``bus`` names; ``clock`` gives µs UTC.

    ``holder`` names this process among all that share the database.
    """

    def __init__(
        self,
        database: Database,
        providers: Sequence[Provider],
        *,
        holder: str,
        clock: Callable[[], int],
        pace: Pace | None = None,
    ) -> None:
        self._database = database
        self._asking = [_Asking(database, provider, clock, pace or Pace()) for provider in providers]
        self._holder = holder
        self._clock = clock
        self._pace = pace or Pace()
        self._is_leading = asyncio.Event()
        self._tidied_at = 0
        self.counters = Counters()

    @property
    def providers(self) -> list[str]:
        """The names of those that are asked."""
        return [asking.name for asking in self._asking]

    @property
    def answers(self) -> int:
        """How many answers came in."""
        return sum(asking.answers for asking in self._asking)

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; servers that are away, ours and theirs, are waited for."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hold_lease(stop))
            for asking in self._asking:
                tasks.create_task(asking.run(self._is_leading, stop))
            async with bus.subscribe(TOPICS, durable=DURABLE, start=Start.FIRST, run=RUN) as subscription:
                await consume_until(stop, subscription, self.handle, counters=self.counters)
            stop.set()

    async def handle(self, batch: Batch) -> None:
        """Note whom the batch names; nobody is asked here."""
        await asyncio.to_thread(self._database.write, partial(self._note, batch=batch))
        for asking in self._asking:
            asking.wanted.set()

    def _note(self, connection: Connection, batch: Batch) -> None:
        ended = [SessionUuid(_uuid(item)) for item in batch.items_of(SESSION_ENDED.pattern)]
        met = [_observed(item).attacker_uuid for item in batch.items_of(ATTACKER_OBSERVED.pattern)]
        known = {*attackers_of_sessions(connection, ended), *attackers_with(connection, met)}
        public = [number for number, address in known if is_public(address)]
        want_lookups(connection, self.providers, public, now=self._clock(), kept_us=int(self._pace.kept_s * _S))
        batch.acknowledge_within(connection)

    async def _hold_lease(self, stop: asyncio.Event) -> None:
        """Have the lease whenever it can be had; give it back in the end."""
        try:
            while not stop.is_set():
                fence = await asyncio.to_thread(self._database.write, self._acquire)
                if fence is None:
                    self._is_leading.clear()
                else:
                    self._is_leading.set()
                await pause_unless(stop, self._pace.lease_s / 3)
        finally:
            self._is_leading.clear()
            await asyncio.to_thread(self._database.write, partial(release_lease, name=LEASE, holder=self._holder))

    def _acquire(self, connection: Connection) -> int | None:
        now = self._clock()
        fence = acquire_lease(connection, LEASE, self._holder, now=now, length_us=int(self._pace.lease_s * _S))
        if fence is not None and now >= self._tidied_at + _TIDY_US:
            self._tidied_at = now
            forget_lookups(connection, self.providers, before=now - int(self._pace.kept_s * _S))
        return fence


class _Asking:
    """One provider, asked about one attacker after the other, within its limit and when it can be reached."""

    def __init__(self, database: Database, provider: Provider, clock: Callable[[], int], pace: Pace) -> None:
        self.name = provider.name
        self.wanted = asyncio.Event()
        self.answers = 0
        self._database = database
        self._provider = provider
        self._clock = clock
        self._pace = pace
        self._failures = 0

    async def run(self, is_leading: asyncio.Event, stop: asyncio.Event) -> None:
        """Ask until ``stop`` is set; what is under way then is dropped, and due again at the next start."""
        told = asyncio.create_task(stop.wait())
        working = asyncio.create_task(self._work(is_leading))
        try:
            await asyncio.wait({told, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            working.cancel()
            (ended, _) = await asyncio.gather(working, told, return_exceptions=True)
            await self._provider.aclose()
        if isinstance(ended, Exception):
            raise ended

    async def _work(self, is_leading: asyncio.Event) -> None:
        while True:
            await is_leading.wait()
            self.wanted.clear()
            lookup = await asyncio.to_thread(self._database.read, self._due)
            if lookup is not None:
                await self._ask(lookup)
                continue
            try:
                await asyncio.wait_for(self.wanted.wait(), self._pace.poll_s)
            except TimeoutError:
                continue

    def _due(self, connection: Connection) -> Lookup | None:
        """The next look-up, unless the provider is to be left alone."""
        now = self._clock()
        quota, limit = read_quota(connection, self.name), self._provider.limit
        if quota.closed_until > now:
            return None
        if limit is not None and quota.window == limit.window(now) and quota.used >= limit.requests:
            return None
        return due_lookup(connection, self.name, now=now)

    async def _ask(self, lookup: Lookup) -> None:
        if self._provider.limit is not None:
            await asyncio.to_thread(self._database.write, self._count)
        try:
            with span("intel.ask", provider=self.name):
                verdict = await self._provider.verdict_on(lookup.address)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a provider: what it sends is untrusted
            await self._postpone(lookup, error)
            return
        if self._failures:
            _log.info("%s answers again", self.name)
        self._failures = 0
        self.answers += 1
        await asyncio.to_thread(self._database.write, partial(self._store, lookup=lookup, verdict=verdict))
        if self._database.is_embedded:
            wake_readers(self._database)

    def _count(self, connection: Connection) -> None:
        """A request is counted before it is made: one that fails counts too."""
        limit, quota = self._provider.limit, read_quota(connection, self.name)
        assert limit is not None  # noqa: S101 - a provider without a limit is not counted
        window = limit.window(self._clock())
        used = quota.used + 1 if quota.window == window else 1
        write_quota(connection, self.name, Quota(window, used, quota.closed_until))

    async def _postpone(self, lookup: Lookup, error: Exception) -> None:
        """Leave the provider alone for a while, or this address where the fault lies there."""
        now = self._clock()
        is_about_address = isinstance(error, ProviderFailed) and error.is_about_address
        if is_about_address:
            pause_s = self._pace.retry_s(lookup.tries + 1)
        else:
            self._failures += 1
            wish_s = error.retry_after_s if isinstance(error, ProviderFailed) else None
            pause_s = self._pace.retry_s(self._failures) if wish_s is None else wish_s
            if self._failures == 1:
                _log.warning("%s; asked again in %.0f s", readable(error), pause_s)
        until = now + int(pause_s * _S)

        def write(connection: Connection) -> None:
            postpone_lookup(connection, self.name, lookup, due_at=until if is_about_address else now)
            if not is_about_address:
                quota = read_quota(connection, self.name)
                write_quota(connection, self.name, quota._replace(closed_until=until))

        await asyncio.to_thread(self._database.write, write)

    def _store(self, connection: Connection, lookup: Lookup, verdict: Verdict | None) -> None:
        now = self._clock()
        findings = store_answer(connection, self.name, lookup, verdict, now=now)
        add_messages(connection, verdict_messages(findings), now=now)


def verdict_messages(findings: Sequence[Finding]) -> Iterator[Message]:
    """``finding.intel_verdict`` for each, and ``attacker.intel.enriched`` for what a single provider says."""
    for found in findings:
        assert found.attacker_uuid is not None  # noqa: S101 - a verdict is about an attacker
        partition = partition_of(found.attacker_uuid)
        yield Message(FINDING.name(source_kind=INTEL_VERDICT), partition, (packed_finding(found),))
        if isinstance(says := found.figures, Verdict):
            told = IntelEnriched(
                found.attacker_uuid, says.provider, says.indicator, says.standing, found.source_id, found.observed_at
            )
            yield Message(INTEL_ENRICHED.pattern, partition, (_pack(told),))


def readable(error: Exception) -> str:
    """What a line of log says of a failure: ours as it is, any other with its kind."""
    return str(error) if isinstance(error, ProviderFailed) else f"{type(error).__name__}: {error}"
