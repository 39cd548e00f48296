"""What every other way of matching must equal: each rule in turn, each term by itself. For tests and benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.ttp.condition import CommandFound, evaluate, finder_of
from decnet.ttp.exec_term import ExecTerm, holds
from decnet.ttp.index import Hit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from decnet.ttp.condition import Condition, Found, Proof, Truth
    from decnet.ttp.exec_term import SimpleCommandView
    from decnet.ttp.pack import Pack


class NaiveIndex:
    """Matches as :class:`~decnet.ttp.index.RuleIndex` does, without any index."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def match(
        self, source_kind: str, fields: Mapping[str, str], commands: Sequence[SimpleCommandView] = ()
    ) -> Sequence[Hit]:
        """The rules that fire, in order of rule id."""
        truth = _truth(fields, commands)
        hits: list[Hit] = []
        for rule in self.pack.rules:
            proof: Proof = {}
            condition = rule.conditions.get(source_kind)
            if condition is not None and evaluate(condition, truth, proof):
                emits = tuple(
                    emit for emit in rule.emits if emit.when is None or evaluate(emit.when[source_kind], truth, proof)
                )
                if emits:
                    hits.append(Hit(rule, emits, proof))
        return hits


def _truth(fields: Mapping[str, str], commands: Sequence[SimpleCommandView]) -> Truth:
    def truth(condition: Condition) -> Found | None:
        leaf = condition.leaf
        if isinstance(leaf, ExecTerm):
            named = (command for command in commands if not leaf.programs or command.program in leaf.programs)
            command = next((command for command in named if holds(leaf, command)), None)
            return None if command is None else CommandFound(leaf, command)
        if leaf is None or leaf.field not in fields:
            return None
        return leaf if finder_of(leaf)(fields[leaf.field].encode()) is not None else None

    return truth
