from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mitreattack.navlayers import Layer

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

RECORDING = str(Path(__file__).parents[2] / "demo" / "cowrie.json")
ADDRESS = "198.51.100.17"


@pytest.fixture
def filled(decnet: CommandLine) -> CommandLine:
    assert decnet.run("ttp", "tag", RECORDING).returncode == 0
    return decnet


def exported(decnet: CommandLine, *arguments: str) -> str:
    done = decnet.run("ttp", "export", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(60)
def test_every_format_is_written_of_the_recording(filled: CommandLine, tmp_path: Path) -> None:
    tags = list(csv.DictReader(io.StringIO(exported(filled, "csv"), newline="")))
    assert len(tags) > 100
    assert len(exported(filled, "ecs").splitlines()) == len(tags)
    bundle = json.loads(exported(filled, "stix"))
    assert [one["type"] for one in bundle["objects"]].count("sighting") == len(tags)
    events = json.loads(exported(filled, "misp"))["response"]
    assert len(events) == len({tag["address"] for tag in tags})
    layer = tmp_path / "layer.json"
    exported(filled, "navigator", "--output", str(layer))
    read = Layer()
    read.from_file(str(layer))
    assert read.layer is not None


@pytest.mark.timeout(60)
def test_an_export_of_one_attacker_has_no_others(filled: CommandLine) -> None:
    tags = list(csv.DictReader(io.StringIO(exported(filled, "csv", "--attacker", ADDRESS), newline="")))
    assert {tag["address"] for tag in tags} == {ADDRESS}
    of_identity = exported(filled, "csv", "--identity", tags[0]["identity"])
    assert of_identity == exported(filled, "csv", "--attacker", ADDRESS)
    layer = json.loads(exported(filled, "navigator", "--attacker", ADDRESS))
    scored = {entry["techniqueID"] for entry in layer["techniques"] if "score" in entry}
    assert {tag["technique"] for tag in tags} <= scored


@pytest.mark.timeout(60)
def test_an_export_of_a_time_has_what_was_seen_in_it(filled: CommandLine) -> None:
    def seen(*arguments: str) -> list[str]:
        return [tag["observed_at"] for tag in csv.DictReader(io.StringIO(exported(filled, "csv", *arguments)))]

    every = sorted(seen())
    moment = every[len(every) // 2][:19]
    assert sorted(seen("--since", moment) + seen("--until", moment)) == every
    assert seen("--since", moment, "--until", every[-1][:19])
    assert json.loads(exported(filled, "navigator", "--until", "2001-01-01"))["techniques"] == []


def test_an_empty_store_exports_too(decnet: CommandLine) -> None:
    assert json.loads(exported(decnet, "navigator"))["techniques"] == []
    assert json.loads(exported(decnet, "misp")) == {"response": []}
    assert exported(decnet, "ecs") == ""
    assert len(exported(decnet, "csv").splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stix", "--tlp", "purple"), "none of clear, green, amber, red"),
        (("csv", "--identity", "nobody"), "is no uuid"),
        (("csv", "--attacker", "x.example"), "is no IP address"),
        (("csv", "--attacker", ADDRESS, "--identity", "x"), "give one of"),
        (("csv", "--since", "yesterday"), "does not match the formats"),
        (("csv", "--since", "2026-01-02", "--until", "2026-01-02"), "nothing is before it"),
        (("csv", "--output", "/nowhere/x.csv"), "No such file or directory"),
    ],
)
def test_what_cannot_be_exported_is_said(decnet: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    done = decnet.run("ttp", "export", *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
