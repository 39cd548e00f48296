"""Writes docs/reference/rules.md and docs/reference/coverage.md from the pack.

``python -m scripts.write_rule_pages [FOLDER]``: with the folder of the development set (``honeypot_hand.jsonl`` and
``benign_tldr.jsonl``) the figures of each rule are measured anew and kept in ``rules/data/measured.yaml``.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from decnet.attack import catalog
from decnet.models.text import canonical_text
from decnet.shell import EMPTY
from decnet.ttp.engine import RuleEngine
from decnet.ttp.predict import logical_lines
from decnet.ttp.rule_page import MEASURED_FILE, coverage_page, read_coverage, read_measurement, rules_page
from decnet.ttp.store.filesystem import default_rules_folder, load_pack

if TYPE_CHECKING:
    from decnet.ttp.pack import Pack

DOCS = Path("docs/reference")
FLOOR = 0.6
DISCOVERY = "TA0007"


def main() -> None:
    """Measure if a folder is given, then write both pages."""
    pack, data = load_pack(), default_rules_folder() / "data"
    if len(sys.argv) > 1:
        figures = measured(pack, Path(sys.argv[1]))
        (data / MEASURED_FILE).write_text(_MEASURED_HEAD + yaml.safe_dump(figures, sort_keys=True), "utf-8")
    catalogs = {release: catalog.load(release) for release in catalog.bundled_releases()}
    (DOCS / "rules.md").write_text(rules_page(pack, catalogs, read_measurement(data)), "utf-8")
    (DOCS / "coverage.md").write_text(coverage_page(read_coverage(data), pack, catalogs), "utf-8")


def measured(pack: Pack, folder: Path) -> dict[str, Any]:
    """Per rule: on how many labelled items it fired and was right, and on how many ordinary ones it is a false alarm.

    A rule is right on an item when a technique that it shows is among the required or allowed ones, parents compared.
    """
    engine = RuleEngine(pack)
    fired: Counter[str] = Counter()
    right: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    labelled, ordinary = _items(folder / "honeypot_hand.jsonl"), _items(folder / "benign_tldr.jsonl")
    for item in labelled:
        wanted = {name.partition(".")[0] for listed in item["techniques"] for name in listed.split("|")}
        wanted |= {name.partition(".")[0] for name in item.get("allowed", ())}
        for rule_id, shown in _shown(engine, item["text"]).items():
            fired[rule_id] += 1
            right[rule_id] += any(technique in wanted for technique, _ in shown)
    for item in ordinary:
        for rule_id, shown in _shown(engine, item["text"]).items():
            alarms[rule_id] += any(tactic != DISCOVERY for _, tactic in shown)
    rules = {
        rule_id: {"fired": fired[rule_id], "right": right[rule_id], "false_alarms": alarms[rule_id]}
        for rule_id in sorted(fired | alarms)
    }
    return {"labelled": len(labelled), "ordinary": len(ordinary), "rules": rules}


def _items(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _shown(engine: RuleEngine, text: str) -> dict[str, set[tuple[str, str]]]:
    """Rules that fire on the session ``text``, each with the parent techniques and tactics that it shows."""
    found: dict[str, set[tuple[str, str]]] = {}
    state = EMPTY
    for line in logical_lines(text):
        findings, state, _ = engine.read(canonical_text(line), state)
        for hit, _ in findings:
            shown = {(item.emit.technique_id, item.emit.tactic) for item in hit.emits if item.emit.confidence >= FLOOR}
            if shown:
                found.setdefault(hit.rule.rule_id, set()).update(shown)
    return found


_MEASURED_HEAD = """\
# Written by scripts/write_rule_pages.py on the development set; nothing of the set itself is kept here.
"""

if __name__ == "__main__":
    main()
