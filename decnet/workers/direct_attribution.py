"""Attribution of the direct mode: the workers' code over all partitions at once, in the transactions of the run.

Several runs of one process may share it, as ``decnet ttp watch`` does: an attacker may be in several logs.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from decnet.attribution.engine import IDLE_US
from decnet.db.clocks import note_heard, sensor_times, write_clocks
from decnet.db.epochs import MEMBERSHIP, begin_epoch
from decnet.db.findings import days_from
from decnet.db.journal import has_readers
from decnet.db.leases import acquire_lease, release_lease
from decnet.models.finding import DAY_US, Clock
from decnet.telemetry import span
from decnet.workers.attributing import StoredStates, Wanted, brought_by, opened, write_brought
from decnet.workers.clustering import LEASE, Clustering
from decnet.workers.foreseen import REMEMBERED, shrink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.attribution.engine import Attribution, Outcome
    from decnet.attribution.states import DayKey
    from decnet.db.actors import SessionRow
    from decnet.db.engine import Database
    from decnet.models.actor import SessionUuid
    from decnet.models.event_batch import EventBatch
    from decnet.models.finding import Finding
    from decnet.models.network import Networks
    from decnet.models.record import Record
    from decnet.workers.foreseen import Foreseen

T = TypeVar("T")
_LEASE_US = 120 * 1_000_000


class DirectAttribution:
    """The running attribution of a database by one process. Call :meth:`forget` when a transaction was rolled back.

    Hold :attr:`turn` from the beginning of such a transaction to its end: the next one goes on from its states.
    """

    def __init__(self, database: Database, *, networks: Networks | None = None) -> None:
        self._database = database
        self._networks = networks
        self._running: _Running | None = None
        self._days: set[DayKey] = set()
        self._came_s: dict[str, float] = {}
        self.turn = threading.RLock()

    def forget(self) -> None:
        """What was taken in is not stored: know nothing."""
        self._running = None

    def take_in(self, connection: Connection, new: EventBatch) -> Outcome:
        """What new events bring, stored in the caller's transaction."""
        running = self._at(connection)
        self._note_heard(connection, new)
        return self._apply(running, connection, new.events())

    def take_in_foreseen(
        self, connection: Connection, new: EventBatch, foreseen: Foreseen, sessions: Mapping[SessionUuid, SessionRow]
    ) -> Outcome:
        """What new events bring, worked out by somebody else who goes on from there, stored as above.

        ``sessions`` are those of the events.
        """
        self._running = None
        self._note_heard(connection, new)
        brought = foreseen.brought()
        with span("db.attribution.write", states=len(foreseen.states)):
            write_brought(connection, [brought], {uuid: row.id for uuid, row in sessions.items()})
        self._note_days(brought.outcome)
        return brought.outcome

    @property
    def has_news(self) -> bool:
        """Something was taken in since identities and campaigns were brought up to date."""
        return bool(self._days)

    def quiet(self, silence_s: float = 0.0) -> list[Clock]:
        """The records that end the sessions of sensors from which nothing came for ``silence_s``.

        That is also what an earlier run left open, unless workers read this database, whose matter that is.
        """
        since = time.monotonic() - silence_s
        with self.turn:
            came_s = dict(self._came_s)
        is_alone = not self._database.read(has_readers)
        due = [
            one
            for one in self._database.read(sensor_times)
            if one.told_at < one.heard_at + IDLE_US
            and (is_alone or one.sensor in came_s)
            and came_s.get(one.sensor, since) <= since
        ]
        left = [one.told_at // DAY_US for one in due if one.sensor not in came_s]
        if left:
            days = self._database.read(partial(days_from, first=min(left)))
            with self.turn:
                self._days.update(days)
        return [Clock(one.sensor, one.heard_at + IDLE_US) for one in due]

    def end(self, connection: Connection, clocks: Sequence[Clock]) -> Outcome:
        """What it brings that the time of sensors has come so far, stored in the caller's transaction."""
        running = self._at(connection)
        write_clocks(connection, clocks)
        return self._apply(running, connection, clocks)

    def cluster(self, on_grown: Callable[[Connection, Sequence[Finding]], object]) -> bool:
        """Bring identities and campaigns up to date; False where another clusterer is at work and does it now.

        ``on_grown`` is called with what their days show that they did not before, in the transaction that stores it.
        """
        holder = f"direct-{os.getpid()}-{time.monotonic_ns()}"
        lease = partial(acquire_lease, name=LEASE, holder=holder, length_us=_LEASE_US)
        if self._database.write(lambda connection: lease(connection, now=_now())) is None:
            self._database.write(partial(begin_epoch, name=MEMBERSHIP))  # it looks at what it does not know
            return False
        with self.turn:
            days, self._days = self._days, set()
        clustering = Clustering(
            self._database,
            _now,
            holder=holder,
            lease_us=_LEASE_US,
            networks=self._networks,
            announces=self._database.read(has_readers),
            on_grown=on_grown,
        )
        try:
            return clustering.fill(days)
        finally:
            self._database.write(partial(release_lease, name=LEASE, holder=holder))

    def _at(self, connection: Connection) -> _Running:
        """The figures up to now, before anything of this transaction is stored of them."""
        if self._running is None:
            within = _Within(connection)
            stored = StoredStates(within)
            self._running = _Running(opened(connection, stored), stored, within)
        return self._running

    def _note_heard(self, connection: Connection, new: EventBatch) -> None:
        heard = new.latest()
        note_heard(connection, heard)
        self._came_s.update(dict.fromkeys(heard, time.monotonic()))

    def _apply(self, running: _Running, connection: Connection, records: Sequence[Record]) -> Outcome:
        attribution = running.attribution
        running.within.connection = connection
        wanted = Wanted.nothing()
        wanted.ask_for(attribution, records)
        running.stored.prepare(connection, wanted)
        outcome = attribution.apply(records)
        write_brought(connection, [brought_by(attribution, outcome, running.stored)])
        self._note_days(outcome)
        shrink(attribution, REMEMBERED)
        return outcome

    def _note_days(self, outcome: Outcome) -> None:
        self._days |= outcome.touched.days
        self._days |= {(traits.attacker, traits.started_at // DAY_US) for traits in outcome.ended}


class _Within:
    """Reads with the connection of the transaction that is under way: it sees what that has written."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` finds."""
        return work(self.connection)


class _Running(NamedTuple):
    """The figures, and where they are read from."""

    attribution: Attribution
    stored: StoredStates
    within: _Within


def _now() -> int:
    """µs UTC."""
    return time.time_ns() // 1_000
