"""Cowrie log to stored tags, the direct mode: lines per second and peak memory of a process of its own.

``python -m bench.direct`` prints them, and where the time goes: what the copy that reads ahead and the process that
stores do with each batch, one after the other in one process. Each step counts with the least that it took in any run,
since the machine is shared. ``python -m bench.direct 1000000`` prints how fast it is on so many stored tags, beside
runs on an empty database.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.cowrie_log import lines
from decnet.telemetry import install_tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = 100_000
RUNS = 5
FILLED_BY = 400_000
"""Lines of each log by which a database is filled; they hold fewer sessions than :data:`_SESSIONS_OF_LOG`."""
_SESSIONS_OF_LOG = 60_000
STEP_RUNS = 3
_COPY_SPANS = {
    "tags": "ttp.tag",
    "attribution": "attribution.foresee",
    "preparing, sending": "intake.prepare",
}
_FIRST_SPANS = {
    "whole sessions": ["ttp.sessions"],
    "events": ["db.events.insert"],
    "states and findings": ["db.attribution.write"],
    "tags and roll-ups": ["db.tags.insert", "db.tags.rollups"],
}
COPY_STEPS = ("reading", *_COPY_SPANS)
FIRST_STEPS = ("receiving", *_FIRST_SPANS, "the rest and commit")
Spent = dict[str, float]
"""CPU seconds per step of one batch."""


class Figures(NamedTuple):
    """What one run told."""

    rate: float
    rate_cpu: float
    tags: int
    memory_mb: float


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "cowrie.json"
        log.write_text("\n".join(lines(LINES)) + "\n")
        runs = [_run(log, Path(folder) / f"data{number}") for number in range(RUNS)]
        again = _run(log, Path(folder) / "data0", "--again")
        spent = _least([_batches_of(log, Path(folder) / f"steps{number}") for number in range(STEP_RUNS)])
    print(f"direct mode, {LINES:,} lines of a synthetic Cowrie log, empty SQLite, {runs[0].tags:,} tags")
    print(f"  lines per second      {_spread([run.rate for run in runs])}")
    print(f"  lines per CPU second  {_spread([run.rate_cpu for run in runs])}")
    print(f"  peak memory           {max(run.memory_mb for run in runs):,.0f} MB")
    print(f"  second run            {again.tags:,} new tags, {again.rate:,.0f} lines per second")
    for process, steps in (("copy", COPY_STEPS), ("first process", FIRST_STEPS)):
        told = ", ".join(f"{name} {spent[name]:.1f}" for name in steps)
        print(f"  µs of a line, {process}: {told}; {sum(spent[name] for name in steps):.1f} in all")


def on_tags(count: int) -> None:
    """Print how fast it is on ``count`` tags, in turn with runs on nothing."""
    with tempfile.TemporaryDirectory() as folder:
        log, full = Path(folder) / "cowrie.json", Path(folder) / "full"
        stored = number = 0
        while stored < count:
            log.write_text("\n".join(lines(FILLED_BY, number, after=number * _SESSIONS_OF_LOG)) + "\n")
            stored += _run(log, full).tags
            number += 1
        empty, filled = list[Figures](), list[Figures]()
        for turn in range(RUNS):
            log.write_text("\n".join(lines(LINES, number, after=number * _SESSIONS_OF_LOG)) + "\n")
            number += 1
            empty.append(_run(log, Path(folder) / f"data{turn}"))
            filled.append(_run(log, full))
    print(f"direct mode, {LINES:,} lines at a time")
    print(f"  lines per second, empty               {_spread([run.rate for run in empty])}")
    print(f"  lines per second, {stored:,} tags or more {_spread([run.rate for run in filled])}")


def _spread(figures: list[float]) -> str:
    return f"median {statistics.median(figures):,.0f} (min {min(figures):,.0f}, max {max(figures):,.0f}, {RUNS} runs)"


def _run(log: Path, data: Path, *options: str) -> Figures:
    """One run in a child process."""
    environment = os.environ | {"DECNET_DATA_DIR": str(data)}
    child = [sys.executable, "-m", "bench.direct", str(log), *options]
    return Figures(**json.loads(subprocess.run(child, env=environment, check=True, capture_output=True).stdout))


def _child(log: str, *, again: bool) -> None:
    from decnet.cli.tagging import open_direct

    before = _cpu_seconds()
    with open_direct() as direct:
        report = direct.read(log, again=again)
    print(
        json.dumps(
            {
                "rate": report.lines / report.seconds,
                "rate_cpu": report.lines / (_cpu_seconds() - before),
                "tags": report.new_tags,
                "memory_mb": _peak_mb(),
            }
        )
    )


def _batches_of(log: Path, data: Path) -> list[Spent]:
    """What each step took of each batch, in a child process."""
    environment = os.environ | {"DECNET_DATA_DIR": str(data)}
    child = [sys.executable, "-m", "bench.direct", str(log), "--steps"]
    found: list[Spent] = json.loads(subprocess.run(child, env=environment, check=True, capture_output=True).stdout)
    return found


def _least(runs: list[list[Spent]]) -> Spent:
    """µs per line of each step, of each batch the least."""
    batches = [{name: min(spent[name] for spent in same) for name in same[0]} for same in zip(*runs, strict=True)]
    return {name: sum(batch[name] for batch in batches) / LINES * 1e6 for name in batches[0]}


def _steps(log: str) -> None:
    """What the copy and the process that stores do with each batch, one after the other, and how long it takes."""
    from decnet.cli.tagging import open_direct
    from decnet.workers.ahead import packed_batch, received
    from decnet.workers.foreseen import Foresight
    from decnet.workers.logs import FileReport

    timer, report, spent = _Timer(), FileReport(log), list[Spent]()
    install_tracing(timer.span)
    with open_direct() as direct:
        while direct._may_copy is not None and not direct._may_copy():
            time.sleep(0.05)
        direct._foresight = Foresight(direct.database)
        timer.lap()
        for ready in direct.prepared(log, again=False):
            copied = {name: timer.spans[span] for name, span in _COPY_SPANS.items()}
            copied["reading"] = timer.lap() - sum(copied.values())
            packed = packed_batch(ready)
            copied["preparing, sending"] += timer.lap()
            there = received(packed)
            first = {"receiving": timer.lap()}
            direct.take(there, report)
            first |= {name: sum(timer.spans[span] for span in spans) for name, spans in _FIRST_SPANS.items()}
            first["the rest and commit"] = timer.lap() - sum(list(first.values())[1:])
            spent.append(copied | first)
            timer.spans.clear()
    print(json.dumps(spent))


class _Timer:
    """CPU seconds of this process: since the last lap, and within spans of each name."""

    def __init__(self) -> None:
        self.spans: defaultdict[str, float] = defaultdict(float)
        self._lap = time.process_time()

    def lap(self) -> float:
        began, self._lap = self._lap, time.process_time()
        return self._lap - began

    @contextmanager
    def span(self, name: str, **_: object) -> Iterator[None]:
        began = time.process_time()
        yield
        self.spans[name] += time.process_time() - began


def _cpu_seconds() -> float:
    """Of this process and its copy, once that is over."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mb() -> float:
    """The most memory that this program held; ``ru_maxrss`` would count what its parent held when it was started."""
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    if "--steps" in sys.argv:
        _steps(sys.argv[1])
    elif len(sys.argv) > 1 and sys.argv[1].isdecimal():
        on_tags(int(sys.argv[1]))
    elif len(sys.argv) > 1:
        _child(sys.argv[1], again="--again" in sys.argv)
    else:
        main()
