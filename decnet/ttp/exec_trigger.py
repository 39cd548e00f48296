"""What each ``exec`` term waits for, so that few terms are looked at per command.

A trigger is the rarest pattern that a term asks for, where it is rare enough. Triggers in the targets of redirections,
in assignments, in paths, and in arguments of any program are searched for together. Those in the arguments of a named
program are searched for with those of the programs that share most of them: a database per program would hold every
pattern of several programs several times, and compiling is what a first start waits for. The other terms wait for
their program alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from decnet.ttp.exec_term import TEXTS
from decnet.ttp.match import find_pattern
from decnet.ttp.trigger import pattern_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from decnet.ttp.exec_term import ExecTerm

Numbers = list[int]
ByProgram = dict[str | None, Numbers]
"""Numbers of terms by program, under None those that name no program."""
Patterns = dict[str, ByProgram]
"""The terms that each pattern wakes."""

ARGS, PATH, TARGET, ASSIGNS = "args", "path", "target", "assigns"
"""Where triggers are searched for."""
PLACES = {**dict.fromkeys(TEXTS, TARGET), ARGS: ARGS, PATH: PATH, ASSIGNS: ASSIGNS}
"""Where the pattern of each part is searched for: several parts look at targets of redirections."""

COMMON = 0.1
"""The expected share of texts above which a pattern is no trigger: to look at its terms costs less than to find it."""
FEW = 6
"""So many patterns are searched one by one in the time that a scanner takes."""
MAX_TOGETHER = 150
"""Patterns in one search of several programs: at 250, a scan takes 1.24 µs and not 1.05, compiling 1.76 s, not 1.87."""


class Search(NamedTuple):
    """Patterns that are searched for together, in the arguments of ``programs`` or in a part of any command."""

    place: str
    patterns: Patterns
    programs: tuple[str, ...] = ()


class Triggers(NamedTuple):
    """All searches, and the terms that wait for a name only."""

    searches: tuple[Search, ...]
    by_name: ByProgram


def triggers_of_terms(terms: Sequence[ExecTerm]) -> Triggers:
    """What the terms, known by their places in ``terms``, wait for."""
    by_name: ByProgram = {}
    by_place: dict[str, Patterns] = {}
    by_args: dict[str, Patterns] = {}
    for number, term in enumerate(terms):
        part, pattern = _rarest(term)
        place = PLACES.get(part, "")
        for program in term.programs or (None,):
            if not place or (place == PATH and program is not None):
                by_name.setdefault(program, []).append(number)
            elif place == ARGS and program is not None:
                by_args.setdefault(program, {}).setdefault(pattern, {}).setdefault(program, []).append(number)
            else:
                by_place.setdefault(place, {}).setdefault(pattern, {}).setdefault(program, []).append(number)
    for program, patterns in list(by_args.items()):
        if len(patterns) < FEW:
            by_name.setdefault(program, []).extend(number for woken in patterns.values() for number in woken[program])
            del by_args[program]
    searches = [Search(place, patterns) for place, patterns in sorted(by_place.items())]
    searches += [Search(ARGS, _joined(by_args, group), group) for group in _groups(by_args)]
    return Triggers(tuple(searches), by_name)


def _rarest(term: ExecTerm) -> tuple[str, str]:
    """Part and pattern of the best trigger; empty where none is rare enough.

    A part that few commands have comes before the arguments and the path.
    """
    shares = {part: _share(*part) for part in term.patterns}
    best = min(shares, key=lambda part: (PLACES[part[0]] in {ARGS, PATH}, shares[part]), default=("", ""))
    return best if shares.get(best, 1) <= COMMON else ("", "")


def _share(part: str, pattern: str) -> float:
    """How common a pattern is expected to be; one of a path is looked for once per name, so it may be common."""
    if find_pattern(pattern)(b"") is not None:  # no search finds what is true on an empty text
        return 1
    return min(pattern_share(pattern), COMMON if part == PATH else 1)


def _joined(by_args: Mapping[str, Patterns], programs: Iterable[str]) -> Patterns:
    joined: Patterns = {}
    for program in programs:
        for pattern, numbers in by_args[program].items():
            joined.setdefault(pattern, {}).update(numbers)
    return joined


def _groups(by_args: Mapping[str, Patterns]) -> Iterator[tuple[str, ...]]:
    """Programs in groups with many patterns in common: each takes in whoever adds the fewest, until it is full."""
    left = {
        program: frozenset(by_args[program])
        for program in sorted(by_args, key=lambda name: (-len(by_args[name]), name))
    }
    while left:
        first = next(iter(left))
        group, held = [first], set(left.pop(first))
        while left:
            nearest = min(left, key=lambda name: (len(left[name] - held), -len(left[name]), name))
            if len(held | left[nearest]) > MAX_TOGETHER:
                break
            held |= left.pop(nearest)
            group.append(nearest)
        yield tuple(group)
