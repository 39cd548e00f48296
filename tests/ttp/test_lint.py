"""What lint says. The exact sentences are in tests/golden/lint/, one file per fault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.attack import catalog
from decnet.errors import RuleError
from decnet.models.rule import Rule
from decnet.ttp.lint import lint, update_lock
from decnet.ttp.lock import content_digest, read_lock
from decnet.ttp.store.filesystem import default_rules_folder
from tests.ttp.store.rule_texts import rule_text, save

if TYPE_CHECKING:
    from collections.abc import Callable

RULES = Path("rules")
GOOD = rule_text()
EVENT = "event: {source_kind: command, payload: {command_text: %s}}"


def case(name: str, text: str, *expect: str) -> str:
    expected = ", ".join(expect)
    return f"- {{name: {name}, description: x, origin: x, {EVENT % text}, expect: [{expected}]}}\n"


HITS = case("one", "whoami", "T1033") + case("two", "whoami; ls", "T1033") + case("three", "./whoami", "T1033")
MISSES = case("no-one", "who") + case("no-two", "who am i")
CASES = HITS + MISSES + case("no-three", "ls")
UNKNOWN_KEYS = "- {name: no-three, description: x, source: x, event: {kind: command, payload: {}}, expect: []}\n"
NO_EVENT = EVENT % "ls", "session: [{source_kind: command, payload: {comand: ls}, after: 0}]"


def lifter(match: str) -> str:
    return GOOD.replace("{contains: 'whoami'}", match).replace("[command]", "[session]")


def matching(match: str) -> str:
    return GOOD.replace("{contains: 'whoami'}", match)


def when(term: str, kinds: str = "command") -> str:
    return GOOD.replace("[command]", f"[{kinds}]").replace("confidence: 0.7", f"confidence: 0.7, when: {term}")


FAULTS: dict[str, tuple[str, str | None]] = {
    "no_cases": (GOOD, None),
    "few_cases": (GOOD, case("one", "whoami", "T1033") + MISSES),
    "case_fails": (GOOD, HITS + MISSES + case("no-three", "whoami")),
    "case_misspelt_key": (GOOD, HITS + MISSES + UNKNOWN_KEYS),
    "case_name_twice": (GOOD, CASES.replace("name: two", "name: one")),
    "case_of_no_event": (GOOD, CASES.replace(*NO_EVENT)),
    "cases_no_list": (GOOD, "name: one\n"),
    "cases_no_yaml": (GOOD, "- {name: one"),
    "emit_without_case": (GOOD + "  - {tactic: TA0007, technique_id: T1082, confidence: 0.7}\n", CASES),
    "emit_never_stored": (rule_text(confidence=0.2), CASES),
    "when_that_waits": (when("{lifter: behavioral_class, classes: [scanning]}"), CASES),
    "when_of_two_kinds": (
        when("{all: [{field: user_agent, contains: x}, {exec: {program: id}}]}", "command, http_request"),
        CASES,
    ),
    "short_pattern": (matching(r"{pattern: 'w\w+mi'}"), CASES),
    "short_pattern_of_any_program": (
        matching("{any: [{exec: {args: 'x+y', background: true}}, {contains: whoami}]}"),
        CASES,
    ),
    "unknown_evidence": (GOOD + "evidence_fields: [exec, comand_text]\n", CASES),
    "unknown_predicate": (lifter("{lifter: behavioral_clas, classes: [scanning]}"), None),
    "unknown_parameter": (lifter("{lifter: behavioral_class, klasses: [scanning], colour: red}"), None),
    "wrong_parameter": (lifter("{lifter: credential_failures, gte: five, within: soon}"), None),
    "no_such_table": (lifter("{lifter: credential_default_pair, table: data/pairs.yaml}"), None),
    "table_elsewhere": (lifter("{lifter: credential_default_pair, table: ../../../etc/hostname}"), None),
    "not_even_a_rule": (GOOD.replace("0.7", "7"), CASES),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return RULES


def put(text: str, cases: str | None, name: str = "R0900.yaml") -> None:
    save(RULES, text, name)
    if cases is not None:
        (RULES / "cases").mkdir(exist_ok=True)
        (RULES / "cases" / name).write_text(cases, "utf-8")


def faults_in(folder: Path) -> list[str]:
    return [str(fault) for fault in lint([folder], catalog.load).faults]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_line_and_the_way_out(
    name: str, folder: Path, golden: Callable[[str, str], None]
) -> None:
    put(*FAULTS[name])
    found = faults_in(folder)
    assert found
    golden(f"lint/{name}.txt", "\n".join(found) + "\n")


def test_a_good_rule_has_no_faults(folder: Path) -> None:
    put(GOOD, CASES)
    assert faults_in(folder) == []


def test_a_reason_justifies_a_short_pattern(folder: Path) -> None:
    put(GOOD.replace("{contains: 'whoami'}", r"{pattern: '\bw\w+mi'}") + "short_patterns: rare all the same\n", CASES)
    assert faults_in(folder) == []


def test_a_pattern_of_a_named_program_may_be_short(folder: Path) -> None:
    put(GOOD.replace("{contains: 'whoami'}", "{any: [{contains: whoami}, {exec: {program: w, args: '-h'}}]}"), CASES)
    assert faults_in(folder) == []


def test_every_fault_of_every_file_is_told_at_once(folder: Path) -> None:
    put(GOOD.replace("0.7", "7"), None)
    put(GOOD.replace("R0900", "R0901").replace("rule_r0900", "other"), None, "R0901.yaml")
    put(GOOD.replace("R0900", "R0902").replace("rule_r0900", "other"), CASES, "R0902.yaml")
    (folder / "cases" / "R0999.yaml").write_text("[]", "utf-8")
    assert {fault.split(":")[0] for fault in faults_in(folder)} == {
        "rules/ttp/R0900.yaml",
        "rules/ttp/R0901.yaml",
        "rules/ttp/R0902.yaml",
        "rules/cases/R0999.yaml",
    }


def test_a_folder_without_rules_is_a_fault(folder: Path) -> None:
    assert faults_in(folder) == ["rules/ttp:1: no rule files here; write one"]


def test_a_changed_rule_needs_a_higher_version(folder: Path, golden: Callable[[str, str], None]) -> None:
    put(GOOD, CASES)
    assert update_lock(folder, lint([folder], catalog.load).rules) == 1
    put(GOOD.replace("0.7", "0.8"), CASES)
    (fault,) = [fault for fault in faults_in(folder) if "rule_version" in fault]
    golden("lint/version_not_raised.txt", fault + "\n")
    assert update_lock(folder, lint([folder], catalog.load).rules) == 0


def test_a_raised_version_is_taken_in_and_a_lower_one_never(folder: Path) -> None:
    put(GOOD, CASES)
    update_lock(folder, lint([folder], catalog.load).rules)
    put(GOOD.replace("0.7", "0.8").replace("version: 1", "version: 2"), CASES)
    assert any("is not in lock.json" in fault for fault in faults_in(folder))
    assert update_lock(folder, lint([folder], catalog.load).rules) == 1
    assert read_lock(folder / "lock.json")["R0900"].version == 2
    assert not any("version" in fault for fault in faults_in(folder))
    put(GOOD, CASES)
    assert any("versions only go up" in fault for fault in faults_in(folder))


def test_words_for_people_change_without_a_new_version() -> None:
    rule = Rule.model_validate(
        {
            "rule_id": "R0900",
            "rule_version": 1,
            "name": "a_rule",
            "maturity": "stable",
            "attack_release": "enterprise-19.2",
            "description": "x",
            "applies_to": ["command"],
            "match": {"contains": "x"},
            "emits": [{"tactic": "TA0007", "technique_id": "T1033", "confidence": 0.7}],
        }
    )
    assert content_digest(rule) == content_digest(rule.model_copy(update={"description": "y", "references": ("z",)}))
    assert content_digest(rule) != content_digest(rule.model_copy(update={"maturity": "sandbox"}))


def test_the_lock_is_the_same_file_however_often_it_is_written(folder: Path) -> None:
    put(GOOD, CASES)
    put(GOOD.replace("R0900", "R0100").replace("r0900", "r0100"), CASES, "R0100.yaml")
    update_lock(folder, lint([folder], catalog.load).rules)
    first = (folder / "lock.json").read_text("utf-8")
    (folder / "lock.json").unlink()
    update_lock(folder, reversed(lint([folder], catalog.load).rules))
    assert (folder / "lock.json").read_text("utf-8") == first
    assert [line[:9] for line in first.splitlines()] == ["{", '  "R0100"', '  "R0900"', "}"]


def test_a_rule_that_is_gone_keeps_its_place_in_the_lock(folder: Path) -> None:
    put(GOOD, CASES)
    update_lock(folder, lint([folder], catalog.load).rules)
    update_lock(folder, [])
    assert "R0900" in read_lock(folder / "lock.json")


def test_a_broken_lock_is_named(folder: Path) -> None:
    put(GOOD, CASES)
    (folder / "lock.json").write_text("{", "utf-8")
    with pytest.raises(RuleError, match=r"rules/lock\.json:1: .*restore the file"):
        lint([folder], catalog.load)


def test_a_deprecated_rule_is_never_emitted_and_one_in_the_sandbox_is_not_shown(folder: Path) -> None:
    put(GOOD.replace("stable", "deprecated"), None)
    put(GOOD.replace("R0900", "R0901").replace("r0900", "r0901").replace("stable", "sandbox"), CASES, "R0901.yaml")
    checked = lint([folder], catalog.load)
    assert checked.faults == ()
    deprecated, sandbox = checked.rules
    assert deprecated.conditions == {}
    assert [item.emit.confidence for item in sandbox.emits] == [0.5]


@pytest.mark.timeout(60)
def test_the_shipped_rules_have_no_faults() -> None:
    """Also fails when a rule changed and its version was not raised, or not taken into lock.json."""
    assert [str(fault) for fault in lint([default_rules_folder()], catalog.load).faults] == []
