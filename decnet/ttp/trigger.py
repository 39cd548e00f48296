"""Which leaf terms can make a rule fire: of a rule's triggers at least one is true whenever the rule is.

A rule is looked at only when one of its triggers was seen, so the fewer texts show them, the better.
"""

from __future__ import annotations

import re  # reads the patterns of rules here, never attacker text
from typing import TYPE_CHECKING, NamedTuple

from decnet.ttp.condition import Leaf
from decnet.ttp.exec_term import ExecTerm

if TYPE_CHECKING:
    from decnet.ttp.condition import AnyLeaf, Condition

_LITERAL_RUN = re.compile(r"(?:[A-Za-z0-9_/ =:@-]|\\[./-])+")
_WHOLE_FIELD = 0.01
_DECIDED = 0.02  # an exec term is decided before rules are looked at, so it wakes a rule only when true


class Triggers(NamedTuple):
    """Numbers of leaves, and how often we expect to see one of them: an order of preference, no probability."""

    share: float
    numbers: frozenset[int]


def triggers_of(condition: Condition) -> Triggers | None:
    """The triggers of ``condition``, or None where it can be true with every positive term false."""
    if condition.leaf is not None:
        return Triggers(expected_share(condition.leaf), frozenset({condition.number}))
    if condition.operator == "not":
        return None
    parts = [triggers_of(part) for part in condition.parts]
    known = [part for part in parts if part is not None]
    if condition.operator == "all":
        return min(known, key=lambda part: part.share, default=None)
    if len(known) < len(parts):
        return None
    return Triggers(sum(part.share for part in known), frozenset().union(*(part.numbers for part in known)))


def expected_share(leaf: AnyLeaf) -> float:
    """A guess at how common ``leaf`` is: the longer its literal text, the rarer."""
    if isinstance(leaf, ExecTerm):
        return _DECIDED
    if leaf.operator in {"equals", "in_set"}:
        return _WHOLE_FIELD
    return pattern_share(leaf.values[0]) if leaf.operator == "pattern" else 1 / (1 + len(leaf.values[0]))


def pattern_share(pattern: str) -> float:
    """The same for an RE2 pattern."""
    return 1 / (1 + max(map(len, _LITERAL_RUN.findall(pattern)), default=0))


def is_whole_field(leaf: AnyLeaf) -> bool:
    """Whether ``leaf`` compares a field with whole texts."""
    return isinstance(leaf, Leaf) and leaf.operator in {"equals", "in_set"}
