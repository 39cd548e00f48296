"""The boolean structure of a compiled rule, over leaf terms that the index evaluates once for all rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from decnet.ttp.match import FINDERS, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.models.rule import Term


@dataclass(frozen=True, slots=True)
class Leaf:
    """One operator on one field; equal leaves of different rules are one leaf."""

    field: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A node: a leaf with its path in the rule file, or ``all``, ``any``, ``not`` over parts."""

    operator: str
    path: str
    leaf: Leaf | None = None
    parts: tuple[Condition, ...] = ()

    def leaves(self) -> Iterator[Leaf]:
        """Every leaf below this node, those under ``not`` included."""
        if self.leaf is not None:
            yield self.leaf
        for part in self.parts:
            yield from part.leaves()


Truth = Callable[[Leaf], Span | None]
Proof = dict[str, tuple[Leaf, Span]]
"""Path of a term in the rule file → the leaf that matched and where; terms under ``not`` prove nothing."""


def condition_of(term: Term, default_field: str, path: str = "match") -> Condition:
    """The condition that ``term`` describes; terms that name no field look at ``default_field``."""
    operator = term.operator
    here = f"{path}.{operator}"
    if operator == "not":
        assert term.not_ is not None  # noqa: S101 - Term.operator says so
        return Condition("not", here, parts=(condition_of(term.not_, default_field, here),))
    value = getattr(term, operator)
    if operator in {"all", "any"}:
        parts = tuple(condition_of(part, default_field, f"{here}[{number}]") for number, part in enumerate(value))
        return Condition(operator, here, parts=parts)
    values = value if isinstance(value, tuple) else (value,)
    return Condition(operator, here, leaf=Leaf(term.field or default_field, operator, values))


def evaluate(condition: Condition, truth: Truth, proof: Proof) -> bool:
    """Whether ``condition`` holds; adds what shows it to ``proof``, which means nothing when the answer is no."""
    if condition.leaf is not None:
        span = truth(condition.leaf)
        if span is None:
            return False
        proof[condition.path] = (condition.leaf, span)
        return True
    if condition.operator == "all":
        return all(evaluate(part, truth, proof) for part in condition.parts)
    if condition.operator == "any":
        return any(evaluate(part, truth, proof) for part in condition.parts)
    return not evaluate(condition.parts[0], truth, {})


def finder_of(leaf: Leaf) -> Callable[[bytes], Span | None]:
    """The function that decides ``leaf`` on the bytes of its field.

    :raises decnet.ttp.match.PatternRefused: the leaf is a pattern that RE2 does not take.
    """
    return FINDERS[leaf.operator](*leaf.values)
