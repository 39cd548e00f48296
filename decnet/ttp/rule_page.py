"""The pages about the pack: what each rule sees, misses and shows, and which observations the pack is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
import yaml

from decnet.ttp.lifters.registry import PREDICATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from decnet.attack.catalog import Catalog
    from decnet.models.rule import Emit, Rule
    from decnet.ttp.pack import CompiledRule, LifterTerm, Pack

Shape = TypeVar("Shape")

COVERAGE_FILE = "coverage.yaml"
MEASURED_FILE = "measured.yaml"

_HEAD = """\
# The rules

Written from the pack by `python -m scripts.write_rule_pages`. {count} rules, of which {asking} ask
[lifters](../explanation/lifters.md){waiting}.
*Stable* rules look at what is hardly ever honest work, *incubating* ones are new or look at what is ordinary as well,
*sandbox* ones are trials.

"""
_COVERAGE_HEAD = """\
# What is observed, and which rule takes it

Written from `rules/data/coverage.yaml` by `python -m scripts.write_rule_pages`. Of {count} observations {taken} are
taken.

"""


class CoverageRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One observation and the technique that it shows: the rules that take it, or why none does."""

    section: str
    observed: str
    tactic: str
    technique: str
    rules: tuple[str, ...] = ()
    note: str = ""
    not_taken: str = ""


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a rule fired on labelled lines, how often rightly, and on how many ordinary lines outside Discovery."""

    fired: int
    right: int
    false_alarms: int


class Measurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures per rule, and over how many labelled and how many ordinary lines they were taken."""

    labelled: int
    ordinary: int
    rules: dict[str, Measured]


class _Coverage(msgspec.Struct, frozen=True):
    rows: tuple[CoverageRow, ...]


def read_coverage(data: Path) -> tuple[CoverageRow, ...]:
    """The observations in ``coverage.yaml`` of the folder ``data``.

    :raises msgspec.ValidationError: a row has a key too many or lacks one.
    """
    return _read(data / COVERAGE_FILE, _Coverage).rows


def read_measurement(data: Path) -> Measurement:
    """The figures in ``measured.yaml`` of the folder ``data``."""
    return _read(data / MEASURED_FILE, Measurement)


def _read(path: Path, shape: type[Shape]) -> Shape:
    return msgspec.convert(yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader), shape)


def rules_page(pack: Pack, catalogs: Mapping[str, Catalog], measurement: Measurement) -> str:
    """``docs/reference/rules.md``: a section per rule, in order of id. ``catalogs`` by release."""
    asking = sum(bool(rule.lifters) for rule in pack.rules)
    waiting = sum(any(term.predicate not in PREDICATES for term in rule.lifters) for rule in pack.rules)
    wait = f"; {waiting} of these wait, in whole or in part, for one that is not there yet" if waiting else ""
    sections = [_section(rule, catalogs[rule.rule.attack_release], measurement) for rule in pack.rules]
    return _HEAD.format(count=len(pack.rules), asking=asking, waiting=wait) + "\n".join(sections)


def coverage_page(rows: Iterable[CoverageRow], pack: Pack, catalogs: Mapping[str, Catalog]) -> str:
    """``docs/reference/coverage.md``: a table per section of the list."""
    rows = tuple(rows)
    lines = [_COVERAGE_HEAD.format(count=len(rows), taken=sum(bool(row.rules) for row in rows)).rstrip("\n")]
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            lines += ["", f"## {_plain(section)}", "", "| observed | technique | rule |", "|---|---|---|"]
        lines.append(f"| {_plain(row.observed)} | {_named(row.technique, catalogs)} | {_taken(row, pack)} |")
    return "\n".join(lines) + "\n"


def _section(compiled: CompiledRule, catalog: Catalog, measurement: Measurement) -> str:
    rule = compiled.rule
    lines = [
        f"## {rule.rule_id} {rule.name}",
        "",
        f"{rule.maturity}, version {rule.rule_version}, on {', '.join(rule.applies_to)}. {_one_line(rule.description)}",
        "",
        *_emits(rule, catalog),
    ]
    lines += [
        f"- **{'Asks' if term.predicate in PREDICATES else 'Waits for'}** {_lifter(term)}"
        for term in _distinct(compiled.lifters)
    ]
    if rule.known_gaps:
        lines.append(f"- **Misses** {_listed(rule.known_gaps)}")
    if rule.false_positives:
        lines.append(f"- **False alarms** {_listed(rule.false_positives)}")
    lines.append(f"- **Measured** {_measured(rule.rule_id, measurement)}")
    return "\n".join(lines) + "\n"


def _emits(rule: Rule, catalog: Catalog) -> list[str]:
    if not rule.emits:
        return ["Writes no tag: it changes how tags that are there are seen.", ""]
    table = ["| shows | under | confidence |", "|---|---|---|"]
    return [*table, *(_emit(emit, catalog) for emit in rule.emits), ""]


def _emit(emit: Emit, catalog: Catalog) -> str:
    identifier = emit.sub_technique_id or emit.technique_id
    condition = ", in some cases" if emit.when is not None else ""
    tactic, technique = catalog.tactic(emit.tactic), catalog.technique(identifier)
    return f"| {identifier} {technique.name} | {tactic.name} | {emit.confidence:.2f}{condition} |"


def _distinct(terms: Iterable[LifterTerm]) -> list[LifterTerm]:
    return list({_lifter(term): term for term in terms}.values())


def _lifter(term: LifterTerm) -> str:
    parameters = ", ".join(f"{name} {_value(value)}" for name, value in term.parameters.items())
    return f"`{term.predicate}`" + (f" ({_plain(parameters)})" if parameters else "")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name} {_value(inner)}" for name, inner in value.items()) + ")"
    if isinstance(value, list):
        return " ".join(_value(inner) for inner in value)
    return str(value)


def _measured(rule_id: str, measurement: Measurement) -> str:
    figures = measurement.rules.get(rule_id)
    if figures is None:
        return "not: nothing in the development set makes it fire"
    labelled = f"right on {figures.right} of {figures.fired} labelled lines" if figures.fired else "on no labelled line"
    return f"{labelled}; {figures.false_alarms} of {measurement.ordinary} ordinary lines outside Discovery"


def _taken(row: CoverageRow, pack: Pack) -> str:
    if not row.rules:
        return f"not taken: {_plain(row.not_taken)}"
    named = ", ".join(f"[{rule_id}](rules.md#{_anchor(rule_id, pack)})" for rule_id in row.rules)
    return named + (f"; {_plain(row.note)}" if row.note else "")


def _anchor(rule_id: str, pack: Pack) -> str:
    rule = pack.rule(rule_id)
    return f"{rule_id}-{rule.rule.name}".lower() if rule is not None else rule_id.lower()


def _named(identifier: str, catalogs: Mapping[str, Catalog]) -> str:
    for catalog in catalogs.values():
        if (technique := catalog.techniques.get(identifier)) is not None:
            return f"{identifier} {technique.name}"
    return identifier


def _listed(items: Iterable[str]) -> str:
    return "; ".join(_plain(item) for item in items)


def _one_line(text: str) -> str:
    return _plain(" ".join(text.split()))


def _plain(text: str) -> str:
    """``text`` so that Markdown shows it as it is, in a table too."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
