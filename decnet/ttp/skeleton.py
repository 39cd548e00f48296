"""A new rule with its cases, for its author to edit: it loads, its cases hold, and it fires on nothing real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.attack import catalog
from decnet.attack.catalog import parent_of
from decnet.errors import RuleError
from decnet.ttp.store.folder import is_rule_name, rule_stems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from decnet.attack.catalog import Catalog

FIRST_OWN_ID = 9000
LAST_OWN_ID = 9999

RULE = """\
rule_id: {rule_id}
rule_version: 1
name: {name}
maturity: sandbox              # its tags are stored, and shown once it is incubating or stable
attack_release: {release}
description: What an attacker does when this fires, in one sentence.
applies_to: [command]
match:
  exec: {{program: change_me}}
emits:
  - {{tactic: {tactic}, technique_id: {parent}{sub}, confidence: 0.7}}
evidence_fields: [exec]
false_positives:
  - who else does this, and why
known_gaps:
  - what this does not see
references:
  - {url}
"""

CASES = """\
- name: plain
  description: as it is typed most often
  origin: written for this rule
  event: {{source_kind: command, payload: {{command_text: 'change_me now'}}}}
  expect: [{technique}]
- name: by-path
  description: by its path, behind sudo
  origin: written for this rule
  event: {{source_kind: command, payload: {{command_text: 'sudo /usr/bin/change_me now'}}}}
  expect: [{technique}]
- name: obfuscated
  description: quotes in the name, inside sh -c
  origin: written for this rule
  event: {{source_kind: command, payload: {{command_text: 'sh -c ''ch"ang"e_me now'''}}}}
  expect: [{technique}]
- name: printed
  description: the command is printed, not run
  origin: written for this rule
  event: {{source_kind: command, payload: {{command_text: 'echo change_me now'}}}}
  expect: []
- name: argument
  description: the word is an argument
  origin: written for this rule
  event: {{source_kind: command, payload: {{command_text: 'grep change_me notes.txt'}}}}
  expect: []
- name: other-program
  description: a program with a longer name
  origin: written for this rule
  event: {{source_kind: command, payload: {{command_text: 'change_me_not now'}}}}
  expect: []
"""


def write_skeleton(
    folders: Sequence[Path], own: Path, name: str, technique: str, tactic: str = "", rule_id: str = ""
) -> tuple[Path, Path]:
    """Write a rule ``name`` and its cases into the pack ``own``; returns where both stand.

    ``folders`` are all packs in force: an id of theirs is not taken again. ``tactic`` may be empty where the technique
    has one only.

    :raises RuleError: the technique or tactic does not fit, the id is taken, or nothing can be written.
    """
    names = catalog.load()
    chosen = _tactic_of(names, technique, tactic)
    identifier = rule_id or _next_id(folders)
    rule, cases = (own / part / f"{identifier}.yaml" for part in ("ttp", "cases"))
    if not is_rule_name(rule.name) or identifier in {stem for folder in folders for stem in rule_stems(folder / "ttp")}:
        raise RuleError([f"{rule}:1: the id {identifier!r} is taken or no id; choose another with --id, such as R9001"])
    parent = parent_of(technique)
    text = RULE.format(
        rule_id=identifier,
        name=name,
        release=names.release,
        tactic=chosen,
        parent=parent or technique,
        sub=f", sub_technique_id: {technique}" if parent else "",
        url=names.technique(technique).url,
    )
    for path, content in ((rule, text), (cases, CASES.format(technique=technique))):
        _write_new(path, content)
    return rule, cases


def _tactic_of(names: Catalog, technique: str, tactic: str) -> str:
    found = names.techniques.get(technique)
    if found is None:
        meant = ", ".join(names.suggest(technique))
        raise RuleError(
            [f"{technique!r} is not in ATT&CK {names.release}" + (f"; did you mean {meant}?" if meant else "")]
        )
    if not tactic and len(found.tactics) == 1:
        return str(found.tactics[0])
    choice = tactic or "none"
    if tactic not in found.tactics:
        listed = " or ".join(f"{each} ({names.tactic(each).name})" for each in found.tactics)
        raise RuleError(
            [f"{technique} ({found.name}) needs a tactic, and {choice} is not one of its own; use {listed}"]
        )
    return tactic


def _next_id(folders: Sequence[Path]) -> str:
    taken = {stem for folder in folders for stem in rule_stems(folder / "ttp")}
    free = (f"R{number}" for number in range(FIRST_OWN_ID, LAST_OWN_ID + 1) if f"R{number}" not in taken)
    identifier = next(free, None)
    if identifier is None:
        raise RuleError([f"every id from R{FIRST_OWN_ID} to R{LAST_OWN_ID} is taken; choose one with --id"])
    return identifier


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise RuleError([f"{path}:1: cannot be written: {error.strerror}"]) from None
