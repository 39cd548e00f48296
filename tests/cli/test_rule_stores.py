"""Where rules and states are kept is a setting; commands are the same everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from decnet.db.engine import upgrade_database
from tests.cli.conftest import CommandLine
from tests.cli.test_tag import cowrie_line
from tests.cli.test_watch import append, watching
from tests.databases import BACKENDS, empty_server_database
from tests.ttp.store.rule_texts import rule_text, save

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORE, MODE, URL = "DECNET_TTP_RULE_STORE_TYPE", "DECNET_MODE", "DECNET_DB_URL"
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database that hosts share, its schema made."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shared.sqlite'}"
        return
    with empty_server_database(request.param) as address:
        upgrade_database(address)
        yield address


def host(folder: Path, url: str, mode: str) -> CommandLine:
    folder.mkdir()
    return CommandLine(folder, {STORE: "database", MODE: mode, URL: url})


def plain(decnet: CommandLine, *arguments: str) -> Any:
    return json.loads(decnet.run("ttp", "rules", *arguments, "--json").stdout)


@pytest.mark.parametrize(("name", "choices"), [(STORE, "'filesystem' or 'database'"), (MODE, "'master' or 'agent'")])
def test_a_store_or_mode_that_does_not_exist_is_refused_with_the_choices(
    tmp_path: Path, name: str, choices: str
) -> None:
    result = CommandLine(tmp_path, {name: "redis"}).run("ttp", "rules", "list")
    assert result.returncode != 0
    assert f"{name} 'redis' is not among the choices; use {choices}" in result.stderr


@pytest.mark.parametrize("store", ["filesystem", "database"])
def test_states_hold_and_are_shown_wherever_they_are_kept(tmp_path: Path, store: str) -> None:
    decnet = CommandLine(tmp_path, {STORE: store})
    assert decnet.run("ttp", "rules", "disable", "R0014", "--reason", "noisy").returncode == 0
    rows = {row["rule_id"]: row for row in plain(decnet, "list")["rules"]}
    assert rows["R0014"]["state"]["mode"] == "disabled"
    shown = plain(decnet, "show", "R0014")
    assert "rule_id: R0014" in shown["text"]
    assert shown["cases"] >= 6
    assert [record["reason"] for record in shown["history"]] == ["noisy"]
    log = tmp_path / "cowrie.json"
    log.write_text(cowrie_line("cat /etc/shadow") + "\n")
    tagged = json.loads(decnet.run("ttp", "tag", str(log), "--json").stdout)
    assert "T1003.008" not in [row["sub_technique_id"] for row in tagged["techniques"]]
    assert (tmp_path / "data" / "rule_state.json").exists() is (store == "filesystem")


def test_an_agent_has_the_rules_and_states_of_the_master_and_not_its_own(tmp_path: Path, url: str) -> None:
    master, agent = host(tmp_path / "master", url, "master"), host(tmp_path / "agent", url, "agent")
    too_early = agent.run("ttp", "rules", "list")
    assert too_early.returncode != 0
    assert "no rules here yet; start a program on the host that has the rule files" in too_early.stderr

    save(master.folder / "data" / "rules", rule_text("R9000", word="frobnicate"))
    save(agent.folder / "data" / "rules", rule_text("R9001", word="nonsense"))
    assert "R9000" in master.run("ttp", "rules", "list").stdout
    assert agent.run("ttp", "rules", "clip", "R9000", "--max", "0.4").returncode == 0
    for decnet in (master, agent):
        rows = {row["rule_id"]: row for row in plain(decnet, "list")["rules"]}
        assert rows["R9000"]["state"]["confidence_max"] == 0.4
        assert "R9001" not in rows
        assert plain(decnet, "show", "R9000")["text"] == rule_text("R9000", word="frobnicate")
    assert "hold, 0 do not" in agent.run("ttp", "rules", "test", "R0014").stdout
    assert "R9001: no such rule" in agent.run("ttp", "rules", "disable", "R9001").stderr


def test_what_is_saved_on_the_master_is_in_force_in_a_running_agent(tmp_path: Path, url: str) -> None:
    master, agent = host(tmp_path / "master", url, "master"), host(tmp_path / "agent", url, "agent")
    assert master.run("ttp", "rules", "list").returncode == 0
    quiet, log = master.folder / "none.json", agent.folder / "cowrie.json"
    append(log, "uname -a", first_second=0)
    with watching(master, quiet) as writer, watching(agent, log) as watch:
        watch.next_with("tag")
        save(master.folder / "data" / "rules", rule_text("R9000", word="frobnicate"))
        for each in (writer, watch):
            assert each.next_with("rule_version")["rule_id"] == "R9000"
        append(log, "frobnicate now", first_second=1)
        assert watch.next_with("tag")["rule_id"] == "R9000"
        assert master.run("ttp", "rules", "disable", "R9000").returncode == 0
        assert watch.next_with("state")["state"] == "disabled"
        assert watch.stop()["new_tags"] == 2
