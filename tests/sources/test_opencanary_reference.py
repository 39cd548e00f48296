"""The table of code, OpenCanary's own list, the page for operators and the ids agree with each other."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from decnet.models.event import AUTH_ATTEMPT
from decnet.sources.base import Reason
from decnet.sources.opencanary_events import MAPPINGS, Mapping
from tests.opencanary_lab import require_opencanary
from tests.sources.opencanary_lines import EVERY_LOGTYPE, events

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs/reference/opencanary.md").read_text(encoding="utf-8")
THEIR_LOGGER = sorted(PROJECT.glob(".venv-opencanary/lib/python3.*/site-packages/opencanary/logger.py"))
NOT_OURS = {Reason.NO_SESSION, Reason.UNKNOWN_KIND, Reason.BAD_PAYLOAD, Reason.UNKNOWN_VERSION}
"""Reasons for which no line of OpenCanary is refused."""


def cells(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def session(mapping: Mapping) -> str:
    if not mapping.kinds:
        return "–"
    if not mapping.has_ports:
        return "visitor and hour"
    return "connection" if mapping.is_stream else "ports and hour"


def test_page_has_the_table_of_the_code() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| ") and row[2].isdigit()]
    assert rows == [
        f"| {logtype} `{mapping.name}` | {mapping.service or '–'} | {session(mapping)} | {cells(mapping.fields)} | "
        f"{', '.join(mapping.kinds) or 'ignored, counted'} | {cells(mapping.in_id)} |"
        for logtype, mapping in MAPPINGS.items()
    ]


def test_page_names_every_reason() -> None:
    assert [reason for reason in Reason if (f"*{reason}*" in PAGE) == (reason in NOT_OURS)] == []


def test_there_are_54_log_types_and_samples_of_each() -> None:
    assert len(MAPPINGS) == 54
    assert list(dict.fromkeys(json.loads(raw)["logtype"] for raw in EVERY_LOGTYPE)) == list(MAPPINGS)


def test_log_types_are_those_of_the_installed_opencanary() -> None:
    require_opencanary()
    tree = ast.parse(THEIR_LOGGER[0].read_text(encoding="utf-8"))
    theirs = {
        node.value.value: target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.startswith("LOG_")
    }
    assert theirs == {logtype: mapping.name for logtype, mapping in MAPPINGS.items()}


def test_fields_in_the_id_are_fields_that_are_read() -> None:
    for mapping in MAPPINGS.values():
        assert set(mapping.in_id) <= set(mapping.fields)


CASES = [
    pytest.param(json.loads(raw), field, id=f"{json.loads(raw)['logtype']}-{number}-{field}")
    for number, raw in enumerate(EVERY_LOGTYPE)
    for field in MAPPINGS[json.loads(raw)["logtype"]].fields
    if json.loads(raw)["logdata"].get(field)
]


@pytest.mark.parametrize(("record", "field"), CASES)
def test_a_field_that_is_read_changes_the_id(record: dict[str, Any], field: str) -> None:
    changed = record | {"logdata": record["logdata"] | {field: another(record["logdata"][field])}}
    before, after = ([found.id for found in events(json.dumps(each).encode())] for each in (record, changed))
    assert field in MAPPINGS[record["logtype"]].in_id
    assert before != after


def test_fields_that_are_not_read_change_nothing() -> None:
    for raw in EVERY_LOGTYPE:
        record = json.loads(raw)
        record["logdata"] = record["logdata"] | {"SKIN": "other", "LOCALVERSION": "other", "unheard of": [1]}
        found, changed = events(raw), events(json.dumps(record).encode())
        assert [each.id for each in found] == [each.id for each in changed]
        assert found == changed


def test_there_is_a_sample_of_every_kind_that_a_log_type_can_give() -> None:
    for logtype, mapping in MAPPINGS.items():
        kinds = {
            found.source_kind for raw in EVERY_LOGTYPE if json.loads(raw)["logtype"] == logtype for found in events(raw)
        }
        if mapping.service.startswith("user_"):
            assert kinds <= set(mapping.kinds)
        else:
            assert kinds - {AUTH_ATTEMPT} >= set(mapping.kinds) - {AUTH_ATTEMPT}


def another(value: Any) -> Any:
    """A value of the same shape; a word that OpenCanary chooses from a few becomes another of them."""
    if isinstance(value, dict):
        return {key: [another(each) for each in values] for key, values in value.items()}
    if isinstance(value, list):
        return [*value, "x"]
    fixed = {"READ": "WRITE", "WRITE": "READ", "ok": "fail", "pread_send": "pwrite"}
    if str(value).startswith("mongodb."):
        return "mongodb.connection" if value != "mongodb.connection" else "mongodb.disconnect"
    return fixed.get(value, f"{value}x")
