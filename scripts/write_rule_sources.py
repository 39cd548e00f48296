"""Writes docs/reference/rule-sources.md: which rules are proven to fire from which source, by the tests that show it.

``python -m scripts.write_rule_sources``. A test in ``tests/e2e/rules`` that goes from a raw record of a producer to a
stored tag is marked with its rules; the name of its module is the producer.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.ttp.store.filesystem import load_pack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

PAGE = Path("docs/reference/rule-sources.md")
TESTS = Path("tests/e2e/rules")
PREFIX = "test_rules_from_"
LAST = 88
"""The rules up to R0088 are those that every pack has; each must have a path."""
OWN_FORMAT = "jsonl"
NAMES = {
    "cowrie": "Cowrie",
    "opencanary": "OpenCanary",
    OWN_FORMAT: "event format",
    "identity": "Cowrie, over addresses",
    "smtp": "SMTP decoy",
    "mail_files": "mail files",
    "canary": "canary decoy",
    "intel": "providers",
}
WAITING: frozenset[str] = frozenset()
"""Rules whose producers are not there yet."""
_HEAD = """\
# Which rule fires from which source

Written by `python -m scripts.write_rule_sources` from the tests in `tests/e2e/rules`: each mark stands for a test that
goes from a raw record of that source to a stored tag with the technique, tactic, confidence and evidence of the rule. A
rule may fire from other sources too; these are the paths that are proven. The [event format](event-format.md) is our
own: a rule that has no other path so far says so. Which observation is taken by which rule is in
[coverage](coverage.md).

"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(paths()), "utf-8")


def paths() -> Mapping[str, frozenset[str]]:
    """Rule id → the sources from which a test shows it to fire."""
    found: dict[str, set[str]] = {}
    for path in sorted(TESTS.glob(f"{PREFIX}*.py")):
        source = path.stem.removeprefix(PREFIX)
        for rule_id in rules_of(importlib.import_module(f"tests.e2e.rules.{path.stem}")):
            found.setdefault(rule_id, set()).add(source)
    return {rule_id: frozenset(sources) for rule_id, sources in sorted(found.items())}


def rules_of(module: ModuleType) -> Iterator[str]:
    """The rules that the tests of ``module``, and their parameters, are marked with."""
    for name, function in vars(module).items():
        if not name.startswith("test_"):
            continue
        for mark in getattr(function, "pytestmark", ()):
            if mark.name == "rule":
                yield from mark.args
            for given in mark.args[1] if mark.name == "parametrize" else ():
                for inner in getattr(given, "marks", ()):
                    yield from inner.args if inner.name == "rule" else ()


def missing(proven: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The rules that need a path and have none."""
    return frozenset(f"R{number:04}" for number in range(1, LAST + 1)) - proven.keys()


def page(proven: Mapping[str, frozenset[str]]) -> str:
    """The page for people."""
    used = {source for sources in proven.values() for source in sources}
    columns = [source for source in NAMES if source in used] + sorted(used - NAMES.keys())
    titles = [NAMES.get(source, source) for source in columns]
    lines = [f"| rule | {' | '.join(titles)} | |", "|---|" + "---|" * (len(columns) + 1)]
    pack = load_pack()
    for number in range(1, LAST + 1):
        rule = pack.rule(f"R{number:04}")
        assert rule is not None  # noqa: S101 - their ids are fixed
        sources = proven.get(rule.rule_id, frozenset())
        anchor = f"{rule.rule_id}-{rule.rule.name}".lower()
        cells = " | ".join("yes" if source in sources else "" for source in columns)
        lines.append(f"| [{rule.rule_id}](rules.md#{anchor}) {rule.rule.name} | {cells} | {_note(sources)} |")
    return _HEAD + "\n".join(lines) + "\n"


def _note(sources: frozenset[str]) -> str:
    if not sources:
        return "no path yet"
    return "only from our own format so far" if sources == {OWN_FORMAT} else ""


if __name__ == "__main__":
    main()
