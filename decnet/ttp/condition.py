"""The boolean structure of a compiled rule, over leaf terms that are decided once for all rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec

from decnet.ttp.exec_term import ExecTerm, SimpleCommandView, exec_term_of
from decnet.ttp.match import FINDERS
from decnet.ttp.numbers import at_least, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.models.rule import Term
    from decnet.ttp.match import Finder


@dataclass(frozen=True, slots=True)
class Leaf:
    """One operator on one field; equal leaves of different rules are one leaf."""

    field: str
    operator: str
    values: tuple[str, ...]


AnyLeaf = Leaf | ExecTerm

LIFTER = "lifter"
"""Operator of a leaf that stands for what a lifter is asked; its path tells which term of the rule it is."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A node: a leaf with its path in the rule file, or ``all``, ``any``, ``not`` over parts.

    ``number`` is that of the leaf in the index which holds the condition; -1 elsewhere.
    """

    operator: str
    path: str
    leaf: AnyLeaf | None = None
    parts: tuple[Condition, ...] = ()
    number: int = -1

    def leaves(self) -> Iterator[AnyLeaf]:
        """Every leaf below this node, those under ``not`` included."""
        if self.leaf is not None:
            yield self.leaf
        for part in self.parts:
            yield from part.leaves()


class CommandFound(msgspec.Struct, frozen=True, gc=False):
    """An ``exec`` term, and the first command of the shell view that it is true for."""

    term: ExecTerm
    command: SimpleCommandView


Found = Leaf | CommandFound
Truth = Callable[[Condition], Found | None]
Proof = dict[str, Found]
"""Path of a term in the rule file → the leaf that is true; terms under ``not`` prove nothing."""


_AS_PATTERN: dict[str, Callable[[int], str]] = {"exists": lambda _: "(?s:.)", "gte": at_least, "lte": at_most}
"""Operators that are patterns of a kind, so that they are looked for together with all others."""


def condition_of(term: Term, default_field: str, path: str = "match") -> Condition:
    """The condition that ``term`` describes; terms that name no field look at ``default_field``."""
    operator = term.operator
    here = f"{path}.{operator}"
    if term.not_ is not None:
        return Condition("not", here, parts=(condition_of(term.not_, default_field, here),))
    if term.exec is not None:
        return Condition("exec", here, leaf=exec_term_of(term.exec))
    if term.n_of is not None:
        terms = [condition_of(part, default_field, f"{here}.terms[{n}]") for n, part in enumerate(term.n_of.terms)]
        chosen = (Condition("all", here, parts=parts) for parts in combinations(terms, term.n_of.n))
        return Condition("any", here, parts=tuple(chosen))
    value = getattr(term, operator)
    if operator in _AS_PATTERN:
        leaf = Leaf(term.field or default_field, "pattern", (_AS_PATTERN[operator](value),))
        found = Condition("pattern", here, leaf=leaf)
        return found if value is not False else Condition("not", here, parts=(found,))
    if operator in {"all", "any"}:
        parts = tuple(condition_of(part, default_field, f"{here}[{number}]") for number, part in enumerate(value))
        return Condition(operator, here, parts=parts)
    values = value if isinstance(value, tuple) else (value,)
    return Condition(operator, here, leaf=Leaf(term.field or default_field, operator, values))


def decidable(condition: Condition, can_decide: Callable[[Condition], bool]) -> Condition | None:
    """``condition`` without the leaves that cannot be decided; what hangs on one of them goes too."""
    if condition.leaf is not None:
        return condition if can_decide(condition) else None
    parts = tuple(part for inner in condition.parts if (part := decidable(inner, can_decide)) is not None)
    if not parts or (condition.operator != "any" and len(parts) < len(condition.parts)):
        return None
    return replace(condition, parts=parts)


def numbered(condition: Condition, number_of: Callable[[AnyLeaf], int]) -> Condition:
    """``condition`` with the numbers of its leaves filled in."""
    if condition.leaf is not None:
        return replace(condition, number=number_of(condition.leaf))
    return replace(condition, parts=tuple(numbered(part, number_of) for part in condition.parts))


def evaluate(condition: Condition, truth: Truth, proof: Proof) -> bool:
    """Whether ``condition`` holds; adds what shows it to ``proof``, which means nothing when the answer is no."""
    if condition.leaf is not None:
        found = truth(condition)
        if found is not None:
            proof[condition.path] = found
        return found is not None
    if condition.operator == "all":
        return _all_hold(condition.parts, truth, proof)
    if condition.operator == "any":
        for part in condition.parts:  # noqa: SIM110 - twice as fast as any() over a generator, and this is the hot path
            if evaluate(part, truth, proof):
                return True
        return False
    return not evaluate(condition.parts[0], truth, {})


def _all_hold(parts: tuple[Condition, ...], truth: Truth, proof: Proof) -> bool:
    """What the first parts show counts only once the last one holds: an ``any`` around may try another branch."""
    shown: Proof = {}
    for part in parts:
        if not evaluate(part, truth, shown):
            return False
    proof.update(shown)
    return True


def finder_of(leaf: Leaf) -> Finder:
    """The function that decides ``leaf`` on the bytes of its field.

    :raises decnet.ttp.match.PatternRefused: the leaf is a pattern that RE2 does not take.
    """
    return FINDERS[leaf.operator](*leaf.values)
