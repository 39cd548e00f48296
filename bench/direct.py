"""Cowrie log to stored tags, the direct mode: lines per second and peak memory of a process of its own."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.cowrie_log import lines

LINES = 100_000
RUNS = 5


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
    print(f"direct mode, {LINES:,} lines of a synthetic Cowrie log, empty SQLite, {runs[0].tags:,} tags")
    print(f"  lines per second      {_spread([run.rate for run in runs])}")
    print(f"  lines per CPU second  {_spread([run.rate_cpu for run in runs])}")
    print(f"  peak memory           {max(run.memory_mb for run in runs):,.0f} MB")
    print(f"  second run            {again.tags:,} new tags, {again.rate:,.0f} lines per second")


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


def _cpu_seconds() -> float:
    """Of this process and its copy, once that is over."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mb() -> float:
    """The most memory that this program held; ``ru_maxrss`` would count what its parent held when it was started."""
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _child(sys.argv[1], again="--again" in sys.argv)
    else:
        main()
