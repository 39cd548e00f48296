from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import decnet
from decnet.attack.catalog import current_releases, forget_loaded
from decnet.cli import attack
from decnet.errors import CatalogueError


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DECNET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    forget_loaded()
    return tmp_path


@pytest.fixture
def bundle_file(tmp_path: Path, bundle: bytes) -> str:
    (tmp_path / "bundle.json").write_bytes(bundle)
    return str(tmp_path / "bundle.json")


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(attack.app, arguments, input=typed)


def answer(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_show_tells_what_a_sub_technique_is() -> None:
    result = run("show", "T1059.004")

    assert result.exit_code == 0
    for part in ("Unix Shell", "T1059 Command and Scripting Interpreter", "TA0002 Execution", "Linux", "/T1059/004/"):
        assert part in result.stdout


def test_show_names_the_successor_of_a_revoked_id() -> None:
    result = run("show", "T1562")

    assert result.exit_code == 0
    assert "revoked" in result.stdout
    assert "T1685 Disable or Modify Tools" in result.stdout


def test_show_says_that_a_deprecated_id_has_no_successor() -> None:
    (facts,) = answer("show", "T1026")

    assert (facts["status"], facts["successor"]) == ("deprecated", None)


def test_show_lists_the_techniques_of_a_tactic() -> None:
    (facts,) = answer("show", "TA0112")

    assert facts["name"] == "Defense Impairment"
    assert {"id": "T1685", "name": "Disable or Modify Tools"} in facts["techniques"]


def test_show_looks_in_every_domain_and_in_any_case() -> None:
    assert [facts["release"] for facts in answer("show", "t0855", "t1059")] == ["ics-18.1", "enterprise-19.2"]


def test_an_unknown_id_exits_2_and_says_what_was_meant() -> None:
    result = run("show", "T1105", "T11059")

    assert result.exit_code == 2
    assert "Ingress Tool Transfer" in result.stdout
    assert "did you mean T1059 (Command and Scripting Interpreter)" in result.stderr


def test_an_unknown_id_is_in_the_json_too() -> None:
    result = run("show", "T11059", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)[0]["suggestions"][0] == "T1059"


def test_a_hostile_id_reaches_no_terminal_unescaped() -> None:
    result = run("show", "T1\x1b[2J")

    assert result.exit_code == 2
    assert "\x1b" not in result.stdout + result.stderr


def test_migrate_follows_mitre() -> None:
    result = run("migrate", "T1562.001", "T1105")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "T1562.001 → T1685  Disable or Modify Tools",
        "T1105 stays T1105  Ingress Tool Transfer",
    ]


@pytest.mark.parametrize(("attack_id", "exit_code"), [("T1026", 1), ("T11059", 2)])
def test_migrate_exits_1_without_successor_and_2_for_an_unknown_id(attack_id: str, exit_code: int) -> None:
    assert run("migrate", "T1059", attack_id).exit_code == exit_code


def test_an_older_release_can_be_asked_for() -> None:
    assert isinstance(run("show", "T1059", "--release", "enterprise-1.0").exception, CatalogueError)
    assert run("show", "T1059", "--release", "ics-18.1").exit_code == 2


def test_update_reports_asks_and_switches(bundle_file: str, data_folder: Path) -> None:
    result = run("update", bundle_file, typed="y\n")

    assert result.exit_code == 0, result.output
    assert "ATT&CK enterprise-19.2 → enterprise-90.0" in result.stdout
    assert current_releases(data_folder / "attack")["enterprise"] == "enterprise-90.0"
    assert answer("show", "T1059")[0]["name"] == "Command Interpreter"


def test_update_changes_nothing_when_told_no(bundle_file: str, data_folder: Path) -> None:
    result = run("update", bundle_file, typed="n\n")

    assert result.exit_code == 1
    assert "Nothing was changed." in result.stdout
    assert not (data_folder / "attack").exists()


def test_update_in_json_is_a_rehearsal_without_yes(bundle_file: str, data_folder: Path) -> None:
    report = answer("update", bundle_file)

    assert (report["from"], report["to"], report["switched"]) == ("enterprise-19.2", "enterprise-90.0", False)
    assert not (data_folder / "attack").exists()


def test_update_with_yes_switches_without_asking(bundle_file: str, data_folder: Path) -> None:
    report = answer("update", bundle_file, "--yes")

    assert report["switched"] is True
    assert report["file"] == str(data_folder / "attack" / "enterprise-90.0.json")


def test_update_refuses_what_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("<html>")

    assert isinstance(run("update", str(tmp_path / "x.json"), "--yes").exception, CatalogueError)
    assert not (tmp_path / "attack").exists()


def test_works_from_any_folder() -> None:
    code = "from decnet.cli.attack import app; app()"
    root = str(Path(decnet.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code, "migrate", "T1562"],
        cwd="/",
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "T1562 → T1685  Disable or Modify Tools\n"
