"""The table of code, Cowrie's own list, the page for operators and the ids agree with each other."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from decnet.sources.base import Reason
from decnet.sources.cowrie_events import MAPPINGS
from tests.cowrie_lab import require_cowrie
from tests.sources.cowrie_lines import EVERY_EVENT, events

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs/reference/cowrie.md").read_text(encoding="utf-8")
COWRIES_LIST = sorted(PROJECT.glob(".venv-cowrie/lib/python3.*/site-packages/cowrie/core/eventids.py"))


def cells(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def test_page_has_the_table_of_the_code() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| `cowrie.")]
    assert rows == [
        f"| `{eventid}` | {cells(mapping.fields)} | {', '.join(mapping.kinds) or 'ignored, counted'} | "
        f"{cells(mapping.in_id)} |"
        for eventid, mapping in sorted(MAPPINGS.items())
    ]


def test_page_names_every_reason() -> None:
    of_our_own_format = {Reason.UNKNOWN_KIND, Reason.BAD_PAYLOAD, Reason.UNKNOWN_VERSION}
    assert [reason for reason in Reason if (f"*{reason}*" in PAGE) == (reason in of_our_own_format)] == []


def test_there_are_49_event_ids_and_a_sample_of_each() -> None:
    assert len(MAPPINGS) == 49
    assert [json.loads(raw)["eventid"] for raw in EVERY_EVENT] == sorted(MAPPINGS)


def test_event_ids_are_those_of_the_installed_cowrie() -> None:
    require_cowrie()
    tree = ast.parse(COWRIES_LIST[0].read_text(encoding="utf-8"))
    theirs = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("cowrie.")
        if "\n" not in node.value and "eventids" not in node.value
    }
    assert theirs == set(MAPPINGS)


def test_fields_in_the_id_are_fields_that_are_read() -> None:
    for mapping in MAPPINGS.values():
        assert set(mapping.in_id) <= set(mapping.fields)


ONLY_WITHOUT_FIGURES = ("cowrie.virustotal.scanfile", "is_new")
CASES = [
    pytest.param(json.loads(raw), field, id=f"{json.loads(raw)['eventid']}-{field}")
    for raw in EVERY_EVENT
    for field in MAPPINGS[json.loads(raw)["eventid"]].fields
    if field in json.loads(raw)
]


@pytest.mark.parametrize(("record", "field"), CASES)
def test_a_field_changes_the_id_exactly_if_the_page_says_so(record: dict[str, Any], field: str) -> None:
    changed = record | {field: another(record[field])}
    before, after = ([found.id for found in events(json.dumps(each).encode())] for each in (record, changed))
    in_id = field in MAPPINGS[record["eventid"]].in_id and (record["eventid"], field) != ONLY_WITHOUT_FIGURES
    assert (before != after) == in_id


def another(value: Any) -> Any:
    """A value of the same shape; an address stays one, and so does GreyNoise's sentence."""
    if isinstance(value, list):
        return [*value, "x"]
    if not isinstance(value, str):
        return value + 1
    for old, new in (("malicious", "benign"), ("true", "false"), ("198.51.100.14", "198.51.100.15")):
        if old in value:
            return value.replace(old, new)
    return f"{value}x"
