"""``decnet ttp eval``: labelled rows in, figures and misses out."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from decnet.cli.prediction import rows_of
from decnet.cli.terminal import shown
from decnet.ttp.evaluation import Evaluation, add_item, labelled_item
from decnet.ttp.predict import session_confidences

if TYPE_CHECKING:
    from rich.console import Console

    from decnet.attack.catalog import Catalog
    from decnet.ttp.engine import RuleEngine
    from decnet.ttp.evaluation import Miss

MISSES_PER_TECHNIQUE = 3
ALARMS_SHOWN = 12


class LabelledRow(msgspec.Struct):
    """A row of the data: other keys are ignored."""

    id: str
    text: str
    techniques: list[str]
    allowed: list[str] = []
    weight: float = 1.0


def evaluate_file(
    path: str, engine: RuleEngine, catalog: Catalog, floor: float, *, weighted: bool
) -> tuple[Evaluation, int]:
    """The figures of the rules on the rows of ``path``, and how many rows were refused (each told on stderr).

    :raises InputRefused: the file cannot be opened.
    """
    evaluation, refused = Evaluation(floor), 0
    for row in rows_of(path, LabelledRow):
        if row is None:
            refused += 1
            continue
        weight = row.weight if weighted else 1.0
        item = labelled_item(row.id, row.text, row.techniques, row.allowed, weight, catalog)
        add_item(evaluation, item, session_confidences(engine, item.text), catalog)
    return evaluation, refused


def as_plain(evaluation: Evaluation) -> dict[str, Any]:
    """The figures for ``--json``."""
    return {
        "items": evaluation.items,
        "tagged": evaluation.tagged / evaluation.items if evaluation.items else None,
        "exact_recall": evaluation.exact,
        "parent_recall": evaluation.parent,
        "precision": evaluation.precision,
        "false_alarms": evaluation.false_alarms,
        "min_confidence": evaluation.floor,
        "techniques": {
            name: {"required": count, "found": evaluation.found_required[name]}
            for name, count in evaluation.required.most_common()
        },
        "alarms": dict(evaluation.alarms.most_common()),
    }


def print_evaluation(console: Console, evaluation: Evaluation, catalog: Catalog, most: int) -> None:
    """The figures, then the techniques that were missed most, each with texts and what came close."""
    tagged = evaluation.tagged / evaluation.items if evaluation.items else 0
    console.print(f"{evaluation.items:,.0f} items, {tagged:.1%} tagged at {evaluation.floor} or surer")
    for name, value in (
        ("exact recall", evaluation.exact),
        ("parent recall", evaluation.parent),
        ("precision", evaluation.precision),
        ("false alarms", evaluation.false_alarms),
    ):
        if value is not None:
            console.print(Text.assemble(f"  {name:<14}", (f"{value:6.1%}", "bold")))
    _print_misses(console, evaluation, catalog, most)
    for technique, count in evaluation.alarms.most_common(ALARMS_SHOWN):
        console.print(f"  alarm {technique} {catalog.technique(technique).name}: {count:,} times")


def _print_misses(console: Console, evaluation: Evaluation, catalog: Catalog, most: int) -> None:
    by_name = sorted(evaluation.misses, key=lambda miss: miss.technique)
    groups = [(name, list(misses)) for name, misses in groupby(by_name, key=lambda miss: miss.technique)]
    for name, misses in sorted(groups, key=lambda group: -len(group[1]))[:most]:
        first = name.partition("|")[0]
        known = catalog.techniques.get(first)
        heading = f"{name} {known.name if known else ''}  missed in {len(misses)} of {evaluation.required[name]}"
        console.print(Text(heading, style="bold"))
        for miss in misses[:MISSES_PER_TECHNIQUE]:
            console.print(Text(f"  {shown(' ⏎ '.join(miss.item.text.splitlines()), 140)}"), soft_wrap=True)
            console.print(Text(f"    {_what_was_found(miss)}", style="dim"), soft_wrap=True)


def _what_was_found(miss: Miss) -> str:
    shown_first = miss.close or miss.found
    found = ", ".join(f"{technique} {confidence:.2f}" for technique, confidence in sorted(shown_first.items()))
    return f"{'close' if miss.close else 'found'}: {found}" if found else "found nothing"
