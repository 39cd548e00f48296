from __future__ import annotations

import csv
import io
import json

from decnet.attack.catalog import load
from decnet.export.ecs import ecs_lines
from decnet.export.table import COLUMNS, harmless_cell, table_lines
from tests.export.stored import HOSTILE, stored_tags


def test_a_table_has_a_line_per_tag_and_reads_back() -> None:
    text = b"".join(table_lines(stored_tags(60), load, "amber")).decode()
    head, *lines = csv.reader(io.StringIO(text, newline=""))
    assert tuple(head) == COLUMNS
    assert len(lines) == 60
    assert lines[0][:2] == ["2026-11-18T12:00:00.000000Z", "198.51.100.7"]
    assert json.loads(lines[3][COLUMNS.index("evidence")])["matched"] == HOSTILE[1]


def test_no_cell_is_a_formula() -> None:
    text = b"".join(table_lines(stored_tags(60), load, "amber")).decode()
    for line in csv.reader(io.StringIO(text, newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in line)
    assert harmless_cell("=1+1") == "'=1+1"
    assert harmless_cell("1+1") == "1+1"


def test_an_ecs_event_names_technique_and_sub_technique_in_their_places() -> None:
    event = json.loads(list(ecs_lines(stored_tags(2), load, "amber"))[1])
    assert event["@timestamp"] == "2026-11-18T12:00:00.000000Z"
    assert event["source"]["ip"] == "198.51.100.7"
    (technique,) = event["threat"]["technique"]
    assert technique["id"] == "T1059"
    assert [sub["id"] for sub in technique["subtechnique"]] == ["T1059.004"]
    assert [tactic["id"] for tactic in event["threat"]["tactic"]] == ["TA0002"]
    assert json.loads(event["decnet"]["evidence"])["matched"] == HOSTILE[0]


def test_an_ecs_line_is_one_line() -> None:
    lines = list(ecs_lines(stored_tags(3 * len(HOSTILE)), load, "amber"))
    assert all(line.count(b"\n") == 1 and line.endswith(b"}\n") for line in lines)
