"""What a rule author is told. The exact sentences are in tests/golden/rule_faults/, one file per broken rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.attack import catalog
from decnet.errors import RuleError
from decnet.ttp.store.compile import compile_pack
from decnet.ttp.store.filesystem import load_pack
from decnet.ttp.store.folder import is_rule_name

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = """\
rule_id: R0900
rule_version: 1
name: a_rule
maturity: stable
attack_release: enterprise-19.2
description: A rule for tests.
applies_to: [command]
match: {pattern: 'who+ami'}
emits:
  - {tactic: TA0007, technique_id: T1033, confidence: 0.7}
"""

BROKEN = {
    "misspelt_key": GOOD.replace("maturity:", "maturty:"),
    "misspelt_operator": GOOD.replace("pattern:", "patern:"),
    "two_operators": GOOD.replace("{pattern: 'who+ami'}", "{pattern: 'whoami', contains: who}"),
    "invented_technique": GOOD.replace("T1033", "T11033").replace("T11033", "T1999"),
    "revoked_technique": GOOD.replace("T1033", "T1562").replace("TA0007", "TA0005"),
    "wrong_tactic": GOOD.replace("TA0007", "TA0040"),
    "foreign_sub_technique": GOOD.replace("technique_id: T1033", "technique_id: T1033, sub_technique_id: T1059.004"),
    "confidence_of_seven": GOOD.replace("0.7", "7"),
    "confidence_of_zero": GOOD.replace("0.7", "0"),
    "look_around": GOOD.replace("who+ami", "(?<!x)whoami"),
    "back_reference": GOOD.replace("who+ami", r"(a)\1"),
    "unbalanced_pattern": GOOD.replace("who+ami", "(whoami"),
    "pattern_that_matches_nothing": GOOD.replace("who+ami", "(whoami)?"),
    "dollar_inside": GOOD.replace("who+ami", "(?:whoami$|id);"),
    "fold_beyond_ascii": GOOD.replace("who+ami", "(?i)café"),
    "large_pattern": GOOD.replace("who+ami", "(?:a.{1,30}b|c.{1,30}d){20}x"),
    "exec_of_nothing": GOOD.replace("{pattern: 'who+ami'}", "{exec: {}}"),
    "exec_misspelt_part": GOOD.replace("{pattern: 'who+ami'}", "{exec: {prgram: find}}"),
    "exec_program_with_folder": GOOD.replace("{pattern: 'who+ami'}", "{exec: {program: [id, /bin/id]}}"),
    "exec_with_field": GOOD.replace("{pattern: 'who+ami'}", "{field: command_text, exec: {program: id}}"),
    "exec_bad_patterns": GOOD.replace("{pattern: 'who+ami'}", "{exec: {args: '(a', args_not: '(?!a)b', path: 'x*'}}"),
    "exec_for_http": GOOD.replace("{pattern: 'who+ami'}", "{exec: {program: id}}").replace(
        "[command]", "[http_request]"
    ),
    "emitted_twice": GOOD + "  - {tactic: TA0007, technique_id: T1033, confidence: 0.8}\n",
    "unknown_kind": GOOD.replace("[command]", "[comand]"),
    "unknown_field": GOOD.replace("{pattern:", "{field: comand_text, pattern:"),
    "other_file_name": GOOD.replace("R0900", "R0901"),
    "unknown_release": GOOD.replace("enterprise-19.2", "enterprise-3.0"),
    "not_yaml": GOOD.replace("[command]", "[command"),
    "alias": GOOD.replace("[command]", "&kinds [command]") + "references: *kinds\n",
    "second_key": GOOD + "name: again\n",
    "empty_file": "",
    "a_list": "- rule_id: R0900\n",
    "several_faults": GOOD.replace("0.7", "1.5").replace("stable", "perfect").replace("a_rule", "A Rule"),
    "nested_too_deep": GOOD.replace("{pattern: 'who+ami'}", "{not: " * 40 + "{contains: x}" + "}" * 40),
}


def faults_of(text: str, name: str = "R0900.yaml") -> list[str]:
    with pytest.raises(RuleError) as caught:
        compile_pack([(Path("rules/ttp") / name, text)], catalog.load)
    return list(caught.value.faults)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_explained(name: str, golden: Callable[[str, str], None]) -> None:
    faults = faults_of(BROKEN[name])
    assert all(fault.startswith("rules/ttp/R0900.yaml:") for fault in faults)
    golden(f"rule_faults/{name}.txt", "\n".join(faults) + "\n")


def test_every_fault_of_every_file_is_told_at_once() -> None:
    with pytest.raises(RuleError) as caught:
        compile_pack(
            [(Path("R0900.yaml"), BROKEN["confidence_of_seven"]), (Path("R0901.yaml"), BROKEN["misspelt_key"])],
            catalog.load,
        )
    assert {fault.split(":")[0] for fault in caught.value.faults} == {"R0900.yaml", "R0901.yaml"}


def test_two_releases_of_one_domain_are_refused() -> None:
    other = GOOD.replace("R0900", "R0901").replace("a_rule", "b_rule").replace("enterprise-19.2", "ics-18.1")
    other = other.replace("TA0007, technique_id: T1033", "TA0102, technique_id: T0846")
    pack = compile_pack([(Path("R0900.yaml"), GOOD), (Path("R0901.yaml"), other)], catalog.load)
    assert [rule.rule_id for rule in pack.rules] == ["R0900", "R0901"]


def test_a_name_used_twice_is_refused() -> None:
    with pytest.raises(RuleError, match="name 'a_rule' is also that of R0900"):
        compile_pack([(Path("R0900.yaml"), GOOD), (Path("R0901.yaml"), GOOD.replace("R0900", "R0901"))], catalog.load)


def test_the_digest_of_a_pack_changes_with_any_rule() -> None:
    one, other = (
        compile_pack([(Path("R0900.yaml"), text)], catalog.load) for text in (GOOD, GOOD.replace("0.7", "0.8"))
    )
    assert one.digest != other.digest


@pytest.mark.parametrize(
    "name", [".R0012.yaml.swp", "R0012.yaml~", "4913", "#R0012.yaml#", "R0012.yaml.bak", "a b.yaml"]
)
def test_scratch_files_are_invisible(name: str) -> None:
    assert not is_rule_name(name)


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no rule files here"):
        load_pack(tmp_path)


def test_a_rule_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "ttp").mkdir()
    (tmp_path / "ttp" / "R0900.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(RuleError, match=r"R0900\.yaml:1: byte 0 is not UTF-8"):
        load_pack(tmp_path)
