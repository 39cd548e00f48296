"""Compiled rules, and the pack that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from decnet.models.rule import Emit, Rule
    from decnet.ttp.condition import Condition
    from decnet.ttp.session_condition import SessionCondition


@dataclass(frozen=True, slots=True)
class CompiledEmit:
    """An emit of a rule and, per source kind, what else must hold for it."""

    emit: Emit
    when: dict[str, Condition] | None


@dataclass(frozen=True, slots=True)
class LifterTerm:
    """What a rule asks of a lifter: a predicate with the rule's thresholds, and where in the rule file it stands."""

    path: str
    predicate: str
    parameters: Mapping[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule that can be matched: one condition per source kind that it applies to and whose texts can decide it."""

    rule: Rule
    path: Path
    conditions: dict[str, Condition]
    emits: tuple[CompiledEmit, ...]
    session: SessionCondition | None = None
    """What a rule with ``phase: session_end`` asks of a whole session; such a rule has no other conditions."""
    lifters: tuple[LifterTerm, ...] = ()
    """What only a lifter can decide; the conditions hold what is left without it."""

    @property
    def rule_id(self) -> str:
        """``R0012``."""
        return self.rule.rule_id


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Every rule in force, in order of id, and a digest that changes whenever one of them does."""

    rules: tuple[CompiledRule, ...]
    digest: str

    def rule(self, rule_id: str) -> CompiledRule | None:
        """The rule of that id, or None."""
        return next((rule for rule in self.rules if rule.rule_id == rule_id), None)
