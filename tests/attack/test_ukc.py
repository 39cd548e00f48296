from __future__ import annotations

from decnet.attack.catalog import load
from decnet.attack.ukc import PHASE_OF_TACTIC, Phase, phase_of, tactics_of
from decnet.models.attack_ids import TacticId


def test_all_eighteen_phases_exist() -> None:
    assert len(Phase) == 18


def test_which_phases_no_tactic_leads_to() -> None:
    unreachable = {phase for phase in Phase if not tactics_of(phase)}
    assert unreachable == {Phase.SOCIAL_ENGINEERING, Phase.EXPLOITATION, Phase.PIVOTING, Phase.OBJECTIVES}


def test_which_phases_do_not_lead_back_to_one_tactic() -> None:
    several = {phase: tactics_of(phase) for phase in Phase if len(tactics_of(phase)) > 1}
    assert several == {
        Phase.DEFENSE_EVASION: ("TA0005", "TA0112"),
        Phase.COLLECTION: ("TA0009", "TA0100"),
        Phase.DISCOVERY: ("TA0007", "TA0102"),
        Phase.IMPACT: ("TA0040", "TA0105", "TA0106"),
    }


def test_every_enterprise_tactic_is_seen_as_a_phase() -> None:
    catalog = load("enterprise-19.2")
    assert [tactic.id for tactic in catalog.tactics if phase_of(tactic.id) is None] == []


def test_every_tactic_of_the_table_exists() -> None:
    known = {tactic.id for release in ("enterprise-19.2", "ics-18.1") for tactic in load(release).tactics}
    assert PHASE_OF_TACTIC.keys() <= known


def test_an_unknown_tactic_has_no_phase() -> None:
    assert phase_of(TacticId("TA9999")) is None
