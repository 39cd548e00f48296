"""The rules that ship: every case file holds, every emit is a pair of the catalogue."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from decnet.attack import catalog
from decnet.models.event import COMMAND, PAYLOAD_TYPES, SourceKind
from decnet.models.rule import Case
from decnet.ttp.cases import CaseFile, PlacedCase, try_cases, waiting_predicates
from decnet.ttp.engine import RuleEngine
from decnet.ttp.session_engine import SessionEngine
from decnet.ttp.store.filesystem import default_rules_folder, load_pack
from decnet.ttp.store.yaml_file import read_yaml
from tests.events import NOON, SECOND, an_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.models.rule import SessionCaseEvent
    from decnet.ttp.pack import CompiledRule, Pack

LEAST_CASES = 3

pytestmark = pytest.mark.timeout(20, func_only=True)  # where nobody compiled the pack yet, that is not the case's time


@pytest.fixture(scope="module", autouse=True)
def _compiled_pack() -> None:
    engine()
    session_engine()


@cache
def cases_of(rule_id: str) -> tuple[Case, ...]:
    source = read_yaml((default_rules_folder() / "cases" / f"{rule_id}.yaml").read_text("utf-8"))
    assert source.faults == ()
    assert isinstance(source.value, list)
    return tuple(Case.model_validate(case) for case in source.value)


@cache
def engine() -> RuleEngine:
    return RuleEngine(load_pack())


RULES = [rule.rule_id for rule in load_pack().rules]
CASES = [
    pytest.param(rule_id, case, id=f"{rule_id}-{case.name}")
    for rule_id in RULES
    for case in cases_of(rule_id)
    if case.waits_for is None
]


@cache
def session_engine() -> SessionEngine:
    return SessionEngine(load_pack())


def techniques_by(rule_id: str, case: Case) -> list[str]:
    """What the rule emits on the event of a case: together with all others, or where a lifter is asked, alone."""
    rule = load_pack().rule(rule_id)
    assert rule is not None
    if rule.lifters:
        (result,) = try_cases(rule, CaseFile(rule.path, (PlacedCase(1, case),)))
        assert result.problem == ""
        return list(result.got)
    if case.session is not None:
        return techniques_of_session(rule_id, case.session)
    assert case.event is not None
    fields = {name: str(value) for name, value in (case.event.payload or {}).items()}
    if case.event.source_kind == COMMAND:
        findings = engine().read(fields["command_text"]).findings
    else:
        findings = engine().findings(case.event.source_kind, fields)
    return sorted(
        compiled.emit.sub_technique_id or compiled.emit.technique_id
        for hit, _ in findings
        if hit.rule.rule_id == rule_id
        for compiled in hit.emits
    )


def techniques_of_session(rule_id: str, session: Sequence[SessionCaseEvent]) -> list[str]:
    events = []
    for given in session:
        kind = SourceKind(given.source_kind)
        payload = msgspec.convert(given.payload, PAYLOAD_TYPES[kind])
        events.append(an_event(kind, payload, at=NOON + int(given.after * SECOND)))
    return sorted(
        compiled.emit.sub_technique_id or compiled.emit.technique_id
        for hit in session_engine().hits(events)
        if hit.rule.rule_id == rule_id
        for compiled in hit.rule.emits
    )


@pytest.mark.parametrize(("rule_id", "case"), CASES)
def test_case(rule_id: str, case: Case) -> None:
    assert techniques_by(rule_id, case) == sorted(case.expect), case.description


@pytest.mark.parametrize("rule_id", RULES)
def test_a_rule_has_three_hits_and_three_near_misses(rule_id: str) -> None:
    rule = load_pack().rule(rule_id)
    assert rule is not None
    hits = sum(bool(case.expect) for case in cases_of(rule_id))
    assert hits >= LEAST_CASES or not rule.emits
    assert len(cases_of(rule_id)) - hits >= LEAST_CASES


@pytest.mark.parametrize("rule_id", RULES)
def test_a_case_waits_only_where_its_rule_does(rule_id: str) -> None:
    rule = load_pack().rule(rule_id)
    assert rule is not None
    waiting = [case.name for case in cases_of(rule_id) if case.waits_for is not None]
    assert waiting == [] or waiting_predicates(rule) != []


@pytest.mark.parametrize("rule_id", RULES)
def test_every_emit_is_reached_by_a_case(rule_id: str) -> None:
    rule = load_pack().rule(rule_id)
    assert rule is not None
    emitted = {item.emit.sub_technique_id or item.emit.technique_id for item in rule.emits}
    assert emitted == {technique for case in cases_of(rule_id) for technique in case.expect}


def unlisted_pairs(rules: tuple[CompiledRule, ...]) -> list[str]:
    """Emits whose (tactic, technique) is no pair of the release that the rule names."""
    return [
        f"{rule.rule_id}: {item.emit.tactic} {identifier}"
        for rule in rules
        for item in rule.emits
        for identifier in (item.emit.technique_id, item.emit.sub_technique_id)
        if identifier and not catalog.load(rule.rule.attack_release).is_valid_pair(item.emit.tactic, identifier)
    ]


def test_every_emitted_pair_is_in_the_catalogue(pack: Pack) -> None:
    assert unlisted_pairs(pack.rules) == []


def test_the_check_of_pairs_fails_when_one_is_broken(pack: Pack) -> None:
    rule = pack.rules[0]
    broken = rule.rule.model_copy(
        update={"emits": (rule.rule.emits[0].model_copy(update={"tactic": "TA0040", "technique_id": "T1083"}),)}
    )
    compiled = type(rule)(broken, rule.path, rule.conditions, (type(rule.emits[0])(broken.emits[0], None),))
    assert unlisted_pairs((compiled,)) != []


def test_every_case_file_has_its_rule() -> None:
    cases = {path.stem for path in Path(default_rules_folder() / "cases").glob("*.yaml")}
    assert cases == set(RULES)
