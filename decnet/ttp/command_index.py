"""Which ``exec`` terms of all rules are true on the commands of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from decnet.ttp.condition import Leaf
from decnet.ttp.exec_term import TEXTS, holds
from decnet.ttp.scan import scanner_of
from decnet.ttp.trigger import pattern_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.ttp.exec_term import ExecTerm, SimpleCommandView, Texts
    from decnet.ttp.scan import Engine, Scanner
    from decnet.ttp.scan_cache import ScanCache

Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a command that patterns are searched in, such as its arguments.

    ``terms`` are those to look at when a pattern is proposed. The part is scanned for the programs that those terms
    name; ``programs`` is None where one of them names none.
    """

    texts: Texts
    scanner: Scanner
    terms: tuple[Numbers, ...]
    programs: frozenset[str] | None


class CommandIndex:
    """All distinct ``exec`` terms of a pack. A term is looked at when its rarest pattern was seen in a command.

    Terms without a pattern wait for one of their programs; those without either are tried on every command.
    """

    def __init__(self, terms: Sequence[ExecTerm], engine: Engine | None = None, cache: ScanCache | None = None) -> None:
        self._terms = tuple(terms)
        by_program: dict[str, list[int]] = {}
        by_part: dict[str, dict[str, list[int]]] = {}
        always: list[int] = []
        for number, term in enumerate(terms):
            if term.patterns:
                part, pattern = min(term.patterns, key=lambda item: pattern_share(item[1]))
                by_part.setdefault(part, {}).setdefault(pattern, []).append(number)
            elif term.programs:
                for program in term.programs:
                    by_program.setdefault(program, []).append(number)
            else:
                always.append(number)
        self._by_program = {program: tuple(numbers) for program, numbers in by_program.items()}
        self._parts = tuple(self._part(name, patterns, engine, cache) for name, patterns in sorted(by_part.items()))
        self._always = tuple(always)

    def find(self, commands: Sequence[SimpleCommandView]) -> dict[int, SimpleCommandView]:
        """Numbers of the terms that are true, each with the first command that it is true for."""
        found: dict[int, SimpleCommandView] = {}
        terms = self._terms
        for command in commands:
            program = command.program
            awake = self._always + self._by_program.get(program, ())
            for part in self._parts:
                if part.programs is None or program in part.programs:
                    for text in part.texts(command):
                        for pattern in part.scanner.propose(text.encode()):
                            awake += part.terms[pattern]
            for number in awake:
                if number not in found and holds(terms[number], command):
                    found[number] = command
        return found

    def _part(self, name: str, patterns: dict[str, list[int]], engine: Engine | None, cache: ScanCache | None) -> _Part:
        named = [self._terms[number].programs for numbers in patterns.values() for number in numbers]
        leaves = [Leaf(name, "pattern", (pattern,)) for pattern in patterns]
        return _Part(
            texts=TEXTS[name],
            scanner=scanner_of(dict(enumerate(leaves)), engine, cache),
            terms=tuple(tuple(numbers) for numbers in patterns.values()),
            programs=frozenset().union(*named) if all(named) else None,
        )
