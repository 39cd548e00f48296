"""The cluster worker: sessions that ended and tags in, identities and campaigns out. One at a time, under a lease.

Whoever has the lease fills its index from what is stored of sessions, then reads ``attacker.session.ended`` and
``ttp.tagged``, each of which names sessions to look at. Messages that come
within half a second, or while it rests after the last ones, are settled together and acknowledged in the transaction
that writes what followed. A worker that
has lost the lease stops reading, throws its index away and waits until it has the lease again.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from decnet.bus.base import Start
from decnet.bus.consume import consume
from decnet.bus.durable import UNAVAILABLE, end_tasks
from decnet.bus.topics import SESSION_ENDED, TAGGED
from decnet.db.leases import acquire_lease, release_lease, renew_lease
from decnet.models.actor import SessionUuid
from decnet.models.message import PARTITIONS
from decnet.telemetry import logger, span
from decnet.workers.clustering import LEASE, Clustering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.bus.consume import Batch, Counters
    from decnet.db.engine import Database
    from decnet.models.network import Networks

T = TypeVar("T")

DURABLE = "cluster"
TOPICS = (SESSION_ENDED.pattern, TAGGED.pattern)
LEASE_S = 15.0
RUN = 64
"""Messages of a partition at a time."""
SESSIONS = 300
"""So many are settled at once, if they come."""
_LINGER_S, _LONGEST_LINGER_S = 0.05, 0.5
"""How long the next message is waited for, and all of them together."""
_REST, _LONGEST_REST_S = 3.0, 3.0
"""How long it rests after settling, in times of what that took: what is busy changes again and again, and is cheaper
settled once; workers on which others wait have the processor meanwhile."""
_AFTER_FAULT_S = 1.0

_log = logger(__name__)


class _About(msgspec.Struct):
    """As much of :class:`~decnet.models.announcement.Tagged` as is asked for here."""

    session_id: SessionUuid | None


_about = msgspec.msgpack.Decoder(_About).decode
_uuid = msgspec.msgpack.Decoder(bytes).decode


class ClusterWorker:
    """Keeps the identities in ``database`` up to date from what ``bus`` announces.

    ``holder`` names this process among all clusterers; ``clock`` gives µs UTC and is that of the lease. What was
    handled is added to ``counters``. ``networks`` tells from which network an attacker comes, where it is given.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        holder: str,
        clock: Callable[[], int],
        lease_s: float = LEASE_S,
        counters: Counters | None = None,
        networks: Networks | None = None,
    ) -> None:
        self._networks = networks
        self._database = database
        self._bus = bus
        self._holder = holder
        self._clock = clock
        self._lease_s = lease_s
        self._counters = counters
        self._terms = 0
        self.is_leading = False
        """The index is filled, and messages are read."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then give the lease back; a server that is away is waited for."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                pause_s = self._lease_s / 3
                try:
                    await self._serve(stopping)
                except UNAVAILABLE as error:
                    _log.warning("the clusterer waits: %s", error)
                    pause_s = _AFTER_FAULT_S
                await asyncio.wait({stopping}, timeout=pause_s)
        finally:
            stopping.cancel()

    async def _serve(self, stopping: asyncio.Task[bool]) -> None:
        """Take the lease, if it is free, and work until it is lost or until ``stopping`` is done."""
        self._terms += 1
        holder = f"{self._holder}.{self._terms}"
        term = _Term(self._database, self._clock, holder=holder, lease_s=self._lease_s, networks=self._networks)
        if not await asyncio.to_thread(self._database.write, term.acquire):
            return
        working = asyncio.create_task(self._work(term))
        tasks = {working, asyncio.create_task(term.keep())}
        try:
            done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & tasks:
                task.result()
        finally:
            self.is_leading = False
            await term.end(tasks)
            await asyncio.to_thread(self._database.write, term.release)
        if not stopping.done():
            _log.warning("the lease %s was lost to another clusterer", LEASE)

    async def _work(self, term: _Term) -> None:
        """Fill the index, then handle what comes, until the lease is lost."""
        if not await term.fill():
            return
        async with self._bus.subscribe(TOPICS, durable=DURABLE, start=Start.FIRST, run=RUN) as subscription:
            self.is_leading = True
            reading = asyncio.create_task(
                consume(subscription, term.handle, parallel=PARTITIONS, counters=self._counters)
            )
            settling = asyncio.create_task(term.settle())
            try:
                done, _ = await asyncio.wait({reading, settling}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                await end_tasks({reading, settling})


class _Waiting(NamedTuple):
    """Messages' items that wait to be settled, and who waits for that."""

    batch: Batch
    sessions: list[SessionUuid]
    done: asyncio.Future[None]


class _Term:
    """The time in which a worker has the lease: from taking it until it is lost or given back."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], int],
        *,
        holder: str,
        lease_s: float,
        networks: Networks | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._holder = holder
        self._lease_s = lease_s
        self._lease_us = int(lease_s * 1_000_000)
        self._clustering = Clustering(database, clock, holder=holder, lease_us=self._lease_us, networks=networks)
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._job: asyncio.Task[Any] | None = None

    def acquire(self, connection: Connection) -> bool:
        """Whether the lease is ours now."""
        now = self._clock()
        return acquire_lease(connection, LEASE, self._holder, now=now, length_us=self._lease_us) is not None

    def release(self, connection: Connection) -> None:
        """The lease is free, if it was ours."""
        release_lease(connection, LEASE, self._holder)

    async def keep(self) -> None:
        """Lengthen the lease three times in its life, until it is lost, and see whether others changed memberships."""
        while await self._lengthen():
            if await asyncio.to_thread(self._clustering.look):
                self._arrived.set()
            await asyncio.sleep(self._lease_s / 3)

    async def fill(self) -> bool:
        """Take in what is stored; False when the lease is lost."""
        with span("cluster.fill"):
            return await self._do(self._clustering.fill)

    async def handle(self, batch: Batch) -> None:
        """Take a batch in, together with others that come now; what goes wrong with this one is raised."""
        waiting = _Waiting(batch, sessions_in(batch), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        await waiting.done

    async def settle(self) -> None:
        """Settle what comes, until the lease is lost."""
        while True:
            await self._arrived.wait()
            await self._linger()
            self._arrived.clear()
            group, self._waiting = self._waiting, []
            begun = time.monotonic()
            if not await self._settle_group(group):
                return
            await asyncio.sleep(min(_REST * (time.monotonic() - begun), _LONGEST_REST_S))

    async def end(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """``tasks`` are over, and so is what they have left to a thread."""
        self._clustering.is_over = True
        await end_tasks(tasks)
        if self._job is not None:
            await asyncio.wait({self._job})
            self._job.exception()  # was raised to whoever waited for it, or is of no interest any more

    async def _lengthen(self) -> bool:
        lengthen = partial(renew_lease, name=LEASE, holder=self._holder, length_us=self._lease_us)
        return await asyncio.to_thread(self._database.write, lambda connection: lengthen(connection, now=self._clock()))

    async def _linger(self) -> None:
        """Wait while messages keep coming, up to :data:`SESSIONS`."""
        loop = asyncio.get_running_loop()
        until, known = loop.time() + _LONGEST_LINGER_S, -1
        while known < len(self._waiting) and loop.time() < until:
            known = len(self._waiting)
            if sum(len(one.sessions) for one in self._waiting) >= SESSIONS:
                return
            await asyncio.sleep(_LINGER_S)

    async def _settle_group(self, group: Sequence[_Waiting]) -> bool:
        """Settle ``group`` in one go or, when that fails, one by one; False when the lease is lost."""
        try:
            if not await self._take_in(group):
                return False
        except Exception as error:  # noqa: BLE001 - it is raised where the batch came from, which goes by its kind
            if len(group) > 1 and not isinstance(error, UNAVAILABLE):
                return all([await self._settle_group([one]) for one in group])
            for one in group:
                _fail(one.done, error)
            return True
        for one in group:
            _succeed(one.done)
        return True

    async def _take_in(self, group: Sequence[_Waiting]) -> bool:
        def acknowledge(connection: Connection) -> None:
            for one in group:
                one.batch.acknowledge_within(connection)

        sessions = [session for one in group for session in one.sessions]
        with span("cluster.settle", sessions=len(sessions)):
            return await self._do(partial(self._clustering.take_in, sessions, acknowledge))

    async def _do(self, work: Callable[[], T]) -> T:
        """``work`` in a thread; it goes on there when the caller is cancelled."""
        job = self._job = asyncio.create_task(asyncio.to_thread(work))
        return await asyncio.shield(job)


def sessions_in(batch: Batch) -> list[SessionUuid]:
    """The sessions that messages are about: those that ended, or that have new tags."""
    ended = [SessionUuid(_uuid(item)) for item in batch.items_of(SESSION_ENDED.pattern)]
    tagged = [_about(item).session_id for item in batch.items_of(TAGGED.pattern)]
    return [*ended, *(session for session in tagged if session is not None)]


def _succeed(done: asyncio.Future[None]) -> None:
    if not done.done():  # it may have been cancelled
        done.set_result(None)


def _fail(done: asyncio.Future[None], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
