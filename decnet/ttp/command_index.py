"""Which ``exec`` terms of all rules are true on the commands of a text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from decnet.ttp.condition import Leaf
from decnet.ttp.exec_term import TEXTS, ExecTerm, holds
from decnet.ttp.scan import scanner_of
from decnet.ttp.trigger import pattern_share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from decnet.ttp.exec_term import SimpleCommandView, Texts
    from decnet.ttp.scan import Engine
    from decnet.ttp.scan_cache import ScanCache

Awake = tuple[tuple[int, ExecTerm], ...]
"""Numbers of terms to look at, each with what is left to ask once its trigger was seen."""

COMMON = 0.1
"""The expected share of texts above which a pattern is no trigger, where a program could be."""

_PLAIN = frozenset({"args", "path"})
"""Parts that every command has; the others are redirections and assignments."""


class _Woken(NamedTuple):
    """The terms that a pattern is the trigger of: per program that they name, and those that name none.

    A term waits where its program is, so a pattern that many commands show wakes nothing for most of them.
    """

    named: dict[str, Awake]
    others: Awake


class _Part(NamedTuple):
    """One part of a command that patterns are searched in, such as its arguments.

    ``woken`` is in the order of the scanner's patterns. The part is scanned for the programs that its terms name;
    ``programs`` is None where one of them names none.
    """

    texts: Texts
    propose: Callable[[bytes], list[int]]
    woken: tuple[_Woken, ...]
    programs: frozenset[str] | None


class CommandIndex:
    """All distinct ``exec`` terms of a pack. A term is looked at when its rarest pattern was seen in a command.

    Terms without a pattern, or with none that is rarer than a program, wait for one of their programs; those without
    either are tried on every command.
    """

    def __init__(self, terms: Sequence[ExecTerm], engine: Engine | None = None, cache: ScanCache | None = None) -> None:
        by_program: dict[str, Awake] = {}
        by_part: dict[str, dict[str, list[int]]] = {}
        always: Awake = ()
        for number, term in enumerate(terms):
            part, pattern = min(term.patterns, key=lambda item: pattern_share(item[1]), default=("", ""))
            if pattern and not (term.programs and pattern_share(pattern) > COMMON):
                by_part.setdefault(part, {}).setdefault(pattern, []).append(number)
            elif term.programs:
                rest = replace(term, programs=frozenset())
                for program in term.programs:
                    by_program[program] = (*by_program.get(program, ()), (number, rest))
            else:
                always += ((number, term),)
        parts = {name: _part(name, terms, patterns, engine, cache) for name, patterns in sorted(by_part.items())}
        self._by_program = by_program
        self._parts = tuple(parts.values())
        self._plain_parts = tuple(part for name, part in parts.items() if name in _PLAIN)
        self._always = always

    def find(self, commands: Sequence[SimpleCommandView]) -> dict[int, SimpleCommandView]:
        """Numbers of the terms that are true, each with the first command that it is true for."""
        found: dict[int, SimpleCommandView] = {}
        for command in commands:
            program = command.program
            awake = self._always + self._by_program.get(program, ())
            for texts, propose, woken, programs in self._parts if _has_more(command) else self._plain_parts:
                if programs is None or program in programs:
                    for text in texts(command):
                        for pattern in propose(text.encode()) if text else ():
                            named, others = woken[pattern]
                            awake += named.get(program, others)
            for number, rest in awake:
                if number not in found and holds(rest, command):
                    found[number] = command
        return found


def _part(
    name: str,
    terms: Sequence[ExecTerm],
    patterns: dict[str, list[int]],
    engine: Engine | None,
    cache: ScanCache | None,
) -> _Part:
    scanner = scanner_of(dict(enumerate(Leaf(name, "pattern", (pattern,)) for pattern in patterns)), engine, cache)
    named = [terms[number].programs for numbers in patterns.values() for number in numbers]

    return _Part(
        texts=TEXTS[name],
        propose=scanner.propose,
        woken=tuple(
            _woken(name, pattern, {number: terms[number] for number in numbers}, is_decided=place in scanner.exact)
            for place, (pattern, numbers) in enumerate(patterns.items())
        ),
        programs=frozenset().union(*named) if all(named) else None,
    )


def _woken(name: str, pattern: str, terms: Mapping[int, ExecTerm], *, is_decided: bool) -> _Woken:
    """What ``pattern`` wakes; a pattern that the scanner decides is not asked again, nor is a program."""
    known = {(name, pattern)} if is_decided else set()
    asked = {
        number: replace(term, programs=frozenset(), patterns=tuple(part for part in term.patterns if part not in known))
        for number, term in terms.items()
    }
    others = tuple((number, asked[number]) for number, term in terms.items() if not term.programs)
    programs = {program for term in terms.values() for program in term.programs}
    return _Woken(
        {
            program: tuple(
                (number, asked[number])
                for number, term in terms.items()
                if not term.programs or program in term.programs
            )
            for program in programs
        },
        others,
    )


def _has_more(command: SimpleCommandView) -> bool:
    return bool(command.redirects or command.assignments)
