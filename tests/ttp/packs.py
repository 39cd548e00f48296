"""Packs made of nothing but match conditions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from decnet.attack import catalog
from decnet.ttp.engine import RuleEngine
from decnet.ttp.store.compile import compile_pack

if TYPE_CHECKING:
    from decnet.ttp.pack import Pack

HEAD = """\
rule_version: 1
maturity: stable
attack_release: enterprise-19.2
description: A rule for tests.
emits:
  - {tactic: TA0007, technique_id: T1033, confidence: 0.7}
"""


def pack_of(*matches: str, emits: str = "", applies_to: str = "command") -> Pack:
    """A pack of one rule per condition: R0900, R0901 …; ``emits`` are further lines of each."""
    files = [
        (
            Path(f"R09{number:02}.yaml"),
            f"rule_id: R09{number:02}\nname: rule_{number}\napplies_to: [{applies_to}]\nmatch: {match}\n{HEAD}{emits}",
        )
        for number, match in enumerate(matches)
    ]
    return compile_pack(files, catalog.load)


def engine_of(*matches: str, emits: str = "", applies_to: str = "command") -> RuleEngine:
    """An engine on such a pack."""
    return RuleEngine(pack_of(*matches, emits=emits, applies_to=applies_to))
