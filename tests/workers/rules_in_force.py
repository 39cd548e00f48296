"""Rules made up for tests of workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from decnet.attack import catalog
from decnet.ttp.live import LiveRules
from decnet.ttp.pack import Pack
from decnet.ttp.store.base import LoadedRules
from decnet.ttp.store.compile import compile_rule

if TYPE_CHECKING:
    from decnet.models.rule_state import RuleState
    from decnet.ttp.sessions import EarlierCommands

SESSION_RULE = """\
rule_id: R0910
rule_version: 1
name: twice_whoami
maturity: stable
attack_release: enterprise-19.2
description: A session rule for tests.
applies_to: [session]
phase: session_end
match: {count: {term: {contains: whoami}, gte: 2}}
emits:
  - {tactic: TA0007, technique_id: T1033, confidence: 0.8}
"""


def loaded(*texts: str, states: dict[str, RuleState] | None = None) -> LoadedRules:
    """What a store of these rule texts would hold."""
    rules = []
    for text in texts:
        rule, faults = compile_rule(Path(f"{text[9:14]}.yaml"), text, catalog.load)
        assert rule is not None, faults
        rules.append(rule)
    return LoadedRules(Pack(tuple(rules), repr(texts)), states or {})


def live(found: LoadedRules, earlier_commands: EarlierCommands | None = None) -> LiveRules:
    """A tagger by these rules."""
    return LiveRules(found, earlier_commands=earlier_commands) if earlier_commands else LiveRules(found)
