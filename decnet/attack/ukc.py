"""ATT&CK tactics seen as phases of the Unified Kill Chain. ATT&CK is what is stored; phases are a view.

The phases are those of Paul Pols, "The Unified Kill Chain" (version 1.3, 2023, https://www.unifiedkillchain.com), in
its order. Its first edition (2017) has "weaponization" where there is now "resource development".
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from decnet.models.attack_ids import TacticId

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(StrEnum):
    """The eighteen phases, in the order of the chain."""

    RECONNAISSANCE = "reconnaissance"
    RESOURCE_DEVELOPMENT = "resource_development"
    DELIVERY = "delivery"
    SOCIAL_ENGINEERING = "social_engineering"
    EXPLOITATION = "exploitation"
    PERSISTENCE = "persistence"
    DEFENSE_EVASION = "defense_evasion"
    COMMAND_AND_CONTROL = "command_and_control"
    PIVOTING = "pivoting"
    DISCOVERY = "discovery"
    PRIVILEGE_ESCALATION = "privilege_escalation"
    EXECUTION = "execution"
    CREDENTIAL_ACCESS = "credential_access"
    LATERAL_MOVEMENT = "lateral_movement"
    COLLECTION = "collection"
    EXFILTRATION = "exfiltration"
    IMPACT = "impact"
    OBJECTIVES = "objectives"


PHASE_OF_TACTIC: Mapping[TacticId, Phase] = MappingProxyType(
    {
        TacticId(tactic): phase
        for tactic, phase in (
            ("TA0043", Phase.RECONNAISSANCE),
            ("TA0042", Phase.RESOURCE_DEVELOPMENT),
            ("TA0001", Phase.DELIVERY),
            ("TA0002", Phase.EXECUTION),
            ("TA0003", Phase.PERSISTENCE),
            ("TA0004", Phase.PRIVILEGE_ESCALATION),
            ("TA0005", Phase.DEFENSE_EVASION),
            ("TA0112", Phase.DEFENSE_EVASION),
            ("TA0006", Phase.CREDENTIAL_ACCESS),
            ("TA0007", Phase.DISCOVERY),
            ("TA0008", Phase.LATERAL_MOVEMENT),
            ("TA0009", Phase.COLLECTION),
            ("TA0010", Phase.EXFILTRATION),
            ("TA0011", Phase.COMMAND_AND_CONTROL),
            ("TA0040", Phase.IMPACT),
            ("TA0100", Phase.COLLECTION),
            ("TA0102", Phase.DISCOVERY),
            ("TA0105", Phase.IMPACT),
            ("TA0106", Phase.IMPACT),
        )
    }
)
"""Tactics of Enterprise, and those of ICS that a decoy can show. Where a tactic is not listed, there is no phase."""


def phase_of(tactic: TacticId) -> Phase | None:
    """The phase that ``tactic`` is seen as, if there is one."""
    return PHASE_OF_TACTIC.get(tactic)


def tactics_of(phase: Phase) -> tuple[TacticId, ...]:
    """The tactics that are seen as ``phase``.

    None for the phases that say how an attacker proceeds and not what for, which ATT&CK keeps within its tactics:
    social engineering, exploitation, pivoting, objectives.
    """
    return tuple(tactic for tactic, seen_as in PHASE_OF_TACTIC.items() if seen_as is phase)
