"""What `deploy/` holds agrees with the program: commands, settings, files, and what systemd says of the units."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from decnet.config import unknown_settings
from decnet.workers.serve import WORKERS
from tests.cli.forked import run_forked
from tests.require import lacking

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SHARED = DEPLOY / "systemd" / "decnet-.service.d" / "10-decnet.conf"
ANALYZE = shutil.which("systemd-analyze") or "/usr/bin/systemd-analyze"
PROGRAM = "/opt/decnet/bin/decnet"
INSTANCES = {"decnet-worker@.service": sorted(WORKERS), "decnet-ttp@.service": ["2"]}
MOST_EXPOSED = 20
"""Tenths, of 100: what systemd calls OK."""
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "decnet-ttp"}


def is_command(arguments: Sequence[str]) -> bool:
    """Whether the program takes these arguments; it is asked for help and does nothing."""
    asked = run_forked([*arguments, "--help"], stdin="", folder=ROOT, environment=os.environ)
    is_worker = "worker" not in arguments or arguments[-1] in WORKERS
    return asked.returncode == 0 and is_worker


def lines_of(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_unit_starts_a_command_that_exists(unit: Path) -> None:
    (line,) = lines_of(unit, "ExecStart")
    for instance in INSTANCES.get(unit.name, [""]):
        program, *arguments = shlex.split(line.replace("%i", instance))
        assert program == PROGRAM
        assert is_command(arguments)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    for arguments in (["--verbose", "srve"], ["serve", "--colour"], ["worker", "clock"]):
        assert not is_command(arguments)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they would lie on a host where the program is installed."""
    if not Path(ANALYZE).exists():
        lacking("systemd", f"there is no {ANALYZE}")
    place = tmp_path / "etc/systemd/system"
    shutil.copytree(DEPLOY / "systemd", place)
    for unit in place.glob("*.service"):
        unit.write_text(unit.read_text("utf-8").replace(PROGRAM, sys.executable), "utf-8")
    return tmp_path


def names_of(unit: Path) -> list[str]:
    return [unit.name.replace("@", f"@{instance}") for instance in INSTANCES.get(unit.name, [""])]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_has_nothing_against_a_unit(unit: Path, installed: Path) -> None:
    checked = subprocess.run(
        [ANALYZE, "verify", "--recursive-errors=no", str(installed / "etc/systemd/system" / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", [name for unit in UNITS for name in names_of(unit)])
def test_a_unit_is_closed_up_as_far_as_systemd_can_tell(name: str, installed: Path) -> None:
    command = [ANALYZE, "security", "--offline=true", f"--root={installed}", f"--threshold={MOST_EXPOSED}"]
    checked = subprocess.run([*command, "--no-pager", name], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_units_give_the_program_the_time_that_it_takes_to_end() -> None:
    from decnet.workers.stopping import LAST_WORK_S

    (seconds,) = lines_of(SHARED, "TimeoutStopSec")
    assert int(seconds) >= 2 * LAST_WORK_S
    for service in OURS.values():
        assert int(service["stop_grace_period"].removesuffix("s")) >= 2 * LAST_WORK_S


@pytest.mark.parametrize("file", [path for path in DEPLOY.rglob("*") if path.is_file()], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(file: Path) -> None:
    names = set(re.findall(r"DECNET_[A-Z_]+[A-Z]", file.read_text("utf-8")))
    assert unknown_settings(dict.fromkeys(names, "")) == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_container_runs_a_command_that_exists(name: str) -> None:
    assert is_command(OURS[name]["command"])


def test_there_is_a_container_for_every_worker() -> None:
    assert {service["command"][-1] for service in OURS.values()} >= set(WORKERS)


def test_containers_refer_to_what_is_there() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        named = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert {name for name in named if name[0] not in "./$"} <= set(COMPOSE["volumes"])


def test_secrets_of_containers_are_asked_for_and_have_no_default() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    given = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "env.example").read_text("utf-8"), re.MULTILINE))
    assert asked == {"DATABASE_PASSWORD", "BUS_TOKEN", "SECRET_KEY"}
    assert given == set(re.findall(r"\$\{([A-Z_]+)", text))


def test_an_image_is_built_from_files_that_are_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for name in line.split()]
    let_in = {
        line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"
    }
    assert set(copied) == let_in
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml", "decnet", "rules"}
    assert needed <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name


def test_an_image_starts_a_command_that_exists() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    (arguments,) = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    assert is_command(yaml.safe_load(arguments))


CLOSED = """
import ctypes, sys
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit(77)
sys.argv = ["decnet", "ttp", "explain", "cat /etc/shadow"]
from decnet.cli.app import main
main()
"""


def test_the_program_needs_no_memory_that_is_writable_and_executable() -> None:
    """As ``MemoryDenyWriteExecute`` of the units forbids it; Linux 6.3 and newer know this way to ask for it."""
    assert lines_of(SHARED, "MemoryDenyWriteExecute") == ["yes"]
    done = subprocess.run([sys.executable, "-c", CLOSED], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        lacking("mdwe", "the kernel is older than 6.3")
    assert "T1003.008" in done.stdout, done.stderr
