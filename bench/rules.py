"""Rules that change while events are evaluated, states, and how long a pack takes to load.

Wall clock, under the load of one thread that evaluates commands all the time: what is measured is what an operator
waits for, so other load on the machine shows. Starts are processes of their own; their CPU time is given beside.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.text_rules import texts
from decnet.db.engine import open_database
from decnet.models.rule_state import RuleState
from decnet.ttp.live import watch_store
from decnet.ttp.store.base import SystemClock
from decnet.ttp.store.database import DatabaseRuleStore
from decnet.ttp.store.filesystem import FilesystemRuleStore, default_rules_folder
from tests.databases import BACKENDS, ready_database
from tests.events import NOON, SECOND, a_command
from tests.ttp.store.rule_texts import rule_text, save

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from decnet.db.engine import Database
    from decnet.ttp.live import LiveRules
    from decnet.ttp.store.base import RuleChange, RuleStore

SAVES = 100
ORDERS = 100
STARTS = 7
PACK_RULES = 300
RULE = "R9900"
PATIENCE_S = 20.0
LONGEST_PAUSE_S = 0.1

_START = """\
import asyncio, sys
from pathlib import Path
from time import perf_counter, process_time
import decnet.ttp.scan_hyperscan
from decnet.ttp.live import LiveRules
from decnet.ttp.store.filesystem import FilesystemRuleStore
begun, cpu = perf_counter(), process_time()
loaded = asyncio.run(FilesystemRuleStore(Path(sys.argv[1]), None, Path(sys.argv[2])).load_compiled())
read, read_cpu = perf_counter(), process_time()
live = LiveRules(loaded)
print(read - begun, perf_counter() - read, read_cpu - cpu, process_time() - read_cpu)
ready = perf_counter()
if live.is_provisional:
    live.rebuild()
print(perf_counter() - ready)
"""


class Watched:
    """A store whose changes a program has in force; ``arrivals`` has the moment of each."""

    def __init__(self) -> None:
        self.arrivals: asyncio.Queue[tuple[RuleChange, float]] = asyncio.Queue()

    def note(self, change: RuleChange) -> None:
        self.arrivals.put_nowait((change, time.perf_counter()))

    async def in_force(self, *, version: int = 0, reason: str = "") -> float:
        """When the change to that version, or to the state with that reason, came to be in force."""
        while True:
            change, at = await asyncio.wait_for(self.arrivals.get(), PATIENCE_S)
            if version and change.rule is not None and change.rule.rule.rule_version == version:
                return at
            if reason and change.state.reason == reason:
                return at


def main() -> None:
    """Print the figures."""
    print(f"rules, while one thread evaluates commands; {SAVES} saves and {ORDERS} states each, wall clock")
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_files(Path(name)))
    for backend in BACKENDS:
        with tempfile.TemporaryDirectory() as name, _database(backend, Path(name)) as database:
            asyncio.run(_shared(backend, database, Path(name)))
    _print_starts()


async def _files(folder: Path) -> None:
    pack = _pack(folder)
    store = FilesystemRuleStore(pack, None, folder / "data")
    async with _watching(store) as (watched, live):
        with _load(live):
            _print(
                "filesystem", "file saved, rule in force", [seconds for seconds, *_ in await _saves(pack, [watched])]
            )
            _print("filesystem", "state set, in force", [seconds for seconds, *_ in await _orders(store, [watched])])


async def _shared(backend: str, database: Database, folder: Path) -> None:
    """One program has the files, another one follows; both have stores of their own on one database."""
    pack = _pack(folder)
    store = DatabaseRuleStore(database, mirror=FilesystemRuleStore(pack, None, folder / "data"))
    async with _watching(store) as (watched, live), _watching(DatabaseRuleStore(database)) as (follower, _):
        with _load(live):
            saved = await _saves(pack, [watched, follower])
            _print(backend, "file saved, rule in force", [here for here, _ in saved])
            _print(backend, "the same in a follower", [there for _, there in saved])
            ordered = await _orders(store, [watched, follower])
            _print(backend, "state set, in force", [here for here, _ in ordered])
            _print(backend, "the same in a follower", [there for _, there in ordered])


async def _saves(pack: Path, readers: list[Watched]) -> list[tuple[float, ...]]:
    """Seconds from before each save to when each reader has the rule in force."""
    taken = []
    for number in range(SAVES):
        await _pause(number)
        begun = time.perf_counter()
        save(pack, rule_text(RULE, version=number + 2, word=f"zz{number}"))
        taken.append(tuple([await reader.in_force(version=number + 2) - begun for reader in readers]))
    return taken


async def _orders(store: RuleStore, readers: list[Watched]) -> list[tuple[float, ...]]:
    """Seconds from before each order to when each reader has the state in force."""
    taken = []
    for number in range(ORDERS):
        await _pause(number)
        begun = time.perf_counter()
        await store.set_state(RULE, RuleState("disabled", reason=f"order {number}", set_at=SystemClock().now()))
        taken.append(tuple([await reader.in_force(reason=f"order {number}") - begun for reader in readers]))
    return taken


async def _pause(number: int) -> None:
    """Whoever polls is met at any moment."""
    await asyncio.sleep(random.Random(number).uniform(0, LONGEST_PAUSE_S))


@asynccontextmanager
async def _watching(store: RuleStore) -> AsyncIterator[tuple[Watched, LiveRules]]:
    watched = Watched()
    try:
        async with watch_store(store, on_change=watched.note) as live:
            yield watched, live
    finally:
        await store.aclose()


@contextmanager
def _load(live: LiveRules) -> Iterator[None]:
    """Events are evaluated meanwhile, without a pause."""
    stop = threading.Event()
    events = [a_command(text, at=NOON + number * SECOND) for number, text in enumerate(texts(2_000))]

    def evaluate() -> None:
        while not stop.is_set():
            for event in events:
                live.tag(event)
                if stop.is_set():
                    return

    thread = threading.Thread(target=evaluate)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _database(backend: str, folder: Path) -> Iterator[Database]:
    if backend != "sqlite":
        with ready_database(backend) as database:
            yield database
        return
    database = open_database(f"sqlite:///{folder / 'decnet.sqlite'}")
    yield database
    database.close()


def _pack(folder: Path) -> Path:
    """A copy of the shipped pack with more rules of the same kinds, and the one that changes."""
    pack = folder / "pack"
    shutil.copytree(default_rules_folder() / "ttp", pack / "ttp")
    shipped = sorted((pack / "ttp").iterdir())
    for number, path in enumerate(shipped[: max(0, PACK_RULES - 1 - len(shipped))]):
        copied = path.read_text("utf-8").replace(path.stem, f"R{9000 + number}")
        save(pack, copied.replace("\nname: ", "\nname: copy_of_", 1), f"R{9000 + number}.yaml")
    save(pack, rule_text(RULE))
    return pack


def _print(store: str, what: str, seconds: list[float]) -> None:
    times = sorted(1e3 * second for second in seconds)
    p95 = times[len(times) * 95 // 100 - 1]
    median = statistics.median(times)
    print(f"  {store:<11} {what:<26} median {median:>6.1f} ms, p95 {p95:>6.1f} ms, max {times[-1]:>6.1f} ms")


def _print_starts() -> None:
    """Processes of their own, since patterns are remembered: with an empty cache, then with a full one."""
    starts: dict[str, list[list[float]]] = {"cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as name:
        pack = _pack(Path(name))
        for number in range(STARTS):
            for figures in starts.values():
                command = [sys.executable, "-c", _START, str(pack), f"{name}/data"]
                environment = os.environ | {"XDG_CACHE_HOME": f"{name}/cache{number}"}
                done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                figures.append([float(figure) for figure in done.stdout.split()])
    for kind, figures in starts.items():
        read, built, read_cpu, built_cpu, compiled = map(statistics.median, zip(*figures, strict=True))
        whole = [one[0] + one[1] for one in figures]
        print(
            f"  {PACK_RULES} rules ready, {kind}: median {statistics.median(whole):.2f} s (min {min(whole):.2f}, "
            f"max {max(whole):.2f}, {STARTS} processes; rules {read:.2f}, index {built:.2f}; "
            f"CPU {read_cpu:.2f} and {built_cpu:.2f}; databases {compiled:.2f} in the background)"
        )


if __name__ == "__main__":
    main()
