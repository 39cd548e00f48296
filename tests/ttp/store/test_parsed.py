"""What is remembered of rule files changes no result."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from decnet.attack import catalog
from decnet.ttp.dialect import pattern_form
from decnet.ttp.scan_cache import ScanCache
from decnet.ttp.store.compile import compile_rule
from decnet.ttp.store.filesystem import default_rules_folder
from decnet.ttp.store.parsed import Parsed
from decnet.ttp.store.pattern import pattern_fault, program_size
from decnet.ttp.trigger import pattern_share
from tests.ttp.store.rule_texts import rule_text

PATH = Path("R0900.yaml")


def parsed(tmp_path: Path) -> Parsed:
    return Parsed(["pack"], ScanCache(tmp_path / "cache"))


def test_a_second_start_reads_no_yaml_and_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [(path, path.read_text("utf-8")) for path in sorted((default_rules_folder() / "ttp").glob("*.yaml"))]
    first = parsed(tmp_path)
    rules = [compile_rule(path, text, catalog.load, first)[0] for path, text in files]
    first.save()
    monkeypatch.delattr("yaml.CSafeLoader")
    second = parsed(tmp_path)
    again = [compile_rule(path, text, catalog.load, second)[0] for path, text in files]
    assert [rule and rule.rule for rule in again] == [rule and rule.rule for rule in rules]


def test_a_rule_with_a_fault_is_not_remembered(tmp_path: Path) -> None:
    known = parsed(tmp_path)
    text = rule_text().replace("description: A rule for tests.", "description: 2026-01-01")
    _, faults = compile_rule(PATH, text, catalog.load, known)
    known.save()
    assert faults
    assert compile_rule(PATH, text, catalog.load, parsed(tmp_path)) == (None, faults)


def test_a_remembered_rule_that_became_faulty_is_told_with_its_line(tmp_path: Path) -> None:
    known = parsed(tmp_path)
    text = rule_text()
    known.put(text, msgspec.yaml.decode(text) | {"rule_version": "one"})
    known.save()
    assert compile_rule(PATH, text, catalog.load, parsed(tmp_path))[0] is not None
    _, faults = compile_rule(Path("R0901.yaml"), text, catalog.load, parsed(tmp_path))
    assert [str(fault) for fault in faults] == ["R0901.yaml:1: rule_id 'R0900' is not the file's name"]


def test_a_cache_of_nonsense_is_an_empty_one(tmp_path: Path) -> None:
    known = parsed(tmp_path)
    ScanCache(tmp_path / "cache").write(known._key, b"\xc1")
    assert parsed(tmp_path).get(rule_text()) is None


def test_a_second_start_asks_no_engine_about_patterns_and_a_new_pattern_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = rule_text().replace("contains: 'whoami'", "pattern: 'zyx+w$'")
    first = parsed(tmp_path)
    rule, faults = compile_rule(PATH, text, catalog.load, first)
    first.save()
    assert (rule is not None, faults) == (True, [])
    for judge in (pattern_fault, program_size, pattern_form, pattern_share):
        monkeypatch.setattr(judge, "_known", {})
        monkeypatch.setattr(judge, "_work", refuse)
    second = parsed(tmp_path)
    assert compile_rule(PATH, text, catalog.load, second)[1] == []
    assert pattern_form("zyx+w$").expression == rb"zyx+w\z"
    with pytest.raises(AssertionError, match="asked"):
        compile_rule(PATH, text.replace("zyx+w$", "zyx+v$"), catalog.load, second)


def refuse(pattern: str) -> None:
    raise AssertionError(f"asked about {pattern}")


def test_what_is_remembered_is_forgotten_when_the_code_that_looks_at_patterns_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = parsed(tmp_path)
    compile_rule(PATH, rule_text(), catalog.load, first)
    first.save()
    assert parsed(tmp_path).get(rule_text()) is not None
    monkeypatch.setattr("decnet.ttp.store.parsed._judges", lambda: (b"another version",))
    assert parsed(tmp_path).get(rule_text()) is None
