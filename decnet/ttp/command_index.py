"""Which ``exec`` terms of all rules are true on the commands of a text."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from decnet.ttp.condition import Leaf
from decnet.ttp.exec_term import TEXTS, checks_of
from decnet.ttp.match import find_pattern
from decnet.ttp.scan import scanner_of
from decnet.ttp.trigger import pattern_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from decnet.ttp.exec_term import Check, ExecTerm, SimpleCommandView, Texts
    from decnet.ttp.scan import Engine
    from decnet.ttp.scan_cache import ScanCache

Awake = tuple[tuple[int, tuple["Check", ...]], ...]
"""Numbers of terms to look at, each with what is left to check once its trigger was seen."""
Patterns = dict[str, list[int]]
"""Patterns that wake terms, with the numbers of these."""

COMMON = 0.1
"""The expected share of texts above which a pattern is no trigger: to look at its terms costs less than to find it."""
FEW = 6
"""So many patterns are searched one by one in the time that a scanner takes."""
REMEMBERED_NAMES = 4_096
MAX_REMEMBERED_CHARS = 128
"""What is longer is no name but an attack on memory."""
PLAIN = frozenset({"args", "path"})
"""Parts that every command has; the others are redirections and assignments, which few have."""


class _Scan(NamedTuple):
    """A search for triggers in one part of a command; ``woken`` is in the order of the scanner's patterns."""

    texts: Texts
    propose: Callable[[bytes], list[int]]
    woken: tuple[Awake, ...]


class _Program(NamedTuple):
    """The terms that wait for a program: by what else must be there before they are looked at."""

    awake: Awake = ()
    by_args: Awake = ()
    by_more: Awake = ()
    scans: tuple[_Scan, ...] = ()


class CommandIndex:
    """All distinct ``exec`` terms of a pack. A term is looked at when its trigger was seen in a command.

    Terms that name programs wait for these, and each program with many of them has its arguments scanned for their
    patterns. The other terms wait for their rarest pattern; those without one are tried on every command.
    """

    def __init__(self, terms: Sequence[ExecTerm], engine: Engine | None = None, cache: ScanCache | None = None) -> None:
        self._terms = terms
        self._engine = engine
        self._cache = cache
        by_program: dict[str, list[int]] = {}
        by_part: dict[str, Patterns] = {}
        always: list[int] = []
        for number, term in enumerate(terms):
            part, pattern = _rarest(term.patterns)
            if term.programs:
                for program in term.programs:
                    by_program.setdefault(program, []).append(number)
            elif pattern:
                by_part.setdefault(part, {}).setdefault(pattern, []).append(number)
            else:
                always.append(number)
        programs = {numbers: self._program(numbers) for numbers in {tuple(numbers) for numbers in by_program.values()}}
        scans = {part: self._scan(part, patterns) for part, patterns in sorted(by_part.items())}
        self._by_program = {program: programs[tuple(numbers)] for program, numbers in by_program.items()}
        self._by_args = tuple(scan for part, scan in scans.items() if part == "args")
        self._by_path = tuple(scan for part, scan in scans.items() if part == "path")
        self._by_more = tuple(scan for part, scan in scans.items() if part not in PLAIN)
        self._always = self._woken(always)
        self._named = lru_cache(maxsize=REMEMBERED_NAMES)(self._of_name)

    def find(self, commands: Sequence[SimpleCommandView]) -> dict[int, SimpleCommandView]:
        """Numbers of the terms that are true, each with the first command that it is true for."""
        found: dict[int, SimpleCommandView] = {}
        for command in commands:
            named = self._named if len(command.path) <= MAX_REMEMBERED_CHARS else self._of_name
            awake, by_args, by_more, scans = named(command.program, command.path)
            if command.args:
                awake += by_args + _woken_by(scans, command.args)
            if command.redirects or command.assignments:
                awake += by_more
                for scan in self._by_more:
                    for text in scan.texts(command):
                        awake += _woken_by((scan,), text)
            for number, checks in awake:
                if number not in found:
                    for check in checks:
                        if not check(command):
                            break
                    else:
                        found[number] = command
        return found

    def _of_name(self, program: str, path: str) -> _Program:
        """What waits for a command of that name; names repeat far more than lines do."""
        own = self._by_program.get(program, _Program())
        awake = self._always + own.awake + _woken_by(self._by_path, path)
        return own._replace(awake=awake, scans=self._by_args + own.scans)

    def _program(self, numbers: Iterable[int]) -> _Program:
        """How the terms of these numbers, which name one program, wait for what else they ask."""
        waiting: dict[str, list[int]] = {"": [], "args": [], "more": []}
        patterns: Patterns = {}
        for number in numbers:
            parts = dict(self._terms[number].patterns)
            pattern = parts.get("args", "")
            if parts.keys() - PLAIN:
                waiting["more"].append(number)
            elif not pattern or find_pattern(pattern)(b"") is not None:
                waiting[""].append(number)
            elif pattern_share(pattern) > COMMON:
                waiting["args"].append(number)
            else:
                patterns.setdefault(pattern, []).append(number)
        if len(patterns) < FEW:
            waiting["args"] += [number for woken in patterns.values() for number in woken]
            patterns = {}
        scans = (self._scan("args", patterns),) if patterns else ()
        awake, by_args, by_more = map(self._woken, waiting.values())
        return _Program(awake, by_args, by_more, scans)

    def _scan(self, name: str, patterns: Patterns) -> _Scan:
        leaves = {place: Leaf(name, "pattern", (pattern,)) for place, pattern in enumerate(patterns)}
        scanner = scanner_of(leaves, self._engine, self._cache)
        woken = tuple(
            self._woken(numbers, (name, pattern) if place in scanner.exact else None)
            for place, (pattern, numbers) in enumerate(patterns.items())
        )
        return _Scan(TEXTS[name], scanner.propose, woken)

    def _woken(self, numbers: Iterable[int], seen: tuple[str, str] | None = None) -> Awake:
        """The terms of these numbers with what is left to check where their program and ``seen`` are there."""
        terms = {number: self._terms[number] for number in numbers}
        return tuple(
            (number, checks_of(replace(term, programs=frozenset(), patterns=_without(seen, term.patterns))))
            for number, term in terms.items()
        )


def _rarest(patterns: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Part and pattern of the best trigger; an empty pattern where none is rare enough."""
    shares = {part: _share(*part) for part in patterns}
    best = min(shares, key=shares.__getitem__, default=("", ""))
    return best if shares.get(best, 1) <= COMMON else ("", "")


def _share(part: str, pattern: str) -> float:
    """How common a pattern is expected to be; one of a path is looked for once per name, so it may be common."""
    return min(pattern_share(pattern), COMMON if part == "path" else 1)


def _woken_by(scans: Iterable[_Scan], text: str) -> Awake:
    """What the patterns in ``text`` wake; no pattern is looked for in an empty text."""
    awake: Awake = ()
    if text:
        data = text.encode()
        for _, propose, woken in scans:
            for pattern in propose(data):
                awake += woken[pattern]
    return awake


def _without(seen: tuple[str, str] | None, patterns: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(part for part in patterns if part != seen)
