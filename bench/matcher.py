"""The matcher: events decoded and matched per second at 60, 600 and 6,000 text rules, against a loop over ``re``.

The further rules hit nothing, so that hits are equal at every size. No result is remembered between events.
"""

from __future__ import annotations

import re
import statistics
import time
from typing import TYPE_CHECKING

import msgspec

from bench.text_rules import pack, patterns, texts
from decnet.ttp.index import RuleIndex
from decnet.ttp.naive import NaiveIndex
from decnet.ttp.scan_cache import ScanCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SIZES = (60, 600, 6_000)
EVENTS = 20_000
RUNS = 5
TURNS = 20
NAIVE_EVENTS = {60: 4_000, 600: 600, 6_000: 60}
"""How many events the slow ways get, per size."""


class Line(msgspec.Struct, gc=False):
    """What a matcher needs of a Cowrie line."""

    eventid: str
    session: str
    src_ip: str
    timestamp: str
    input: str = ""


def main() -> None:
    """Print the figures."""
    lines = list(_lines())
    indexes = {size: RuleIndex(pack(size), cache=ScanCache()) for size in SIZES}
    taken: dict[int, list[float]] = {size: [] for size in SIZES}
    loops: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(RUNS):
        for size, (index_seconds, loop_seconds) in _one_run(indexes, lines).items():
            taken[size].append(index_seconds)
            loops[size].append(loop_seconds)
    print(f"matcher, {EVENTS:,} command lines, decoded and matched, nothing remembered; medians of {RUNS}, one core")
    for size in SIZES:
        _print_speed(indexes[size], taken[size], loops[size], lines)
        _print_start_and_engines(size, lines)
    growth = statistics.median(taken[SIZES[-1]]) / statistics.median(taken[SIZES[0]])
    print(f"  growth from {SIZES[0]} to {SIZES[-1]:,} rules at equal hits: {growth:.2f} x")


def _one_run(indexes: dict[int, RuleIndex], lines: list[bytes]) -> dict[int, tuple[float, float]]:
    """Seconds per event by the index and by a loop, per size; in small turns, so that a busy moment hits all alike."""
    loops = {size: [re.compile(pattern).search for pattern in patterns(size)] for size in indexes}
    sums = dict.fromkeys(indexes, (0.0, 0.0))
    for start in range(0, EVENTS, EVENTS // TURNS):
        some = lines[start : start + EVENTS // TURNS]
        for size, index in indexes.items():
            by_index, by_loop = sums[size]
            by_index += _seconds_per_event(index, some) / TURNS
            sums[size] = by_index, by_loop + _loop_seconds(loops[size], some[: NAIVE_EVENTS[size] // TURNS]) / TURNS
    return sums


def _print_speed(index: RuleIndex, taken: list[float], loop: list[float], lines: list[bytes]) -> None:
    seconds, loop_seconds = statistics.median(taken), statistics.median(loop)
    hits = sum(len(index.match("command", {"command_text": _decode(line).input})) for line in lines)
    print(
        f"  {len(index.pack.rules):>5} rules  {1 / seconds:,.0f} events/s (min {1 / max(taken):,.0f}, max "
        f"{1 / min(taken):,.0f}); {loop_seconds / seconds:,.0f} x a re loop at {1 / loop_seconds:,.0f}/s; "
        f"{hits / len(lines):.2f} hits per event"
    )
    print(f"               {_latencies(index, lines)}")


def _print_start_and_engines(size: int, lines: list[bytes]) -> None:
    """Start with and without the cache, RE2 alone, and each term of each rule by itself."""
    rules = pack(size)
    clock = time.perf_counter
    start = clock()
    RuleIndex(rules)
    built = clock() - start
    start = clock()
    RuleIndex(rules, cache=ScanCache())
    loaded = clock() - start
    re2_alone = _seconds_per_event(RuleIndex(rules, "re2"), lines[: 20 * NAIVE_EVENTS[size]])
    naive = _seconds_per_event(NaiveIndex(rules), lines[: NAIVE_EVENTS[size]])
    print(
        f"               ready in {built:.2f} s, from the cache in {loaded:.3f} s; without Hyperscan "
        f"{1 / re2_alone:,.0f} events/s; every term by RE2 {1 / naive:,.0f}/s"
    )


_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


def _lines() -> Iterator[bytes]:
    for number, text in enumerate(texts(EVENTS)):
        yield _encode(
            {
                "eventid": "cowrie.command.input",
                "input": text,
                "message": f"CMD: {text}",
                "sensor": "svr04",
                "timestamp": "2026-11-01T04:13:22.512000Z",
                "src_ip": f"198.51.100.{number % 250}",
                "session": f"{number:012x}",
            }
        )


def _seconds_per_event(index: RuleIndex | NaiveIndex, lines: list[bytes]) -> float:
    match = index.match
    decode = _decode
    start = time.process_time()
    for line in lines:
        match("command", {"command_text": decode(line).input})
    return (time.process_time() - start) / len(lines)


def _loop_seconds(searches: Sequence[Callable[[str], object]], lines: list[bytes]) -> float:
    """The naive way: each pattern in turn. Without decoding, which is in its favour."""
    texts_ = [_decode(line).input for line in lines]
    start = time.process_time()
    for text in texts_:
        [number for number, search in enumerate(searches) if search(text)]
    return (time.process_time() - start) / len(texts_)


def _latencies(index: RuleIndex, lines: list[bytes]) -> str:
    clock = time.perf_counter_ns
    taken = []
    for line in lines:
        start = clock()
        index.match("command", {"command_text": _decode(line).input})
        taken.append(clock() - start)
    taken.sort()
    p50, p99, most = (taken[int(len(taken) * share)] / 1_000 for share in (0.5, 0.99, 0.99999))
    return f"per event p50 {p50:.1f} µs, p99 {p99:.1f} µs, max {most:.0f} µs"


if __name__ == "__main__":
    main()
