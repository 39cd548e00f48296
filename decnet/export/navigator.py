"""Counted techniques as layers of the ATT&CK Navigator, layer format 4.5.

Format: https://github.com/mitre-attack/attack-navigator/blob/master/layers/spec/v4.5/layerformat.md.
What it leaves open:

- ``versions.attack`` is the major number (``"19"``): the Navigator cuts it to that when it opens a layer;
- a technique is shown only when one of its platforms is in the filter, so the filter names every platform of the
  release (``PRE``, where Reconnaissance lives, too): nothing that was seen is hidden;
- annotations stand under the tactic that the tag names, so one technique may be in a layer once per tactic;
- a parent that was not seen itself gets an entry without a score, which opens its sub-techniques;
- a technique's links lead to what was seen of it, where whoever makes the layer knows an address for that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from decnet.attack.catalog import DEFAULT_RELEASE, current_releases, load
from decnet.attack.files import write_whole
from decnet.errors import CatalogueError
from decnet.export.migration import migrated_counts
from decnet.models.tag import MIN_STORED_CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from decnet.attack.catalog import Catalog
    from decnet.models.rollup import TechniqueCount

LAYER_VERSION = "4.5"
NAVIGATOR_VERSION = "5.1.0"

_COLOURS = ("#fff7bc", "#fe9929", "#993404")
"""ColorBrewer YlOrBr: told apart with every kind of colour blindness and on a grey print."""
_LOWEST_SCORE = round(100 * MIN_STORED_CONFIDENCE)
_HIGHEST_SCORE = 100
_BY_SCORE_DESCENDING = 3

Layer = dict[str, Any]
"""A layer as JSON has it."""
EvidenceUrl = Callable[[str], str]
"""Where the tags of a technique or sub-technique are to be read."""


def layers_of(
    rows: Sequence[TechniqueCount],
    *,
    name: str,
    latest: bool,
    overlay: Path | None,
    evidence: EvidenceUrl | None = None,
) -> list[Layer]:
    """One layer per release that ``rows`` name or, with ``latest``, all told in the releases in use.

    Releases that do not ship lie in ``overlay``.

    :raises CatalogueError: a release is not here, or lacks what a row names.
    """
    current = list(current_releases(overlay).values())
    if latest:
        catalogs = [load(release, overlay) for release in current]
        return migrated_layers(rows, name=name, catalogs=catalogs, evidence=evidence)
    return navigator_layers(
        rows, name=name, catalog_of=partial(load, overlay=overlay), empty_release=current[0], evidence=evidence
    )


def navigator_layers(
    rows: Iterable[TechniqueCount],
    *,
    name: str,
    description: str = "",
    catalog_of: Callable[[str], Catalog] = load,
    empty_release: str = DEFAULT_RELEASE,
    evidence: EvidenceUrl | None = None,
) -> list[Layer]:
    """One layer per release that ``rows`` name, by release; no rows make one empty layer of ``empty_release``.

    With several, each layer's name ends in its release.

    :raises CatalogueError: a release is not here, or lacks what a row names.
    """
    ordered = sorted(rows, key=lambda row: row.attack_release)
    groups = {release: list(group) for release, group in groupby(ordered, key=lambda row: row.attack_release)}
    groups = groups or {empty_release: []}
    return [
        navigator_layer(
            group,
            catalog=catalog_of(release),
            name=name if len(groups) == 1 else f"{name} ({release})",
            description=description,
            evidence=evidence,
        )
        for release, group in groups.items()
    ]


def migrated_layers(
    rows: Sequence[TechniqueCount],
    *,
    name: str,
    description: str = "",
    catalogs: Sequence[Catalog],
    evidence: EvidenceUrl | None = None,
) -> list[Layer]:
    """One layer per catalogue that ``rows`` have something for, older releases told in it; none makes an empty first.

    Ids without a successor are named in the layer's metadata.

    :raises CatalogueError: no catalogue is of the domain of a row.
    """
    by_domain = {catalog.release.partition("-")[0]: catalog for catalog in catalogs}
    groups: dict[str, list[TechniqueCount]] = {}
    for row in rows:
        domain = row.attack_release.partition("-")[0]
        if domain not in by_domain:
            raise CatalogueError(f"{_full_id(row)} is of ATT&CK {row.attack_release}; no release of {domain} is here")
        groups.setdefault(domain, []).append(row)
    layers = []
    for domain, group in sorted(groups.items()) or [(catalogs[0].release.partition("-")[0], [])]:
        catalog = by_domain[domain]
        found, lost = migrated_counts(group, catalog)
        layer = navigator_layer(
            found,
            catalog=catalog,
            name=name if len(groups) <= 1 else f"{name} ({catalog.release})",
            description=description,
            evidence=evidence,
        )
        layer["metadata"] += _metadata(
            ("migrated to", catalog.release), *(("not in this release", one) for one in lost)
        )
        layers.append(layer)
    return layers


def navigator_layer(
    rows: Iterable[TechniqueCount],
    *,
    catalog: Catalog,
    name: str,
    description: str = "",
    evidence: EvidenceUrl | None = None,
) -> Layer:
    """The layer of ``rows``, all of ``catalog``'s release; rows of one technique under one tactic are added up.

    A score is the highest confidence, times 100. The same rows in any order make the same layer.

    :raises CatalogueError: a row is of another release, or names a tactic or technique that the catalogue lacks.
    """
    sums = _sums(rows, catalog)
    platforms = sorted(
        {platform for each in catalog.techniques.values() if each.is_active for platform in each.platforms}
    )
    return {
        "name": name,
        "versions": {
            "attack": catalog.version.partition(".")[0],
            "navigator": NAVIGATOR_VERSION,
            "layer": LAYER_VERSION,
        },
        "domain": catalog.domain,
        "description": description or f"Techniques that honeypots saw, as tags of ATT&CK {catalog.release}.",
        **({"filters": {"platforms": platforms}} if platforms else {}),
        "sorting": _BY_SCORE_DESCENDING,
        "layout": {"layout": "side", "showID": True, "showName": True, "expandedSubtechniques": "annotated"},
        "hideDisabled": False,
        "techniques": _entries(sums, catalog, evidence),
        "gradient": {"colors": list(_COLOURS), "minValue": _LOWEST_SCORE, "maxValue": _HIGHEST_SCORE},
        "legendItems": _legend(),
        "showTacticRowBackground": False,
        "tacticRowBackground": "#dddddd",
        "selectTechniquesAcrossTactics": False,
        "selectSubtechniquesWithParent": False,
        "metadata": _metadata(("ATT&CK release", catalog.release), ("tags", str(sum(row.count for row in sums)))),
    }


def write_layer(path: Path, layer: Layer | Sequence[Layer]) -> None:
    """``path`` holds the layer as UTF-8 JSON, or a list of layers, which the Navigator opens as tabs.

    :raises OSError: it cannot be written; what stood there before still does.
    """
    write_whole(path, layer_text(layer))


def layer_text(layer: Layer | Sequence[Layer]) -> bytes:
    """The layer as UTF-8 JSON, or several as a list; a list of one is that one."""
    alone = layer[0] if not isinstance(layer, dict) and len(layer) == 1 else layer
    return msgspec.json.format(msgspec.json.encode(alone), indent=2) + b"\n"


def _sums(rows: Iterable[TechniqueCount], catalog: Catalog) -> list[TechniqueCount]:
    """One row per tactic and technique, in the order of the matrix."""
    order = {tactic.id: place for place, tactic in enumerate(catalog.tactics)}
    sums: dict[tuple[int, str, str], TechniqueCount] = {}
    for row in rows:
        if row.attack_release != catalog.release:
            raise CatalogueError(
                f"{_full_id(row)} is of ATT&CK {row.attack_release}, the layer of {catalog.release}; "
                "make one layer per release"
            )
        tactic = catalog.tactic(row.tactic).id
        catalog.technique(_full_id(row))
        key = (order[tactic], row.technique_id, _full_id(row))
        sums[key] = _added(sums[key], row) if key in sums else row
    return [sums[key] for key in sorted(sums)]


def _added(one: TechniqueCount, other: TechniqueCount) -> TechniqueCount:
    return msgspec.structs.replace(
        one,
        count=one.count + other.count,
        max_confidence=max(one.max_confidence, other.max_confidence),
        intel_bump=max(one.intel_bump, other.intel_bump),
        first_seen_us=min(one.first_seen_us, other.first_seen_us),
        last_seen_us=max(one.last_seen_us, other.last_seen_us),
    )


def _entries(sums: Sequence[TechniqueCount], catalog: Catalog, evidence: EvidenceUrl | None) -> list[Layer]:
    shortnames = {tactic.id: tactic.shortname for tactic in catalog.tactics}
    entries: list[Layer] = []
    for (tactic, parent), group in groupby(sums, key=lambda row: (catalog.tactic(row.tactic).id, row.technique_id)):
        seen = [_entry(row, shortnames[tactic], evidence) for row in group]
        if seen[0]["techniqueID"] != parent:
            seen.insert(0, {"techniqueID": parent, "tactic": shortnames[tactic], "enabled": True})
        seen[0]["showSubtechniques"] = len(seen) > 1
        entries += seen
    return entries


def _entry(row: TechniqueCount, shortname: str, evidence: EvidenceUrl | None) -> Layer:
    first, last = _iso(row.first_seen_us), _iso(row.last_seen_us)
    bump = [("lifted by providers", f"{row.intel_bump:.2f}")] if row.intel_bump else []
    links = [{"label": "Evidence", "url": evidence(_full_id(row))}] if evidence is not None else []
    times = "once" if row.count == 1 else f"{row.count} times"
    return {
        "techniqueID": _full_id(row),
        "tactic": shortname,
        "score": round(100 * row.max_confidence),
        "comment": f"Seen {times}, confidence up to {row.max_confidence:.2f}, first {first}, last {last}",
        "enabled": True,
        "metadata": _metadata(("count", str(row.count)), ("first seen", first), ("last seen", last), *bump),
        **({"links": links} if links else {}),
        "showSubtechniques": False,
    }


def _legend() -> list[dict[str, str]]:
    steps = len(_COLOURS) - 1
    scores = [_LOWEST_SCORE + (_HIGHEST_SCORE - _LOWEST_SCORE) * step / steps for step in range(steps + 1)]
    return [
        {"label": f"confidence {score / 100:.2f}", "color": colour}
        for score, colour in zip(scores, _COLOURS, strict=True)
    ]


def _metadata(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _full_id(row: TechniqueCount) -> str:
    return row.sub_technique_id or row.technique_id


def _iso(time_us: int) -> str:
    seconds, micros = divmod(time_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
