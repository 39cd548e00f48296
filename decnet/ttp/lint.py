"""Everything that can be said of rule files before they ship, at once: ``file:line: what; way out``.

The loader refuses what cannot be matched. Lint asks for more: cases that prove what a rule says of itself, versions
that tell one meaning from another, patterns that are rare enough, predicates that some lifter has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from decnet.models.event import PAYLOAD_TYPES, SourceKind
from decnet.models.tag import MIN_STORED_CONFIDENCE
from decnet.ttp.cases import CASE_JOINS, LEAST_CASES, case_path, read_cases, techniques_expected, try_cases
from decnet.ttp.exec_term import PATTERN_PARTS
from decnet.ttp.lifter_engine import bind_rule
from decnet.ttp.lifters.registry import PREDICATES
from decnet.ttp.literal import longest_literal
from decnet.ttp.lock import LOCK_NAME, Locked, lock_fault, read_lock, updated_lock, write_lock
from decnet.ttp.predicates import predicate_faults, predicates, tables_of
from decnet.ttp.store.compile import Fault, compile_rule, leaf_terms, pack_faults
from decnet.ttp.store.filesystem import rule_files
from decnet.ttp.store.folder import rule_stems
from decnet.ttp.store.yaml_file import read_yaml
from decnet.ttp.tables import PackTables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from decnet.models.rule import Exec, Term
    from decnet.ttp.cases import CaseFile
    from decnet.ttp.pack import CompiledRule, LifterTerm
    from decnet.ttp.store.compile import CatalogLoader
    from decnet.ttp.store.yaml_file import YamlFile

    Place = tuple[str | int, ...]

LEAST_LITERAL = 3
"""Characters of plain text in a pattern: fewer are found in too many texts to be worth a look at the rule."""
SHELL_VIEW = "exec"
"""Evidence of a rule about commands: what the shell view shows of the command."""


class Checked(NamedTuple):
    """What lint looked at: every rule that compiles, the rule files, and all faults in order of file and line."""

    rules: tuple[CompiledRule, ...]
    files: int
    faults: tuple[Fault, ...]


def lint(folders: Sequence[Path], catalog_of: CatalogLoader) -> Checked:
    """Check the packs in ``folders``, the uppermost first; a pack with ``lock.json`` has its versions checked too."""
    found = list(rule_files([folder / "ttp" for folder in folders]))
    rules: list[CompiledRule] = []
    faults: list[Fault] = [] if found else [Fault(folders[-1] / "ttp", 1, "no rule files here; write one")]
    locks = {folder: read_lock(folder / LOCK_NAME) for folder in folders}
    for file in found:
        if file.text is None:
            faults += [file.fault] if file.fault else []
            continue
        rule, wrong = compile_rule(file.path, file.text, catalog_of)
        faults += wrong
        if rule is not None:
            rules.append(rule)
            faults += _rule_faults(rule, read_yaml(file.text), locks[file.path.parent.parent], folders)
    faults += pack_faults(rules)
    faults += [fault for folder in folders for fault in _orphans(folder)]
    faults += _unused_predicates(rules, folders[-1])
    return Checked(tuple(rules), len(found), tuple(sorted(set(faults))))


def update_lock(folder: Path, rules: Iterable[CompiledRule]) -> int:
    """Take new rules and raised versions of the pack in ``folder`` into its lock; returns how many entries changed."""
    path = folder / LOCK_NAME
    before = read_lock(path)
    after = updated_lock((rule.rule for rule in rules if rule.path.parent.parent == folder), before)
    if after != before:
        write_lock(path, after)
    return sum(after.get(rule_id) != locked for rule_id, locked in before.items()) + len(after) - len(before)


def _rule_faults(
    rule: CompiledRule, source: YamlFile, lock: Mapping[str, Locked], folders: Sequence[Path]
) -> Iterator[Fault]:
    for place, message in (*_pattern_faults(rule), *_evidence_faults(rule), *_emit_faults(rule)):
        yield Fault(rule.path, source.line_of(place), message)
    for place, message in _lifter_faults(rule, folders):
        yield Fault(rule.path, source.line_of(place), message)
    if lock and (fault := lock_fault(rule.rule, lock)) is not None:
        yield Fault(rule.path, source.line_of(("rule_version",)), fault)
    yield from _case_faults(rule, source)


def _pattern_faults(rule: CompiledRule) -> Iterator[tuple[Place, str]]:
    """Patterns that hold too little plain text, unless the rule says why they must."""
    if rule.rule.short_patterns is not None:
        return
    roots: list[tuple[Term, Place]] = [(rule.rule.match, ("match",))]
    roots += [(emit.when, ("emits", n, "when")) for n, emit in enumerate(rule.rule.emits) if emit.when is not None]
    for term, place in (leaf for root in roots for leaf in leaf_terms(*root)):
        pattern = _scanned(term.exec) if term.exec is not None else term.pattern
        if pattern and longest_literal(pattern) < LEAST_LITERAL:
            message = (
                f"pattern {pattern!r} has no plain text of {LEAST_LITERAL} characters: it is looked for everywhere; "
            )
            message += "ask for more, name a program, or give the reason under 'short_patterns'"
            yield (*place, term.operator), message


def _scanned(exec_: Exec) -> str | None:
    """The richest pattern of an ``exec`` that names no program: the one that has to be found first."""
    if exec_.program is not None:
        return None
    patterns = [str(value) for name, value in exec_.parts.items() if name in PATTERN_PARTS and name != "args_not"]
    return max(patterns, key=longest_literal, default=None)


def _evidence_faults(rule: CompiledRule) -> Iterator[tuple[Place, str]]:
    kinds = [SourceKind(kind) for kind in rule.rule.applies_to]
    if rule.lifters or rule.session is not None or any(kind not in PAYLOAD_TYPES for kind in kinds):
        return
    known = {SHELL_VIEW, *(name for kind in kinds for name in PAYLOAD_TYPES[kind].__struct_fields__)}
    for number, name in enumerate(rule.rule.evidence_fields):
        if name not in known:
            yield (
                ("evidence_fields", number),
                f"evidence_fields: {', '.join(kinds)} has no field {name!r}; use {', '.join(sorted(known))}",
            )


def _emit_faults(rule: CompiledRule) -> Iterator[tuple[Place, str]]:
    """Emits that no event can reach."""
    for number, item in enumerate(rule.emits):
        if item.emit.confidence < MIN_STORED_CONFIDENCE:
            message = f"emits[{number}]: confidence {item.emit.confidence} is below {MIN_STORED_CONFIDENCE}, "
            yield ("emits", number, "confidence"), f"{message}which is never stored; raise it or leave the emit out"
        if item.when and not rule.lifters and all(not part.parts and part.leaf is None for part in item.when.values()):
            yield ("emits", number, "when"), f"emits[{number}]: no event of the rule's kinds can make 'when' true"


def _lifter_faults(rule: CompiledRule, folders: Sequence[Path]) -> list[tuple[Place, str]]:
    """Terms that no lifter understands: by their names and types, else by what the lifter says of them."""
    faults = [
        ((*_place_of(term.path)[:-1], key), message)
        for term in rule.lifters
        for key, message in (*predicate_faults(term), *_kind_faults(rule, term), *_table_faults(term, folders))
    ]
    if faults:
        return faults
    bound = bind_rule(rule, PackTables(folders), CASE_JOINS)
    return [(_place_of(fault.term), fault.message) for fault in bound.faults]


def _kind_faults(rule: CompiledRule, term: LifterTerm) -> Iterator[tuple[str, str]]:
    """A predicate that cannot be asked about any kind that the rule applies to."""
    predicate = PREDICATES.get(term.predicate)
    if predicate is not None and predicate.kinds.isdisjoint(rule.rule.applies_to):
        known = ", ".join(sorted(predicate.kinds))
        yield "lifter", f"{term.predicate} looks at {known}, which the rule does not apply to; add one to applies_to"


def _table_faults(term: LifterTerm, folders: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Tables that no pack has, or that lie outside of it."""
    for key, name in tables_of(term):
        paths = [(folder, (folder / name).resolve()) for folder in folders]
        if not any(path.is_relative_to(folder.resolve()) and path.is_file() for folder, path in paths):
            where = " or ".join(str(folder) for folder in folders)
            yield key, f"{key}: no table {name!r} in {where}; write it, or name another"


def _case_faults(rule: CompiledRule, source: YamlFile) -> Iterator[Fault]:
    file = read_cases(case_path(rule.path))
    yield from file.faults
    waits = not rule.conditions and rule.session is None and bool(rule.lifters)
    if rule.rule.maturity == "deprecated" or (waits and not file.cases):
        return
    if not file.exists:
        yield Fault(rule.path, 1, f"no cases; write {LEAST_CASES} hits and {LEAST_CASES} near misses in {file.path}")
        return
    if not file.faults:
        yield from _missing_cases(rule, file, source)
    for result in try_cases(rule, file):
        path, _, line = result.place.rpartition(":")
        if not result.passed:
            expected = ", ".join(sorted(result.case.expect)) or "nothing"
            what = result.problem or f"expected {expected}, got {', '.join(result.got) or 'nothing'}"
            yield Fault(
                type(rule.path)(path), int(line), f"case {result.case.name!r}: {what}; mend the rule or the case"
            )


def _missing_cases(rule: CompiledRule, file: CaseFile, source: YamlFile) -> Iterator[Fault]:
    hits = sum(bool(case.expect) for _, case in file.cases)
    misses = len(file.cases) - hits
    if (rule.emits and hits < LEAST_CASES) or misses < LEAST_CASES:
        wanted = f"{LEAST_CASES} of each are the least"
        yield Fault(file.path, 1, f"{hits} hits and {misses} near misses; {wanted}")
    expected = techniques_expected(file.cases)
    emitted = {item.emit.sub_technique_id or item.emit.technique_id: n for n, item in enumerate(rule.emits)}
    for technique, number in emitted.items():
        if technique not in expected:
            message = f"emits[{number}]: no case expects {technique}; write one, or leave the emit out"
            yield Fault(rule.path, source.line_of(("emits", number)), message)


def _orphans(folder: Path) -> Iterator[Fault]:
    """Case files without a rule."""
    for stem in sorted(rule_stems(folder / "cases") - rule_stems(folder / "ttp")):
        yield Fault(
            folder / "cases" / f"{stem}.yaml", 1, f"no rule {stem} in {folder / 'ttp'}; remove or rename the file"
        )


def _unused_predicates(rules: Iterable[CompiledRule], folder: Path) -> Iterator[Fault]:
    """Predicates that no rule of a whole pack asks for; a folder without a lock is no whole pack."""
    if not (folder / LOCK_NAME).exists():
        return
    used = {term.predicate for rule in rules for term in rule.lifters}
    for name in sorted(predicates().keys() - used):
        yield Fault(folder / "ttp", 1, f"no rule asks for the predicate {name}; write one, or remove it from the list")


def _place_of(path: str) -> Place:
    """``match.any[2].lifter`` as keys and places."""
    parts = path.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdigit() else part for part in parts)
