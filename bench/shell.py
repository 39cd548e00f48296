"""Speed of the shell view: ``python -m bench.shell FILE.jsonl`` (field ``text``), each distinct text once.

Without a file: the slowest of many hostile texts of 2,000 and of 65,536 characters.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from time import perf_counter

from decnet.shell import unroll
from tests.shell.fuzz import PIECES

_ROUNDS = 7
MORE = (
    "(x);",
    "(x);a|",
    "a(){ a;};",
    "echo id|sh|",
    "a=$a$a;",
    "a=$a$a;sh -c ",
    "{1..99}",
    "$(a)",
    "x)",
    "a=(b);",
    '"$(',
)


def main(path: Path) -> None:
    with path.open(encoding="utf-8") as lines:
        texts = list(dict.fromkeys(json.loads(line)["text"] for line in lines))
    for text in texts:
        unroll(text)
    rates = []
    for _ in range(_ROUNDS):
        begun = perf_counter()
        for text in texts:
            unroll(text)
        rates.append(len(texts) / (perf_counter() - begun))
    times = []
    for text in texts:
        begun = perf_counter()
        unroll(text)
        times.append((perf_counter() - begun) * 1e6)
    times.sort()
    commands = sum(len(unroll(text).commands) for text in texts)
    print(f"{path.name}: {len(texts)} texts, {commands} commands in the view")
    print(f"texts per second: median {statistics.median(rates):,.0f}, best {max(rates):,.0f}")
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    print(f"µs per text: p50 {p50:.1f}, p99 {p99:.1f}, max {times[-1]:.1f}")


def hostile() -> None:
    pieces = [*PIECES, *(f"{piece};" for piece in PIECES), *(f"{piece} a|" for piece in PIECES), *MORE]
    for size in (2_000, 65_536):
        worst = []
        for piece in pieces:
            text = (piece * size)[:size]
            best = min(_milliseconds(text) for _ in range(_ROUNDS))
            worst.append((best, piece))
        worst.sort(reverse=True)
        shown = ", ".join(f"{time:.2f} ms {piece!r}" for time, piece in worst[:5])
        print(f"{size} characters, {len(worst)} texts: {shown}")


def _milliseconds(text: str) -> float:
    begun = perf_counter()
    unroll(text)
    return (perf_counter() - begun) * 1e3


if __name__ == "__main__":
    if not sys.argv[1:]:
        hostile()
    for name in sys.argv[1:]:
        main(Path(name))
