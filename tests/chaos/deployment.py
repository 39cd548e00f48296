"""A whole DECNET as an operator starts it, ``decnet serve`` or workers in processes of their own, under kills.

A log grows as a honeypot would write it, and is held back until the intake has followed, so that kills meet work.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from decnet.bus.journal import JournalBus
from decnet.bus.nats import connect_nats
from decnet.db.engine import open_database, upgrade_database
from decnet.db.outbox import backlog
from decnet.workers.attribute import DURABLE as ATTRIBUTE
from decnet.workers.cluster import DURABLE as CLUSTER
from decnet.workers.tagging import DURABLE as TTP
from tests.chaos.stored import stored
from tests.databases import rows

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from decnet.bus.base import Bus
    from decnet.db.engine import Database
    from tests.chaos.stored import Stored
    from tests.servers import OwnServer

SLICES = 50
"""In so many pieces the log is written."""
QUIET_LOOKS = 4
_LOOK_S = 0.25
_SILENCE_S = 180.0
_OUTAGE_S = 0.5
_END_S = 60.0
_SECRET = "5a" * 32
_DURABLES = (TTP, ATTRIBUTE, CLUSTER)


@dataclass
class Deployment:
    """Workers by name and arguments, the servers that they use, and what is to be killed, in this order.

    A victim is the name of a worker or of a server; it is started again at once.
    """

    folder: Path
    workers: dict[str, tuple[str, ...]]
    victims: Sequence[str] = ()
    database_url: str = ""
    bus_url: str = ""
    servers: tuple[OwnServer, ...] = ()
    killed: list[str] = field(default_factory=list)
    gave_up: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def log(self) -> Path:
        """The log that the intake follows."""
        return self.folder / "cowrie.json"

    @property
    def _stored_at(self) -> str:
        return self.database_url or f"sqlite:///{self.folder / 'data' / 'decnet.sqlite'}"

    def run(self, lines: Sequence[str], chance: random.Random) -> Stored:
        """Everything that is stored once ``lines`` were written and nothing is left to do.

        :raises AssertionError: it stands still, or a worker ends by itself, or there are dead letters.
        """
        started = time.monotonic()
        self.log.touch()
        (self.folder / "data").mkdir()
        upgrade_database(self._stored_at)
        with self._opened() as database, self._running() as processes:
            self._feed(lines, chance, processes, database)
            asyncio.run(self._settle(processes, database))
        self.seconds = time.monotonic() - started
        with self._opened() as database:
            return stored(database)

    def summary(self) -> dict[str, object]:
        """What happened, for people and programs."""
        form = "servers" if self.servers else "embedded"
        killed = {name: self.killed.count(name) for name in sorted(set(self.killed))}
        return {"form": form, "killed": killed, "gave up": self.gave_up, "seconds": round(self.seconds, 1)}

    # --- processes

    @contextmanager
    def _running(self) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
        processes = {name: self._start(name) for name in self.workers}
        try:
            yield processes
        finally:
            for process in processes.values():
                process.terminate()
            stuck = [name for name, process in processes.items() if not _ends(process)]
            assert not stuck, f"did not end when told to: {stuck}"

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        given = {"DECNET_DATA_DIR": str(self.folder / "data"), "DECNET_SECRET_KEY": _SECRET}
        if self.database_url:
            given |= {"DECNET_DB_URL": self.database_url, "DECNET_BUS_URL": self.bus_url}
            given |= {"DECNET_TTP_RULE_STORE_TYPE": "database"}
        command = [sys.executable, "-m", "decnet", *self.workers[name], "--json"]
        with (self.folder / f"{name}.log").open("ab") as errors:
            return subprocess.Popen(
                command, env=os.environ | given, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
            )

    def _kill(self, name: str, processes: dict[str, subprocess.Popen[bytes]]) -> None:
        self.killed.append(name)
        for server in self.servers:
            if server.name == name:
                server.kill()
                time.sleep(_OUTAGE_S)
                server.start()
                return
        processes[name].kill()
        processes[name].wait()
        processes[name] = self._start(name)

    def _look_after(self, processes: dict[str, subprocess.Popen[bytes]]) -> None:
        """Start again what ended since a server was away at its start, as a supervisor does; nothing else may end."""
        for name, process in processes.items():
            if process.poll() is not None:
                errors = (self.folder / f"{name}.log").read_text()[-2_000:]
                self.gave_up.append(name)
                is_excused = self.servers and len(self.gave_up) < len(self.killed) * len(self.workers)
                assert is_excused, f"{name} ended by itself with {process.returncode}:\n{errors}"
                processes[name] = self._start(name)

    # --- progress

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        database = open_database(self._stored_at)
        try:
            yield database
        finally:
            database.close()

    def _feed(
        self,
        lines: Sequence[str],
        chance: random.Random,
        processes: dict[str, subprocess.Popen[bytes]],
        database: Database,
    ) -> None:
        """Write the log piece by piece, and kill the victims between some of them."""
        size = -(-len(lines) // SLICES)
        moments = sorted(chance.randrange(SLICES) for _ in self.victims)
        victims = iter(self.victims)
        for number in range(SLICES):
            with self.log.open("a") as file:
                file.writelines(line + "\n" for line in lines[number * size : (number + 1) * size])
            for _ in range(moments.count(number)):
                time.sleep(chance.random() / 2)
                self._kill(next(victims), processes)
            self._wait_for_position(min((number + 1) * size, len(lines)) + 1, processes, database)

    def _wait_for_position(self, line: int, processes: dict[str, subprocess.Popen[bytes]], database: Database) -> None:
        deadline = time.monotonic() + _SILENCE_S
        while rows(database, "SELECT max(line_number) FROM log_position") != [(line,)]:
            self._look_after(processes)
            assert time.monotonic() < deadline, f"the intake does not come to line {line}"
            time.sleep(0.02)

    async def _settle(self, processes: dict[str, subprocess.Popen[bytes]], database: Database) -> None:
        """Return when, for some looks in a row, nothing waits anywhere and nothing changes."""
        bus = await self._open_bus(database)
        quiet, fewest, last, moved_at = 0, sys.maxsize, -1, time.monotonic()
        try:
            while quiet < QUIET_LOOKS:
                await asyncio.sleep(_LOOK_S)
                self._look_after(processes)
                waiting, written = await self._waiting(bus, database), _written(database)
                quiet = quiet + 1 if (waiting, written) == (0, last) else 0
                if waiting < fewest or written != last:
                    fewest, last, moved_at = min(waiting, fewest), written, time.monotonic()
                assert time.monotonic() - moved_at < _SILENCE_S or not waiting, f"{waiting} messages wait for ever"
            dead = [letter for durable in _DURABLES for letter in await bus.dead_letters(durable)]
            assert not dead, dead[:3]
        finally:
            await bus.close()

    async def _waiting(self, bus: Bus, database: Database) -> int:
        lags = [await bus.lag(durable) for durable in _DURABLES]
        unsent = database.read(backlog)[0] if self.database_url else 0
        return unsent + sum(lag.messages for lag in lags)

    async def _open_bus(self, database: Database) -> Bus:
        return await connect_nats(self.bus_url) if self.bus_url else JournalBus(database)


def _ends(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ends by itself within a minute; afterwards it has ended in any case."""
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def _written(database: Database) -> int:
    """A number that grows with everything that workers store."""
    return sum(
        int(rows(database, f"SELECT count(*) FROM {name}")[0][0]) for name in ("tag", "finding", "identity_edge")
    )


def embedded(folder: Path, victims: Sequence[str] = ()) -> Deployment:
    """All workers in one process, on SQLite."""
    return Deployment(folder, {"serve": ("serve", "--no-web", str(folder / "cowrie.json"))}, victims)


def distributed(folder: Path, servers: tuple[OwnServer, OwnServer], victims: Sequence[str] = ()) -> Deployment:
    """Four workers that tag, and one of each other kind, on a database server and NATS."""
    database, nats = servers
    workers: dict[str, tuple[str, ...]] = {
        name: ("worker", name) for name in ("attribute", "cluster", "relay", "rules")
    }
    workers |= {f"ttp{number}": ("worker", "ttp") for number in range(4)}
    workers["intake"] = ("worker", "intake", str(folder / "cowrie.json"))
    return Deployment(folder, workers, victims, database.url, nats.url, servers)
