"""Chaos: kill what stores, relays and tags, over and over, and hold what is left to an undisturbed run.

``python -m tests.chaos.run --kills 50`` (``make chaos``) starts servers of its own and kills these as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.db.engine import open_database, upgrade_database
from decnet.db.maintenance import fold_fleet_shards
from decnet.db.outbox import backlog
from tests.chaos.programs import DURABLE, event_at, open_bus, tags_of
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.databases import rows
from tests.servers import OwnServer, own_server

if TYPE_CHECKING:
    from decnet.bus.base import Lag
    from decnet.db.engine import Database

LONGEST_LIFE = 600
"""Steps after which a process that is to die dies at the latest."""
_SILENCE_S = 120.0


@dataclass
class Chaos:
    """One run: where it stores, what it is killed with, and what happened."""

    url: str
    bus: str
    events: int
    kills: int
    seed: int
    servers: list[OwnServer] = field(default_factory=list)
    killed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def run(self) -> None:
        """Start everything, kill at random, and return when all that was stored is tagged.

        :raises AssertionError: it stands still, or something was lost or doubled.
        """
        chance = random.Random(self.seed)  # noqa: S311 - a run must be repeatable
        started = time.monotonic()
        roles = ["intake", "worker"] if self.bus == "journal" else ["intake", "relay", "worker"]
        processes = {role: self._start(role, chance) for role in roles}
        outages = [chance.uniform(1, 6) + 4 * number for number in range(len(self.servers) * 2)]
        try:
            self._keep_running(processes, chance, outages)
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait()
        self.seconds = time.monotonic() - started
        self.check()

    def _keep_running(
        self, processes: dict[str, subprocess.Popen[bytes]], chance: random.Random, outages: list[float]
    ) -> None:
        last_change, last_state = time.monotonic(), (0, 0)
        began = time.monotonic()
        while not self._is_done(processes):
            time.sleep(0.1)
            if outages and time.monotonic() - began > outages[0]:
                outages.pop(0)
                self._restart(self.servers[len(outages) % len(self.servers)])
            for role, process in list(processes.items()):
                code = process.poll()
                if code == -signal.SIGKILL:
                    self.killed[role] = self.killed.get(role, 0) + 1
                    processes[role] = self._start(role, chance)
                elif code:
                    raise AssertionError(f"{role} ended with {code}")
            state = self._state()
            if state != last_state:
                last_change, last_state = time.monotonic(), state
            if time.monotonic() - last_change > _SILENCE_S:
                raise AssertionError(f"nothing moves any more at {state} events and tags")

    def _start(self, role: str, chance: random.Random) -> subprocess.Popen[bytes]:
        dies = sum(self.killed.values()) < self.kills
        life = chance.randint(1, LONGEST_LIFE) if dies else 0
        command = [sys.executable, "-m", "tests.chaos.programs", role, "--db", self.url, "--bus", self.bus]
        return subprocess.Popen([*command, "--events", str(self.events), "--die-after", str(life)])

    def _restart(self, server: OwnServer) -> None:
        server.kill()
        self.killed[server.name] = self.killed.get(server.name, 0) + 1
        time.sleep(0.5)
        server.start()

    def _is_done(self, processes: dict[str, subprocess.Popen[bytes]]) -> bool:
        if sum(self.killed.values()) < self.kills and processes["intake"].poll() is None:
            return False
        return processes["intake"].poll() == 0 and self._state() == (self.events, 2 * self.events)

    def _state(self) -> tuple[int, int]:
        database = open_database(self.url)
        try:
            events = rows(database, "SELECT count(*) FROM event")[0][0]
            return events, rows(database, "SELECT count(*) FROM tag")[0][0]
        finally:
            database.close()

    def check(self) -> None:
        """Everything once, roll-ups exact, nothing waiting, nothing dead."""
        wanted = [event_at(number) for number in range(self.events)]
        database = open_database(self.url)
        try:
            stored = {bytes(row[0]) for row in rows(database, "SELECT id FROM event")}
            assert stored == {event.id for event in wanted}, "events were lost or doubled"
            tags = {bytes(row[0]) for row in rows(database, "SELECT uuid FROM tag")}
            assert tags == {tag.uuid for event in wanted for tag in tags_of(event)}, "tags were lost or doubled"
            assert rows(database, "SELECT sum(event_count) FROM attacker") == [(self.events,)]
            assert rows(database, "SELECT sum(command_count) FROM session") == [(self.events,)]
            assert_rollups_equal_a_recount(database)
            fold_fleet_shards(database)
            assert_rollups_equal_a_recount(database)
            waiting, dead = asyncio.run(self._left(database))
            assert (waiting, dead) == (0, 0), f"{waiting} messages wait, {dead} are dead letters"
            if self.bus != "journal":
                assert database.read(backlog)[0] == 0, "messages were left in the outbox"
        finally:
            database.close()

    async def _left(self, database: Database) -> tuple[int, int]:
        bus = await open_bus(database, self.bus)
        try:
            deadline = time.monotonic() + 30  # the last acknowledgements may be under way again
            lag: Lag = await bus.lag(DURABLE)
            while lag.messages and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
                lag = await bus.lag(DURABLE)
            return lag.messages, len(await bus.dead_letters(DURABLE))
        finally:
            await bus.close()

    def summary(self) -> dict[str, object]:
        """What happened, for people and programs."""
        return {
            "database": self.url.partition(":")[0],
            "bus": self.bus.partition(":")[0],
            "events": self.events,
            "seed": self.seed,
            "killed": self.killed,
            "seconds": round(self.seconds, 1),
        }


def main() -> None:
    """Embedded once, then JetStream on each server, kills shared out; prints one line each."""
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--events", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    given = options.parse_args()
    kills = -(-given.kills // 3)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'decnet.sqlite'}"
        _play(Chaos(url, "journal", given.events, kills, given.seed))
    for backend in ("mariadb", "postgresql"):
        with ExitStack() as stack:
            database, nats = (stack.enter_context(own_server(name)) for name in (backend, "nats"))
            bus = f"{nats.url}/chaos{secrets.token_hex(4)}"
            _play(Chaos(database.url, bus, given.events, kills, given.seed, [database, nats]))


def _play(chaos: Chaos) -> None:
    upgrade_database(chaos.url)
    chaos.run()
    sys.stdout.write(json.dumps(chaos.summary()) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
