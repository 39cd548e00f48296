"""Exports of 100,000 tags: how fast, and whether those who did not write them can read them."""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mitreattack.navlayers import Layer
from pymisp import MISPEvent
from stix2validator import ValidationOptions, validate_instance

from decnet.attack import catalog
from decnet.export.formats import FORMATS
from decnet.export.navigator import navigator_layers
from decnet.models.rollup import TechniqueCount
from tests.export.stored import stored_tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.models.stored_tag import StoredTag

TAGS = 100_000


def main() -> None:
    """Print the figures; a reader that refuses a file ends this with its own words."""
    tags = stored_tags(TAGS)
    print(f"exports of {TAGS:,} tags to a file, and how their own readers take them")
    for layer in navigator_layers(_sums(tags), name="Fleet"):
        _hold(not isinstance(Layer(json.loads(json.dumps(layer))).layer, str), "MITRE's Layer refuses a layer")
        print(f"  navigator  {len(layer['techniques'])} techniques, read by MITRE's Layer")
    with tempfile.TemporaryDirectory() as name:
        for format_name, read in READERS.items():
            path = Path(name) / format_name
            took = _written(tags, format_name, path)
            started = time.perf_counter()
            told = read(path)
            size = path.stat().st_size / 1_000_000
            print(
                f"  {format_name:<10} {TAGS / took:>8,.0f} tags/s, {size:,.0f} MB; {told}"
                f" in {time.perf_counter() - started:.0f} s"
            )


def _sums(tags: list[StoredTag]) -> list[TechniqueCount]:
    counts = Counter((tag.tactic, tag.technique_id, tag.sub_technique_id, tag.attack_release) for tag in tags)
    first, last = tags[0].observed_at, tags[-1].observed_at
    return [
        TechniqueCount(
            tactic=tactic,
            technique_id=technique,
            sub_technique_id=sub,
            count=count,
            max_confidence=0.9,
            first_seen_us=first,
            last_seen_us=last,
            attack_release=release,
        )
        for (tactic, technique, sub, release), count in counts.items()
    ]


def _hold(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
    if not is_so:
        raise SystemExit(otherwise)


def _written(tags: list[StoredTag], name: str, path: Path) -> float:
    """Seconds that it took to write all tags."""
    started = time.perf_counter()
    with path.open("wb") as file:
        file.writelines(FORMATS[name].pieces(tags, catalog.load, "amber"))
    return time.perf_counter() - started


def _stix(path: Path) -> str:
    bundle = json.loads(path.read_bytes())
    found = validate_instance(bundle, ValidationOptions(version="2.1"))
    _hold(found.is_valid, f"OASIS's validator: {found.errors[:3]}")
    return f"{len(bundle['objects']):,} objects, valid to OASIS's validator"


def _misp(path: Path) -> str:
    events = json.loads(path.read_bytes())["response"]
    for event in events:
        MISPEvent().load(event)
    return f"{len(events):,} events, loaded by pymisp"


def _ecs(path: Path) -> str:
    with path.open("rb") as file:
        lines = sum(bool(json.loads(line)["threat"]) for line in file)
    _hold(lines == TAGS, f"{lines} lines of {TAGS}")
    return f"{lines:,} lines of JSON"


def _table(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.DictReader(file))
    _hold(rows == TAGS, f"{rows} rows of {TAGS}")
    return f"{rows:,} rows"


READERS: dict[str, Callable[[Path], str]] = {"stix": _stix, "misp": _misp, "ecs": _ecs, "csv": _table}

if __name__ == "__main__":
    main()
