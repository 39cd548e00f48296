"""The ``intake`` worker: logs as they grow, and records over syslog; events are stored and announced in one act."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from decnet.bus.journal import wake_readers
from decnet.db.actors import Actors
from decnet.db.clocks import sensor_times
from decnet.errors import StorageUnavailable
from decnet.intake.store import Intake
from decnet.telemetry import logger, span
from decnet.workers.clocks import SILENCE_S, SensorClocks, latest, store_clocks, store_times
from decnet.workers.logs import UNREADABLE, LogRun, Stored
from decnet.workers.pressure import Pressure
from decnet.workers.syslog import LOGS, SensorOwners, SyslogIntake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from decnet.config import SyslogAddress
    from decnet.db.engine import Database
    from decnet.models.artifact import ArtifactStore
    from decnet.models.event import Event
    from decnet.models.finding import Clock
    from decnet.models.secret import SecretDigest
    from decnet.sources.split import Position
    from decnet.workers.ahead import Ready
    from decnet.workers.logs import FileReport

LOOK_S = 0.05
"""How often a growing log is looked at: half of it, on average, is part of what a tag waits for."""
_TICK_S = 30.0
"""How often it is looked for silent sensors, at most."""
_AFTER_FAULT_S = 2.0
_log = logger(__name__)


class IntakeRun(LogRun):
    """Reads logs into one database and announces what is new.

    While too much waits to be read by others it pauses with ``wait``, which returns True when all is to end.
    :attr:`sensors` are those that were met.
    """

    def __init__(
        self,
        database: Database,
        digest: SecretDigest,
        heard: SensorClocks,
        owners: SensorOwners | None = None,
        *,
        wait: Callable[[float], bool],
        sensor: str | None = None,
        keep_secrets: bool = False,
        on_progress: Callable[[FileReport, Position], None] | None = None,
        artifacts: ArtifactStore | None = None,
    ) -> None:
        super().__init__(
            database, digest, sensor=sensor, keep_secrets=keep_secrets, on_progress=on_progress, artifacts=artifacts
        )
        self._heard = heard
        self._owners = owners or SensorOwners()
        self._wait = wait
        self._pressure = Pressure(database)
        self.sensors: set[str] = set()
        self._actors = Actors()
        self._intake = Intake(self._actors, announce=True)

    def store(self, ready: Ready, mark: Callable[[Connection], None]) -> Stored:
        """Store and announce the events of ``ready`` and call ``mark``, in one transaction.

        :raises StorageError: the database does not take them; nothing is stored.
        """
        self._owners.take({event.sensor for event in ready.events}, LOGS)
        self._pressure.wait_for_workers(self._wait)
        return self.store_events(ready.events, mark)

    def store_events(self, events: list[Event], mark: Callable[[Connection], None] | None = None) -> Stored:
        """Store and announce ``events``, of a log or of none.

        :raises StorageError: the database does not take them; nothing is stored.
        """
        self._pressure.wait_for_room(self._wait)
        now = time.time_ns() // 1_000
        moved = self._heard.moved(events)

        def work(connection: Connection) -> int:
            new, _ = self._intake.store(connection, events, now=now)
            store_times(connection, events, moved, now=now)
            if mark is not None:
                mark(connection)
            return len(new)

        with span("db.write", events=len(events)):
            new = self.database.write(work, self._actors.forget)
        if new and self.database.is_embedded:
            wake_readers(self.database)
        self._heard.note(events, moved, time.monotonic())
        self.sensors.update(latest(events))
        return Stored(new)


class IntakeWorker:
    """Follows ``logs``, each in a thread of its own, and listens on ``syslog``; ``clock`` gives µs UTC.

    ``keep_secrets`` is as for every log run.
    """

    def __init__(
        self,
        database: Database,
        digest: SecretDigest,
        logs: Sequence[str],
        *,
        clock: Callable[[], int],
        syslog: Sequence[SyslogAddress] = (),
        sensor: str | None = None,
        keep_secrets: bool = False,
        silence_s: float = SILENCE_S,
        artifacts: ArtifactStore | None = None,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._digest = digest
        self._logs = logs
        self._clock = clock
        self._sensor = sensor
        self._keep_secrets = keep_secrets
        self._heard = SensorClocks(silence_s=silence_s)
        self._silence_s = silence_s
        self._stopped = threading.Event()
        self._counts: dict[str, FileReport] = {}
        self._owners = SensorOwners()
        storing = IntakeRun(database, digest, self._heard, wait=self._stopped.wait)
        self.syslog = (
            SyslogIntake(syslog, digest, storing.store_events, self._owners, sensor=sensor) if syslog else None
        )

    @property
    def syslog_text(self) -> str:
        """What came over syslog, in words."""
        if self.syslog is None:
            return "no syslog"
        return f"{self.syslog.messages:,} messages over syslog, {self.syslog.refused.total():,} refused or dropped"

    @property
    def lines(self) -> int:
        """Lines read since each log was last opened."""
        return sum(report.lines for report in self._counts.values())

    @property
    def refused(self) -> int:
        """Lines refused since each log was last opened."""
        return sum(report.refused_total for report in self._counts.values())

    async def run(self, stop: asyncio.Event) -> None:
        """Follow and listen until ``stop`` is set; what is away, a log or the database, is waited for.

        :raises SettingsError: an address cannot be listened on.
        """
        self._heard.recall(await asyncio.to_thread(self._database.read, sensor_times), time.monotonic())
        loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(max(1, len(self._logs)), "decnet-log")
        listening = [self.syslog.run(stop)] if self.syslog is not None else []
        following = asyncio.gather(
            *(loop.run_in_executor(threads, self._follow, path) for path in self._logs), *listening
        )
        told = asyncio.create_task(stop.wait())
        ticking = asyncio.create_task(self._tick())
        either: set[asyncio.Future[Any]] = {told, following}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            ticking.cancel()
            self._stopped.set()
            try:
                await following
            finally:
                await asyncio.to_thread(threads.shutdown)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(min(self._silence_s / 4, _TICK_S))
            try:
                await asyncio.to_thread(self._tell, self._heard.due(time.monotonic()))
            except StorageUnavailable as error:
                _log.warning("silent sensors are told of later: %s", error)

    def _tell(self, clocks: Sequence[Clock]) -> None:
        """Store these records and tell everybody."""
        if not clocks:
            return
        self._database.write(partial(store_clocks, clocks=clocks, now=self._clock()))
        self._heard.note_told(clocks)
        if self._database.is_embedded:
            wake_readers(self._database)

    def _follow(self, path: str) -> None:
        run = IntakeRun(
            self._database,
            self._digest,
            self._heard,
            self._owners,
            wait=self._stopped.wait,
            sensor=self._sensor,
            keep_secrets=self._keep_secrets,
            on_progress=partial(self._note, path),
            artifacts=self._artifacts,
        )
        while not self._stopped.is_set():
            try:
                reports = run.follow(path, self._wait)
                if not self._stopped.is_set():
                    self._tell(self._heard.ends(run.sensors))
            except StorageUnavailable as error:
                _log.warning("%s: waiting for the database: %s", path, error)
            else:
                if self._is_read(reports):
                    return
            self._stopped.wait(_AFTER_FAULT_S)

    def _note(self, path: str, report: FileReport, _end: Position) -> None:
        self._counts[path] = report

    def _wait(self, seconds: float) -> bool:
        return self._stopped.wait(min(seconds, LOOK_S))

    def _is_read(self, reports: Sequence[FileReport]) -> bool:
        """Whether there is nothing more to come: all was read that a packed log or a pipe holds, or we stop."""
        for report in reports:
            for reason, first in report.first_refused.items():
                _log.warning("%s (%d times): %s", reason, report.refused[reason], first)
        return not (reports and reports[-1].refused[UNREADABLE])
