"""Which rules an event fires: every distinct leaf term is evaluated at most once per event, whatever rules share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from decnet.ttp.condition import Leaf, evaluate, finder_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.ttp.condition import Condition, Proof, Truth
    from decnet.ttp.match import Finder, Span
    from decnet.ttp.pack import CompiledEmit, CompiledRule, Pack


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fired: the emits that apply, and what proves it."""

    rule: CompiledRule
    emits: tuple[CompiledEmit, ...]
    proof: Proof


class RuleIndex:
    """All rules of a pack, ready to match. Immutable: a changed pack means a new index, swapped in one assignment."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self._rules: dict[str, list[tuple[CompiledRule, Condition]]] = {}
        self._finders: dict[Leaf, Finder] = {}
        for rule in pack.rules:
            for kind, condition in rule.conditions.items():
                self._rules.setdefault(kind, []).append((rule, condition))
                self._add_finders(condition)
            for emit in rule.emits:
                for condition in (emit.when or {}).values():
                    self._add_finders(condition)

    def handles(self, source_kind: str) -> bool:
        """Whether any rule looks at events of this kind."""
        return source_kind in self._rules

    def match(self, source_kind: str, fields: Mapping[str, str]) -> list[Hit]:
        """The rules that fire on ``fields`` (canonical text per field), in order of rule id."""
        truth = self._truth(fields)
        hits: list[Hit] = []
        for rule, condition in self._rules.get(source_kind, ()):
            proof: Proof = {}
            if evaluate(condition, truth, proof):
                emits = tuple(emit for emit in rule.emits if _applies(emit, source_kind, truth, proof))
                if emits:
                    hits.append(Hit(rule, emits, proof))
        return hits

    def _truth(self, fields: Mapping[str, str]) -> Truth:
        known: dict[Leaf, Span | None] = {}
        data: dict[str, bytes] = {}

        def truth(leaf: Leaf) -> Span | None:
            if leaf not in known:
                if leaf.field not in data:
                    data[leaf.field] = fields.get(leaf.field, "").encode()
                known[leaf] = self._finders[leaf](data[leaf.field])
            return known[leaf]

        return truth

    def _add_finders(self, condition: Condition) -> None:
        for leaf in condition.leaves():
            if leaf not in self._finders:
                self._finders[leaf] = finder_of(leaf)


def _applies(emit: CompiledEmit, source_kind: str, truth: Truth, proof: Proof) -> bool:
    return emit.when is None or evaluate(emit.when[source_kind], truth, proof)
