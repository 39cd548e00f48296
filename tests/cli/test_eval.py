from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

ROWS = [
    {"id": "found", "text": "whoami", "techniques": ["T1033"]},
    {"id": "half", "text": "uname -a", "techniques": ["T1082", "T1115"]},
    {"id": "either", "text": "cat /etc/shadow", "techniques": ["T1115|T1003.008"]},
    {"id": "parent", "text": "cat /etc/shadow", "techniques": ["T1003.001"]},
    {"id": "fine", "text": "echo hello", "techniques": []},
    {"id": "alarm", "text": "history -c", "techniques": []},
    {"id": "discovery", "text": "whoami", "techniques": []},
]


def figures(decnet: CommandLine, rows: list[dict[str, Any]]) -> dict[str, Any]:
    result = decnet.run("ttp", "eval", "-", "--json", stdin="\n".join(map(json.dumps, rows)))
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_recall_counts_alternatives_and_parents(decnet: CommandLine) -> None:
    found = figures(decnet, ROWS[:4])
    assert found["exact_recall"] == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert found["parent_recall"] == pytest.approx((1 + 0.5 + 1 + 1) / 4)


def test_only_what_lies_outside_discovery_is_a_false_alarm(decnet: CommandLine) -> None:
    found = figures(decnet, ROWS[4:])
    assert found["false_alarms"] == pytest.approx(1 / 3)
    assert found["alarms"] == {"T1070.003": 1}


def test_allowed_techniques_do_not_cost_precision(decnet: CommandLine) -> None:
    row = {"id": "a", "text": "whoami; history -c", "techniques": ["T1033"]}
    assert figures(decnet, [row])["precision"] == pytest.approx(0.5)
    assert figures(decnet, [row | {"allowed": ["T1070"]}])["precision"] == 1


def test_ids_of_older_releases_count_as_their_successors(decnet: CommandLine) -> None:
    found = figures(decnet, [{"id": "a", "text": "whoami", "techniques": ["T1562"]}])
    assert list(found["techniques"]) == ["T1685"]


def test_misses_are_shown_with_what_was_found(decnet: CommandLine) -> None:
    out = decnet.run("ttp", "eval", "-", stdin="\n".join(map(json.dumps, ROWS))).stdout
    assert "T1115 Clipboard Data  missed in 1 of 1" in out
    assert "close: T1003.008" in out


def test_a_bad_row_is_named_and_the_rest_is_measured(decnet: CommandLine) -> None:
    result = decnet.run("ttp", "eval", "-", "--json", stdin='{"id": "a"}\n' + json.dumps(ROWS[0]))
    assert result.returncode == 1
    assert "-:1:" in result.stderr
    assert json.loads(result.stdout)["items"] == 1
