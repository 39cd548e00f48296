"""``decnet ttp rules`` as people run it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def rules(decnet: CommandLine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return decnet.run("ttp", "rules", *arguments)


def plain(decnet: CommandLine, *arguments: str) -> Any:
    return json.loads(rules(decnet, *arguments, "--json").stdout)


@pytest.fixture
def own(decnet: CommandLine) -> str:
    """A rule of the operator's own, as ``new`` writes it."""
    return str(plain(decnet, "new", "wallet_search", "--technique", "T1083")["rule"])


def edit(path: str, old: str, new: str) -> None:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a path as the program printed it
        text = file.read()
    assert old in text
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - the same
        file.write(text.replace(old, new))


def test_list_names_every_rule_with_its_techniques(decnet: CommandLine) -> None:
    out = rules(decnet, "list").stdout
    assert "R0014" in out
    assert "T1003.008" in out


def test_a_new_rule_loads_and_its_cases_hold(decnet: CommandLine, own: str) -> None:
    assert own.endswith("R9000.yaml")
    result = rules(decnet, "test", "R9000")
    assert result.returncode == 0
    assert "6 cases: 6 hold, 0 do not" in result.stdout
    assert [row["maturity"] for row in plain(decnet, "list")["rules"] if row["rule_id"] == "R9000"] == ["sandbox"]
    assert plain(decnet, "new", "other_rule", "--technique", "T1552.001")["rule"].endswith("R9001.yaml")


def test_lint_of_a_new_rule_finds_nothing(decnet: CommandLine, own: str) -> None:
    result = rules(decnet, "lint", own.rpartition("/ttp/")[0])
    assert (result.returncode, result.stdout) == (0, "1 rule file, 0 faults\n")


def test_lint_names_every_fault_and_its_line(decnet: CommandLine, own: str) -> None:
    edit(own, "confidence: 0.7", "confidence: 7")
    result = rules(decnet, "lint", own.rpartition("/ttp/")[0])
    assert result.returncode == 1
    assert f"{own}:11: emits[0].confidence" in result.stderr


def test_lint_takes_versions_into_the_lock_on_request(decnet: CommandLine, own: str) -> None:
    folder = own.rpartition("/ttp/")[0]
    assert plain(decnet, "lint", folder, "--update-lock")["locked"] == 1
    edit(own, "confidence: 0.7", "confidence: 0.8")
    assert "raise it to 2" in rules(decnet, "lint", folder).stderr


def test_a_failing_case_shows_what_was_expected_and_what_came(decnet: CommandLine, own: str) -> None:
    edit(own.replace("/ttp/", "/cases/"), "expect: []", "expect: [T1105]")
    result = rules(decnet, "test", "R9000")
    assert result.returncode == 1
    assert "- T1105  expected, did not come" in result.stdout
    assert [case["case"] for case in plain(decnet, "test", "R9000")["cases"] if not case["passed"]] == [
        "printed",
        "argument",
        "other-program",
    ]


@pytest.mark.timeout(60)
def test_a_rule_that_is_switched_off_for_a_time_comes_back_by_itself(decnet: CommandLine) -> None:
    def state() -> str:
        return str(plain(decnet, "show", "R0012")["state"]["mode"])

    assert plain(decnet, "disable", "R0012", "--for", "10s", "--reason", "noisy")["state"]["mode"] == "disabled"
    assert state() == "disabled"
    time.sleep(10)
    assert state() == "enabled"


def test_show_tells_who_changed_a_rule_and_why(decnet: CommandLine) -> None:
    rules(decnet, "clip", "R0012", "--max", "0.4", "--reason", "often wrong here")
    rules(decnet, "enable", "r0012")
    out = rules(decnet, "show", "R0012").stdout
    assert "name: ingress_tool_transfer" in out
    assert "clipped to 0.4 by" in out
    assert "often wrong here" in out
    assert [record["mode"] for record in plain(decnet, "show", "R0012")["history"]] == ["clipped", "enabled"]


def test_a_rule_of_the_operator_stands_for_the_shipped_one(decnet: CommandLine, own: str) -> None:
    text = plain(decnet, "show", "R0012")["text"]
    with open(own.replace("R9000", "R0012"), "w", encoding="utf-8") as file:  # noqa: PTH123 - a path as it was printed
        file.write(text.replace("name: ingress_tool_transfer", "name: my_transfer"))
    assert plain(decnet, "show", "R0012")["name"] == "my_transfer"


def test_a_broken_rule_of_the_operator_is_named_and_the_rest_is_listed(decnet: CommandLine, own: str) -> None:
    edit(own, "rule_version: 1", "rule_version: one")
    result = rules(decnet, "list")
    assert result.returncode == 1
    assert f"{own}:2: rule_version" in result.stderr
    assert "R0012" in result.stdout


def test_sigma_rules_are_taken_in_and_those_that_are_not_are_listed(decnet: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "sigma"
    shutil.copytree(Path(__file__).parent.parent / "ttp" / "sigma" / "rules", folder)
    result = rules(decnet, "import-sigma", str(folder))
    assert result.returncode == 0
    assert "3 of 3 taken" in result.stdout
    (folder / "bad.yml").write_text("title: x\n", "utf-8")
    result = rules(decnet, "import-sigma", str(folder))
    assert result.returncode == 1
    assert result.stdout.count("unchanged") == 3
    assert f"not taken  x  {folder}/bad.yml:" in result.stdout
    assert sum(row["name"].startswith("sigma_") for row in plain(decnet, "list")["rules"]) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "R9999"), 2, "no rule 'R9999'"),
        (("disable", "R9999"), 1, "R9999: no such rule"),
        (("disable", "R0012", "--for", "soon"), 2, "write 90s, 10m, 2h or 1d"),
        (("clip", "R0012", "--max", "7"), 1, "not above 0 and at most 1"),
        (("new", "x", "--technique", "T9999"), 1, "'T9999' is not in ATT&CK"),
        (("new", "x", "--technique", "T1078"), 1, "needs a tactic"),
        (("new", "x", "--technique", "T1083", "--id", "R0012"), 1, "is taken or no id"),
        (("lint", "/nowhere"), 1, "no rule files here"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_way_out(
    decnet: CommandLine, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = rules(decnet, *arguments)
    assert result.returncode == code
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_help_does_not_load_what_only_commands_need(decnet: CommandLine) -> None:
    heavy = "('re2', 'pydantic', 'yaml', 'sigma')"
    script = f"import sys, decnet.cli.app; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=decnet.environment
    )
    assert result.stdout.strip() == "[]"
