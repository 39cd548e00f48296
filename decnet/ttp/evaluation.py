"""How well the rules do on labelled shell text: recall, bounds of precision, false alarms, and what was missed.

A label lists the techniques that must be found; ``A|B`` means that either will do. ``allowed`` are others that a
careful reader would accept. Ids of older releases count as their successors. What is counted:

- *exact* and *parent* recall: the mean over labelled items of the share of required techniques that were found, to the
  sub-technique, or after both sides are cut to the parent;
- *precision*: the mean over tagged items of the share of found parents that are required or allowed. Where items have
  no ``allowed``, labels name one technique of several that the text shows, and this is a lower bound;
- *false alarms*: the share of items labelled with nothing that got a technique outside of Discovery.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from decnet.attack.catalog import parent_of
from decnet.errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.attack.catalog import Catalog

DISCOVERY = "discovery"


@dataclass(frozen=True, slots=True)
class LabelledItem:
    """A shell session and what it shows: required techniques (each a set of alternatives) and allowed ones."""

    id: str
    text: str
    required: tuple[frozenset[str], ...]
    allowed: frozenset[str]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Miss:
    """A required technique that was not found in an item, and what was found there with its confidence."""

    technique: str
    item: LabelledItem
    found: dict[str, float]

    @property
    def close(self) -> dict[str, float]:
        """What came close: the technique below the floor, its parent, or another one of its family."""
        family = _parent(self.technique)
        return {found: confidence for found, confidence in self.found.items() if _parent(found) == family}


@dataclass(slots=True)
class Evaluation:
    """Running sums over items; the figures are properties."""

    floor: float
    items: float = 0
    tagged: float = 0
    labelled: float = 0
    exact_sum: float = 0
    parent_sum: float = 0
    judged: float = 0
    precision_sum: float = 0
    benign: float = 0
    benign_alarms: float = 0
    misses: list[Miss] = field(default_factory=list)
    required: Counter[str] = field(default_factory=Counter)
    found_required: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)

    @property
    def exact(self) -> float | None:
        """Mean recall to the sub-technique; None without labelled items."""
        return self.exact_sum / self.labelled if self.labelled else None

    @property
    def parent(self) -> float | None:
        """Mean recall of parents; None without labelled items."""
        return self.parent_sum / self.labelled if self.labelled else None

    @property
    def precision(self) -> float | None:
        """Mean share of accepted parents among the found; None when nothing was found in labelled items."""
        return self.precision_sum / self.judged if self.judged else None

    @property
    def false_alarms(self) -> float | None:
        """Share of items labelled with nothing that were tagged outside of Discovery; None without such items."""
        return self.benign_alarms / self.benign if self.benign else None


def labelled_item(
    identifier: str, text: str, required: Iterable[str], allowed: Iterable[str], weight: float, catalog: Catalog
) -> LabelledItem:
    """An item with every id brought to the release of ``catalog``; an id without successor stays as it is."""
    return LabelledItem(
        identifier,
        text,
        tuple(frozenset(_current(catalog, one) for one in alternatives.split("|")) for alternatives in required),
        frozenset(_current(catalog, one) for one in allowed),
        weight,
    )


def add_item(evaluation: Evaluation, item: LabelledItem, found: dict[str, float], catalog: Catalog) -> None:
    """Add one item; ``found`` has the confidence of every technique that was found, also below the floor."""
    sure = {technique for technique, confidence in found.items() if confidence >= evaluation.floor}
    evaluation.items += item.weight
    evaluation.tagged += item.weight * bool(sure)
    if item.required:
        _add_recall(evaluation, item, sure, found)
    if sure and (item.required or item.allowed):
        accepted = {_parent(one) for group in (*item.required, item.allowed) for one in group}
        parents = {_parent(one) for one in sure}
        evaluation.judged += item.weight
        evaluation.precision_sum += item.weight * len(accepted & parents) / len(parents)
    if not item.required and not item.allowed:
        alarming = {one for one in sure if not _is_discovery(catalog, one)}
        evaluation.benign += item.weight
        evaluation.benign_alarms += item.weight * bool(alarming)
        evaluation.alarms.update(alarming)


def _add_recall(evaluation: Evaluation, item: LabelledItem, sure: set[str], found: dict[str, float]) -> None:
    parents = {_parent(one) for one in sure}
    exact = [group for group in item.required if group & sure]
    evaluation.labelled += item.weight
    evaluation.exact_sum += item.weight * len(exact) / len(item.required)
    by_parent = [group for group in item.required if {_parent(one) for one in group} & parents]
    evaluation.parent_sum += item.weight * len(by_parent) / len(item.required)
    for group in item.required:
        name = "|".join(sorted(group))
        evaluation.required[name] += 1
        evaluation.found_required[name] += group in exact
        if group not in exact:
            evaluation.misses.append(Miss(name, item, found))


def _current(catalog: Catalog, technique: str) -> str:
    try:
        return catalog.migrate(technique.strip())
    except CatalogueError:
        return technique.strip()


def _parent(technique: str) -> str:
    return parent_of(technique) or technique


def _is_discovery(catalog: Catalog, technique: str) -> bool:
    return {catalog.tactic(tactic).shortname for tactic in catalog.technique(technique).tactics} == {DISCOVERY}
