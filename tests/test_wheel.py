"""What users install: the wheel holds the rules and the catalogue, and works from anywhere."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.mark.timeout(60)
def test_an_installed_wheel_finds_its_rules_and_catalogue_from_the_root_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    command = [sys.executable, "-m", "decnet", "ttp", "explain", "cat /etc/shadow"]
    result = subprocess.run(
        command, cwd="/", env={"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True, check=True
    )
    assert "T1003.008" in result.stdout
    assert len(list((tmp_path / "site" / "decnet" / "pack" / "ttp").glob("R*.yaml"))) == len(
        list((PROJECT / "rules" / "ttp").glob("R*.yaml"))
    )
