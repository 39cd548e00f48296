"""The matcher: events decoded and matched per second at 60, 600 and 6,000 text rules, against a loop over ``re``.

The further rules hit nothing, so that hits are equal at every size. No result is remembered between events.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from typing import TYPE_CHECKING

import msgspec

from bench.text_rules import exec_pack, pack, patterns, texts
from decnet.shell import unroll
from decnet.ttp.index import RuleIndex
from decnet.ttp.naive import NaiveIndex
from decnet.ttp.scan_cache import ScanCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from decnet.shell import SimpleCommand

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
    print(f"matcher, {EVENTS:,} command lines, decoded and matched, nothing remembered; medians of {RUNS}, one core")
    for size in SIZES:
        _print_speed(indexes[size], lines)
        _print_start_and_engines(size, lines)
    by_size = [[_seconds_per_event(index, lines) for index in indexes.values()] for _ in range(RUNS)]
    growth = statistics.median(run[-1] / run[0] for run in by_size)
    print(f"  growth from {SIZES[0]} to {SIZES[-1]:,} rules at equal hits: {growth:.2f} x")
    _print_commands()


def _print_commands() -> None:
    """The same through the shell view, with ``exec`` rules."""
    some = texts(EVENTS // 5)
    indexes = {size: RuleIndex(exec_pack(size), cache=ScanCache()) for size in SIZES}
    views = {text: unroll(text).commands for text in some}
    print(f"shell view and exec rules, {len(some):,} command lines, nothing remembered; medians of {RUNS}, one core")
    medians = {}
    for size, index in indexes.items():
        whole, alone = [], []
        for _ in range(RUNS):
            whole.append(_seconds(index, some, lambda text: unroll(text).commands))
            alone.append(_seconds(index, some, views.__getitem__))
        medians[size] = statistics.median(alone)
        hits = sum(len(index.match("command", {}, view)) for view in views.values()) / len(views)
        print(
            f"  {size:>5} rules  {1 / statistics.median(whole):,.0f} lines/s with the view, {1 / medians[size]:,.0f} "
            f"lines/s match alone; {hits:.2f} hits per line"
        )
    print(f"  growth of match from {SIZES[0]} to {SIZES[-1]:,} rules: {medians[SIZES[-1]] / medians[SIZES[0]]:.2f} x")


def _seconds(index: RuleIndex, some: list[str], view: Callable[[str], Sequence[SimpleCommand]]) -> float:
    start = time.process_time()
    for text in some:
        index.match("command", {"command_text": text}, view(text))
    return (time.process_time() - start) / len(some)


def _one_run(index: RuleIndex, lines: list[bytes]) -> tuple[float, float, float]:
    """Seconds per event by the index, by a loop, and by a loop that also reads the line with ``json``.

    In small turns, so that a busy moment of the machine hits all.
    """
    size = len(index.pack.rules)
    searches = [re.compile(pattern).search for pattern in patterns(size)]
    by_index = by_loop = by_json_and_loop = 0.0
    for start in range(0, EVENTS, EVENTS // TURNS):
        some = lines[start : start + EVENTS // TURNS]
        by_index += _seconds_per_event(index, some) / TURNS
        few = some[: NAIVE_EVENTS[size] // TURNS]
        by_loop += _loop_seconds(searches, [_decode(line).input for line in few]) / TURNS
        by_json_and_loop += _loop_seconds(searches, few) / TURNS
    return by_index, by_loop, by_json_and_loop


def _print_speed(index: RuleIndex, lines: list[bytes]) -> None:
    runs = [_one_run(index, lines) for _ in range(RUNS)]
    taken = [by_index for by_index, _, _ in runs]
    seconds = statistics.median(taken)
    loop_seconds = statistics.median(by_loop for _, by_loop, _ in runs)
    ratio = statistics.median(by_loop / by_index for by_index, by_loop, _ in runs)
    json_ratio = statistics.median(by_json / by_index for by_index, _, by_json in runs)
    hits = sum(len(index.match("command", {"command_text": _decode(line).input})) for line in lines)
    print(
        f"  {len(index.pack.rules):>5} rules  {1 / seconds:,.0f} events/s (min {1 / max(taken):,.0f}, max "
        f"{1 / min(taken):,.0f}); {ratio:,.1f} x a re loop at {1 / loop_seconds:,.0f}/s, "
        f"{json_ratio:,.1f} x json and that loop; "
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


def _loop_seconds(searches: Sequence[Callable[[str], object]], events: Sequence[str | bytes]) -> float:
    """The naive way: each pattern in turn, on text, or on lines that ``json`` reads first."""
    start = time.process_time()
    for event in events:
        text = event if isinstance(event, str) else json.loads(event)["input"]
        [number for number, search in enumerate(searches) if search(text)]
    return (time.process_time() - start) / len(events)


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
