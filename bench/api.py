"""The API's reading routes over a large SQLite store, served by a process of its own.

One client whose every answer is made anew, then 200 requests a second that do not wait for answers, which may be a
second old; each as a ratio to ``/health/live``. ``python -m bench.api 10000000`` has that many tags; a folder after it
is kept and used again. ``--only activity`` asks the routes alone whose name has that word.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.tags import BATCH, DAY_US, START_US, batch_of_tags, store_sessions
from decnet.cli.opening import open_installation
from decnet.db.actors import Actors
from decnet.db.tags import TagWriter
from decnet.models.ids import uuid_text
from decnet.web.routes.accounts import make_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

ROWS = 1_000_000
ALONE, OF_LISTS = 100, 30
"""Requests of one client to each route that reads sums, and to each other one."""
RATE = 200
"""Requests a second, of many clients."""
SECONDS = 3
LANES = 32
_LIVE = "/health/live"
_SUMS, _LISTS = ("/health", "/ttp/"), "/ttp/tags"
_LONG = 16
_OK = 200
_BUSIEST = """
SELECT attacker.uuid, identity.uuid, campaign.uuid, attacker.id FROM rollup_attacker
JOIN attacker ON attacker.id = rollup_attacker.attacker_id JOIN identity ON identity.id = attacker.identity_id
JOIN campaign ON campaign.id = identity.campaign_id GROUP BY attacker.id ORDER BY sum(count) DESC LIMIT 1"""
_RAREST = """
SELECT ttp.technique_id FROM rollup_fleet JOIN ttp ON ttp.id = rollup_fleet.ttp_id WHERE max_confidence >= 0.6
GROUP BY ttp.technique_id ORDER BY sum(count) LIMIT 1"""


class Asked(NamedTuple):
    """A route, and how long its answers took in seconds: alone, and at :data:`RATE` where it reads sums."""

    name: str
    alone: list[float]
    together: list[float] | None


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("rows", nargs="?", type=int, default=ROWS)
    options.add_argument("folder", nargs="?", type=Path)
    options.add_argument("--only", default="")
    chosen = options.parse_args() if __name__ == "__main__" else options.parse_args([])
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        routes, key = made_store(folder, chosen.rows)
        with _served(folder) as (host, port):
            print(f"the API over {chosen.rows:,} tags in SQLite, ms; one client, then {RATE} requests a second")
            print(f"  {'route':<44} {'p50':>6} {'p95':>7} {'x live':>7}   {'p50':>6} {'p95':>7} {'x live':>7}")
            live: Asked | None = None
            asked = {name: path for name, path in routes.items() if chosen.only in name or name == _LIVE}
            for name, path in asked.items():
                one = _ask(host, port, key, name, path)
                live = live or one
                alone, together = _figures(one.alone, live.alone), _figures(one.together, live.together)
                print(f"  {name:<44} {alone}   {together}", flush=True)


def _figures(times: list[float] | None, of: list[float] | None) -> str:
    if times is None or of is None:
        return ""
    p50, p95 = statistics.median(times) * 1e3, _p95(times) * 1e3
    return f"{p50:>6.1f} {p95:>7.1f} {p95 / (_p95(of) * 1e3):>7.1f}"


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def made_store(folder: Path, rows: int) -> tuple[dict[str, str], str]:
    """The routes to be asked, by name, and a key for them; tags are stored where the folder has none yet."""
    is_new = not (folder / "decnet.sqlite").exists()
    with open_installation(folder) as installation:
        if is_new:
            _fill(installation.database, rows)
        key = make_key(installation.database, "bench", "viewer", actor="bench", now=START_US).key
        return installation.database.read(_routes), key


def _fill(database: Database, rows: int) -> None:
    chance = random.Random(7)
    sessions = store_sessions(database, chance)
    writer = TagWriter(Actors(), shard=0)
    for first in range(0, rows, BATCH):
        tags = batch_of_tags(chance, sessions, first)
        database.write(partial(writer.insert_tags, tags=tags, now=START_US), writer.forget)
    database.write(_spread)


def _spread(connection: Connection) -> None:
    """Let no two attackers be seen and no two sessions begin at one time, as in life."""
    connection.exec_driver_sql("UPDATE attacker SET last_seen = last_seen + id * 7000003 % 1000000007")
    connection.exec_driver_sql("UPDATE session SET started_at = started_at + id * 7000003 % 1000000007")


def _routes(connection: Connection) -> dict[str, str]:
    attacker, identity, campaign, number = connection.exec_driver_sql(_BUSIEST).one()
    who = {"attacker": attacker, "identity": identity, "campaign": campaign}
    its = f"SELECT uuid FROM session WHERE attacker_id = {number} LIMIT 1"  # noqa: S608 - a number of ours
    who["session"] = connection.exec_driver_sql(its).scalar_one()
    rare = connection.exec_driver_sql(_RAREST).scalar_one()
    last = connection.exec_driver_sql("SELECT max(last_seen) FROM rollup_fleet").scalar_one()
    since, week = last - 2 * DAY_US, last - 7 * DAY_US
    names = {scope: uuid_text(uuid) for scope, uuid in who.items()}
    at, tag = connection.exec_driver_sql("SELECT observed_at, uuid FROM tag ORDER BY observed_at LIMIT 1").one()
    paths = [
        _LIVE,
        "/ttp/techniques",
        f"/ttp/techniques?since={since}&until={last}",
        f"/ttp/techniques?since={week}",
        "/ttp/techniques?decoy=sensor-3&source_kind=command",
        *(f"/ttp/by-{scope}/{name}" for scope, name in names.items()),
        "/ttp/activity?bucket=day",
        f"/ttp/activity?bucket=hour&since={since}",
        f"/ttp/activity?bucket=hour&since={last - 14 * DAY_US}",
        "/attackers",
        "/identities",
        "/campaigns",
        f"/attackers/{names['attacker']}",
        f"/identities/{names['identity']}",
        f"/campaigns/{names['campaign']}",
        "/attackers?sort=techniques",
        "/sessions",
        f"/sessions/{names['session']}",
        "/ttp/tags",
        f"/ttp/tags?technique={rare}",
        f"/ttp/tags/by-attacker/{names['attacker']}/{rare}",
        f"/ttp/tags/by-campaign/{names['campaign']}/{rare}",
        f"/ttp/tags/{at}/{uuid_text(tag)}",
    ]
    return {_name(path, last): f"/api/v1{path}" for path in paths}


def _name(path: str, last: int) -> str:
    """``path`` without what differs from run to run, times as days before the ``last``."""
    route, _, query = path.partition("?")
    parts = [part if len(part) < _LONG else "…" for part in route.split("/")]
    said = [part.split("=") for part in query.split("&") if part]
    words = [
        f"{name}={(int(value) - last) // DAY_US}d" if value.isdigit() else f"{name}={value}" for name, value in said
    ]
    return "/".join(parts) + (f"?{'&'.join(words)}" if words else "")


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "decnet", "web", "--listen", "127.0.0.1:0", "--json", "--until-closed"]
    environment = os.environ | {"DECNET_DATA_DIR": str(folder)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as web:
        assert web.stdout is not None  # noqa: S101 - it was asked for
        place = next(said for line in web.stdout if "serving" in (said := json.loads(line)))
        try:
            yield place["host"], place["port"]
        finally:
            web.terminate()


def _ask(host: str, port: int, key: str, name: str, path: str) -> Asked:
    line = _Line(host, port, key)
    line.ask(path)
    reads_sums = name.startswith(_SUMS) and not name.startswith(_LISTS)
    alone = [line.ask(_anew(path, number)) for number in range(ALONE if reads_sums else OF_LISTS)]
    return Asked(name, alone, _together(host, port, key, path) if reads_sums else None)


def _anew(path: str, number: int) -> str:
    """``path`` in words that were not used a second ago, so that its answer is made anew."""
    return f"{path}{'&' if '?' in path else '?'}min_confidence={0.6 + number * 1e-6:.6f}"


def _together(host: str, port: int, key: str, path: str) -> list[float]:
    """Times from when each request was due to its whole answer: one that had to wait for others is late."""
    own = threading.local()
    started = time.perf_counter() + 0.1

    def ask(due: float) -> float:
        if not hasattr(own, "line"):
            own.line = _Line(host, port, key)
        time.sleep(max(0.0, due - time.perf_counter()))
        own.line.ask(path)
        return time.perf_counter() - due

    with ThreadPoolExecutor(LANES) as lanes:
        return list(lanes.map(ask, [started + number / RATE for number in range(RATE * SECONDS)]))


class _Line:
    """A connection that is kept."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._connection = HTTPConnection(host, port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"}

    def ask(self, path: str) -> float:
        """How long the answer took (s)."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != _OK:
            raise AssertionError(f"{path}: {answer.status} {body[:200]!r}")
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
