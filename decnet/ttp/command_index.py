"""Which ``exec`` terms of all rules are true on the commands of a text."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from decnet.ttp.condition import Leaf
from decnet.ttp.exec_term import TEXTS, checks_of
from decnet.ttp.exec_trigger import ARGS, ASSIGNS, PATH, PLACES, TARGET, triggers_of_terms
from decnet.ttp.match import find_pattern
from decnet.ttp.scan import scanners_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from decnet.ttp.exec_term import Check, ExecTerm, SimpleCommandView
    from decnet.ttp.exec_trigger import Search
    from decnet.ttp.scan import Engine, Scanner
    from decnet.ttp.scan_cache import ScanCache

Awake = tuple[tuple[int, tuple["Check", ...]], ...]
"""Numbers of terms to look at, each with what is left to check once its trigger was seen."""
Waiting = tuple[tuple["Callable[[SimpleCommandView], object]", Awake], ...]
"""Terms by the part of a command that must be there before they are looked at."""

REMEMBERED_NAMES = 4_096
MAX_REMEMBERED_CHARS = 128
"""What is longer is no name but an attack on memory."""

_NEEDED = {
    "decoded": "decoded",
    "obfuscated": "is_obfuscated",
    "in_loop": "in_loop",
    "background": "background",
    "wrapper": "wrappers",
    "pipe_into": "pipe_into",
    "pipe_from": "pipe_from",
    "assigns": "assignments",
    **dict.fromkeys((part for part, place in PLACES.items() if place == TARGET), "redirects"),
    "args": "args",
}
"""What of a command a part of a term needs to be there, the rarest first."""


class _Woken(NamedTuple):
    """The terms that one pattern wakes: those of any program, and those that name one."""

    by_any: Awake
    by_program: Mapping[str, Awake]


class _Scan(NamedTuple):
    """A search for triggers in one text of a command; ``woken`` is in the order of the scanner's patterns."""

    propose: Callable[[bytes], list[int]]
    woken: tuple[_Woken, ...]


class _Program(NamedTuple):
    """The terms that a program wakes: at once, with a part that is there, or with what is found in its arguments."""

    awake: Awake
    waiting: Waiting
    scans: tuple[_Scan, ...]


class CommandIndex:
    """All distinct ``exec`` terms of a pack. A term is looked at when what it waits for was seen in a command."""

    def __init__(
        self, terms: Sequence[ExecTerm], engine: Engine | None = None, stored: ScanCache | None = None
    ) -> None:
        self._terms = terms
        self._checks = cache(self._left_to_check)  # a term names many programs
        searches, by_name = triggers_of_terms(terms)
        scanners = scanners_of([_leaves(search) for search in searches], engine, stored)
        own: dict[str | None, tuple[_Scan, ...]] = {}
        by_place: dict[str, tuple[_Scan, ...]] = {}
        for search, scanner in zip(searches, scanners, strict=True):
            scan = self._scan(search, scanner)
            if search.programs:
                own.update(dict.fromkeys(search.programs, (scan,)))
            else:
                by_place[search.place] = (scan,)
        by_args, self._by_path, self._by_target, self._by_assignment = (
            by_place.get(place, ()) for place in (ARGS, PATH, TARGET, ASSIGNS)
        )
        always = by_name.pop(None, [])
        self._by_program = {
            name: self._program([*always, *by_name.get(name, ())], by_args + own.get(name, ()))
            for name in by_name.keys() | own.keys()
        }
        self._other = self._program(always, by_args)
        self._named = lru_cache(maxsize=REMEMBERED_NAMES)(self._of_name)

    def find(self, commands: Sequence[SimpleCommandView]) -> dict[int, SimpleCommandView]:
        """Numbers of the terms that are true, each with the first command that it is true for."""
        found: dict[int, SimpleCommandView] = {}
        for command in commands:
            program, path = command.program, command.path
            named = self._named if len(path) <= MAX_REMEMBERED_CHARS else self._of_name
            awake, waiting, scans = named(program, path)
            for is_there, terms in waiting:
                if is_there(command):
                    awake += terms
            if command.args:
                awake += _woken_by(scans, command.args, program)
            if command.redirects or command.assignments:
                awake += self._by_more(command)
            for number, checks in awake:
                if number not in found:
                    for check in checks:
                        if not check(command):
                            break
                    else:
                        found[number] = command
        return found

    def _by_more(self, command: SimpleCommandView) -> Awake:
        """What redirections and assignments wake, which few commands have."""
        awake: Awake = ()
        for redirect in command.redirects:
            awake += _woken_by(self._by_target, redirect.target, command.program)
        for text in TEXTS[ASSIGNS](command):
            awake += _woken_by(self._by_assignment, text, command.program)
        return awake

    def _of_name(self, program: str, path: str) -> _Program:
        """What waits for a command of that name; names repeat far more than lines do."""
        own = self._by_program.get(program, self._other)
        return own._replace(awake=own.awake + _woken_by(self._by_path, path, program))

    def _program(self, numbers: Sequence[int], scans: tuple[_Scan, ...]) -> _Program:
        needs = {number: _need(self._terms[number]) for number in numbers}
        by_need = {need: [number for number in numbers if needs[number] == need] for need in needs.values()}
        at_once = self._woken(by_need.pop("", ()))
        waiting = tuple((attrgetter(need), self._woken(waiting)) for need, waiting in by_need.items())
        return _Program(at_once, waiting, scans)

    def _scan(self, search: Search, scanner: Scanner) -> _Scan:
        woken: list[_Woken] = []
        for place, (pattern, by_program) in enumerate(search.patterns.items()):
            seen = (search.place, pattern) if place in scanner.exact else None
            by_any = self._woken(by_program.get(None, ()), seen)
            named = {
                program: self._woken(numbers, seen) for program, numbers in by_program.items() if program is not None
            }
            woken.append(_Woken(by_any, named))
        return _Scan(scanner.propose, tuple(woken))

    def _woken(self, numbers: Iterable[int], seen: tuple[str, str] | None = None) -> Awake:
        """The terms of these numbers with what is left to check where their program and ``seen`` are there."""
        return tuple((number, self._checks(number, seen)) for number in numbers)

    def _left_to_check(self, number: int, seen: tuple[str, str] | None) -> tuple[Check, ...]:
        term = self._terms[number]
        patterns = tuple(part for part in term.patterns if part != seen)
        return checks_of(replace(term, programs=frozenset(), patterns=patterns))


def _leaves(search: Search) -> dict[int, Leaf]:
    return {number: Leaf(search.place, "pattern", (pattern,)) for number, pattern in enumerate(search.patterns)}


def _need(term: ExecTerm) -> str:
    """The part of a command, the rarest, without which ``term`` is false; empty where there is none."""
    wanted = {name for name, _ in term.names} | {name for name, is_wanted in term.flags if is_wanted}
    wanted |= {part for part, pattern in term.patterns if part != ARGS or find_pattern(pattern)(b"") is None}
    return next((attribute for part, attribute in _NEEDED.items() if part in wanted), "")


def _woken_by(scans: tuple[_Scan, ...], text: str, program: str) -> Awake:
    """What the patterns in ``text`` wake; no pattern is looked for in an empty text."""
    awake: Awake = ()
    if text:
        data = text.encode()
        for propose, woken in scans:
            for place in propose(data):
                by_any, by_program = woken[place]
                awake += by_any + by_program.get(program, ())
    return awake
