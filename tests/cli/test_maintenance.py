"""``decnet ttp backfill``, ``vacuum`` and ``purge`` as people run them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_tag import RECORDING, cowrie_line, rows
from tests.ttp.store.rule_texts import rule_text, save

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


def backfilled(decnet: CommandLine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(decnet.run("ttp", "backfill", "--json").stdout)
    return found


def test_backfill_finds_what_tagging_found_and_nothing_else(decnet: CommandLine) -> None:
    decnet.run("ttp", "tag", RECORDING)
    report = backfilled(decnet)
    assert report["events"] > 700
    assert report["findings"] > 100
    assert report["events"] + report["findings"] == report["total"]
    assert (report["new_tags"], report["superseded"]) == (0, 0)


def test_a_rule_that_came_later_reaches_old_events_and_its_next_version_replaces_it(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    log.write_text(cowrie_line("frobnicate") + "\n")
    decnet.run("ttp", "tag", str(log))
    folder = decnet.folder / "data" / "rules"
    save(folder, rule_text("R9000", word="frobnicate"))
    assert backfilled(decnet)["new_tags"] == 1
    save(folder, rule_text("R9000", version=2, word="frobnicate"))
    assert backfilled(decnet)["superseded"] == 1
    assert rows(decnet, "SELECT rule_version, superseded FROM tag ORDER BY 1") == [(1, 1), (2, 0)]


def test_purge_asks_and_without_yes_deletes_nothing(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    log.write_text(cowrie_line("uname -a") + "\n")
    decnet.run("ttp", "tag", str(log))
    refused = decnet.run("ttp", "purge", "198.51.100.7", stdin="n\n")
    assert refused.returncode != 0
    assert rows(decnet, "SELECT count(*) FROM event") == [(1,)]
    done = json.loads(decnet.run("ttp", "purge", "::ffff:198.51.100.7", "--yes", "--json").stdout)
    assert done == {"attacker": "198.51.100.7", "tags": 1, "events": 1, "sessions": 1}
    assert rows(decnet, "SELECT count(*) FROM event") == [(0,)]


def test_purge_of_what_is_not_stored_or_no_address_is_told_apart(decnet: CommandLine) -> None:
    assert decnet.run("ttp", "purge", "203.0.113.9", "--yes").returncode == 1
    assert decnet.run("ttp", "purge", "root; \x1b[31m", "--yes").returncode == 2


def test_vacuum_drops_the_sums_of_old_hours_and_keeps_those_of_days(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    log.write_text(cowrie_line("uname -a").replace("2026", "2019") + "\n")
    decnet.run("ttp", "tag", str(log))
    done = json.loads(decnet.run("ttp", "vacuum", "--json").stdout)
    assert done["hours_dropped"] == 1
    assert rows(decnet, "SELECT count(*) FROM rollup_fleet_day") == [(1,)]
