"""Command lines through the shell view and the shipped rules, nothing remembered; and texts made to be slow.

The lines are those of the development set (``../shared/bench/dev/honeypot_cmds.jsonl``) where it is there, each
distinct one once, else those of the recording that ships.
"""

from __future__ import annotations

import json
import statistics
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
    print(f"reading, {len(texts):,} distinct command lines, {len(pack.rules)} rules, nothing remembered, one core")
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


def _milliseconds(engine: RuleEngine, text: str) -> float:
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        engine.read(text)
        times.append((time.perf_counter() - begun) * 1_000)
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
        begun = time.perf_counter_ns()
        step(text)
        times.append((time.perf_counter_ns() - begun) / 1_000)
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return f"p50 {p50:.0f}, p99 {p99:.0f}, max {times[-1]:,.0f} µs"
