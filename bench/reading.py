"""Command lines through the shell view and the shipped rules, nothing remembered; and texts made to be slow.

The lines are those of the development set (``../shared/bench/dev/honeypot_cmds.jsonl``) where it is there, each
distinct one once, else those of the recording that ships.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.models.text import canonical_text
from decnet.shell import unroll
from decnet.ttp.engine import RuleEngine
from decnet.ttp.store.filesystem import load_pack
from tests.shell.hostile import hostile_texts

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parent.parent
DEVELOPMENT_SET = PROJECT.parent / "shared" / "bench" / "dev" / "honeypot_cmds.jsonl"
RECORDING = PROJECT / "demo" / "cowrie.json"
RUNS = 5


def main() -> None:
    """Print the figures."""
    texts = command_texts()
    pack = load_pack()
    engine = RuleEngine(pack, remembered=0)
    index = engine.index
    views = {text: unroll(text).commands for text in texts}
    found = sum(len(engine.read(text).findings) for text in texts) / len(texts)
    print(f"reading, {len(texts):,} distinct lines, {len(pack.rules)} rules, nothing remembered, one core, CPU time")
    steps: dict[str, Callable[[str], object]] = {
        "shell view alone": unroll,
        "match alone": lambda text: index.match("command", {"command_text": text}, views[text]),
        "shell view and match": lambda text: index.match("command", {"command_text": text}, unroll(text).commands),
        f"with the evidence of {found:.2f} findings": engine.read,
    }
    for name, step in steps.items():
        rates = [len(texts) / _seconds(step, texts) for _ in range(RUNS)]
        spread = f"min {min(rates):,.0f}, max {max(rates):,.0f}"
        print(f"  {name:<36} {statistics.median(rates):>8,.0f} lines/s ({spread}); {_latencies(step, texts)}")
    remembering = RuleEngine(pack)
    for text in [*texts, *texts]:
        remembering.read(text)
    memory = remembering.memory
    rate = len(texts) / _seconds(remembering.read, texts)
    print(
        f"  remembered                           {rate:>8,.0f} lines/s ({memory.hits:,} known, {memory.misses:,} not)"
    )
    _print_hostile(engine)
    _print_start()


def command_texts() -> list[str]:
    """Distinct command lines in the order in which they were first typed."""
    source = DEVELOPMENT_SET if DEVELOPMENT_SET.exists() else RECORDING
    key = "text" if source is DEVELOPMENT_SET else "input"
    with source.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return list(dict.fromkeys(canonical_text(row[key]) for row in rows if key in row))


def _print_hostile(engine: RuleEngine) -> None:
    for size in (2_000, 65_536):
        texts = {piece: canonical_text(text)[:size] for piece, text in hostile_texts(size).items()}
        slowest = sorted(((_milliseconds(engine, text), piece) for piece, text in texts.items()), reverse=True)[:3]
        shown = ", ".join(f"{time_ms:.1f} ms {piece!r}" for time_ms, piece in slowest)
        print(f"  slowest of {len(texts)} hostile texts of {size:,} characters, whole path: {shown}")


def _print_start() -> None:
    """A process of its own, since patterns are remembered: wall time with an empty cache, then with a full one."""
    code = (
        "from time import perf_counter as clock; from decnet.ttp.engine import RuleEngine; "
        "from decnet.ttp.store.filesystem import load_pack; begun = clock(); pack = load_pack(); read = clock(); "
        "RuleEngine(pack); print(read - begun, clock() - read)"
    )
    starts: list[list[tuple[float, float]]] = [[], []]
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            for kind in starts:
                shown = subprocess.run(
                    [sys.executable, "-c", code],
                    env={**os.environ, "XDG_CACHE_HOME": folder},
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
                read, compiled = map(float, shown.split())
                kind.append((read, compiled))
    (read, first), (read_again, again) = (map(statistics.median, zip(*kind, strict=True)) for kind in starts)
    print(
        f"  ready with an empty cache in {read + first:.2f} s (rules {read:.2f}, databases {first:.2f}), "
        f"with a full one in {read_again + again:.2f} s ({read_again:.2f}, {again:.2f})"
    )


def _milliseconds(engine: RuleEngine, text: str) -> float:
    """CPU time: a shared machine takes the processor away for longer than most texts need."""
    times = []
    for _ in range(RUNS):
        begun = time.process_time()
        engine.read(text)
        times.append((time.process_time() - begun) * 1_000)
    return statistics.median(times)


def _seconds(step: Callable[[str], object], texts: list[str]) -> float:
    """CPU seconds: the machine is shared."""
    begun = time.process_time()
    for text in texts:
        step(text)
    return time.process_time() - begun


def _latencies(step: Callable[[str], object], texts: list[str]) -> str:
    times = []
    for text in texts:
        begun = time.process_time_ns()
        step(text)
        times.append((time.process_time_ns() - begun) / 1_000)
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return f"p50 {p50:.0f}, p99 {p99:.0f}, max {times[-1]:,.0f} µs"


if __name__ == "__main__":
    main()
