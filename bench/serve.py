"""A burst through the bus: ``decnet serve`` on one host, and what several ttp workers cost on several.

Lines per second from the log to stored tags and findings, through the journal; and CPU time per event of one, two and
four ttp workers on JetStream and MariaDB. ``python -m bench.serve`` prints the figures.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.cowrie_log import lines
from decnet.bus.nats import connect_nats
from decnet.db.engine import open_database, upgrade_database
from decnet.db.outbox import backlog
from tests.databases import empty_server_database
from tests.servers import own_server

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

LINES = 100_000
DIVIDED_LINES = 30_000
WORKERS = (1, 2, 4)
RUNS = 3
LOOK_S = 0.1
IDLE_SHARE = 0.1
"""Of a processor's time: below, what a first start does, in the background too, is done."""
_OLDEST_UNREAD = """
SELECT min(created_at) FROM outbox JOIN bus_position AS place ON place."partition" = outbox."partition"
WHERE place.consumer = ? AND outbox.topic IN ('events', ?) AND outbox.id > place.position"""
_READ = {"ttp": "attacker.session.ended", "attribute": "events"}
"""What each durable reads beside events."""


class Figures(NamedTuple):
    """What one run told: lines per second of the wall clock and of CPU time, and by how much each durable lagged."""

    rate: float
    rate_cpu: float
    ttp_behind_s: float
    attribute_behind_s: float
    tags: int


def main() -> None:
    """Print the figures."""
    _serve()
    _divided()


def _serve() -> None:
    with tempfile.TemporaryDirectory() as folder:
        burst = "\n".join(lines(LINES)) + "\n"
        runs = [_embedded(Path(folder) / str(number), burst) for number in range(RUNS)]
    print(f"decnet serve, {LINES:,} lines of a synthetic Cowrie log at once, empty SQLite, {runs[0].tags:,} tags")
    print(f"  lines per second      {_spread([run.rate for run in runs])}, until all is tagged and attributed")
    print(f"  lines per CPU second  {_spread([run.rate_cpu for run in runs])}")
    print(
        f"  longest wait          {max(run.ttp_behind_s for run in runs):.1f} s for ttp, "
        f"{max(run.attribute_behind_s for run in runs):.1f} s for attribute"
    )


def _spread(figures: list[float]) -> str:
    return f"median {statistics.median(figures):,.0f} (min {min(figures):,.0f}, max {max(figures):,.0f}, {RUNS} runs)"


def _embedded(folder: Path, burst: str) -> Figures:
    folder.mkdir()
    log = folder / "cowrie.json"
    log.touch()
    environment = os.environ | {"DECNET_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "decnet", "serve", str(log), "--no-web", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as serving:
        _wait_until_idle(serving.pid)
        log.write_text(burst)
        begun, before = time.monotonic(), _cpu_of(serving.pid)
        waits = _followed(folder / "decnet.sqlite", len(burst))
        seconds, cpu_seconds = time.monotonic() - begun, _cpu_of(serving.pid) - before
        serving.send_signal(signal.SIGTERM)
    with closing(sqlite3.connect(folder / "decnet.sqlite")) as database:
        (tags,) = database.execute("SELECT count(*) FROM tag").fetchone()
    return Figures(LINES / seconds, LINES / cpu_seconds, *waits, tags)


def _followed(path: Path, size: int) -> tuple[float, float]:
    """How long, at most, messages waited for the durables ``ttp`` and ``attribute``, until all were handled."""
    longest = [0.0, 0.0]
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
        while True:
            read = database.execute("SELECT max(end_offset) FROM log_position").fetchone()[0] or 0
            oldest = [database.execute(_OLDEST_UNREAD, each).fetchone()[0] for each in _READ.items()]
            now = time.time_ns() // 1_000
            for number, at in enumerate(oldest):
                longest[number] = max(longest[number], (now - at) / 1e6 if at else 0.0)
            if read >= size and not any(oldest):
                return longest[0], longest[1]
            time.sleep(LOOK_S)


def _divided() -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "cowrie.json"
        log.write_text("\n".join(lines(DIVIDED_LINES)) + "\n")
        costs = {number: _cost_of(number, log, Path(folder) / str(number)) for number in WORKERS}
    print(f"ttp workers on JetStream and MariaDB, {DIVIDED_LINES:,} events")
    for number, cost in costs.items():
        share = f", {cost / costs[1]:.2f} x that of one" if number > 1 else ""
        print(f"  {number} at work             {cost * 1e6:,.0f} µs of CPU per event{share}")


def _cost_of(number: int, log: Path, folder: Path) -> float:
    """CPU seconds per event of ``number`` ttp workers together."""
    folder.mkdir()
    with own_server("nats") as nats, empty_server_database("mariadb") as url, ExitStack() as running:
        upgrade_database(url)
        environment = os.environ | {
            "DECNET_DATA_DIR": str(folder),
            "DECNET_DB_URL": url,
            "DECNET_BUS_URL": nats.url,
            "DECNET_TTP_RULE_STORE_TYPE": "database",
        }

        def start(*names: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "decnet", "worker", *names, "--json"]
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
            running.callback(process.wait)
            running.callback(process.terminate)
            if process.stdout is not None:
                process.stdout.readline()
            return process

        workers = [start("ttp") for _ in range(number)]
        for worker in workers:
            _wait_until_idle(worker.pid)
        before = [_cpu_of(worker.pid) for worker in workers]
        start("relay")
        start("intake", str(log))
        asyncio.run(_until_tagged(nats.url, url))
        used = sum(_cpu_of(worker.pid) - begun for worker, begun in zip(workers, before, strict=True))
    return used / DIVIDED_LINES


async def _until_tagged(bus_url: str, database_url: str) -> None:
    """Return when every event is stored, announced and acknowledged by the ttp workers."""
    bus, database = await connect_nats(bus_url), open_database(database_url)
    try:
        while database.read(_waiting) or (await bus.lag("ttp")).messages:  # noqa: ASYNC110 - the servers know
            await asyncio.sleep(LOOK_S)
    finally:
        await bus.close()
        database.close()


def _waiting(connection: Connection) -> bool:
    """Whether there are events that are not stored, or not announced."""
    stored = connection.exec_driver_sql("SELECT count(*) FROM event").scalar_one()
    return int(stored) < DIVIDED_LINES or bool(backlog(connection)[0])


def _wait_until_idle(process: int) -> None:
    used, now = 0.0, time.monotonic()
    while True:
        time.sleep(1)
        last, used, before, now = used, _cpu_of(process), now, time.monotonic()
        if last and used - last < IDLE_SHARE * (now - before):
            return


def _cpu_of(process: int) -> float:
    """CPU seconds of a process and its children so far (proc(5): utime and stime are fields 14 and 15)."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()
    seconds = 0.0
    for each in (str(process), *children):
        fields = Path(f"/proc/{each}/stat").read_text("ascii").rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


if __name__ == "__main__":
    main()
