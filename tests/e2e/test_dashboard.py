"""The dashboard: its own unit tests, and a real browser over the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.require import lacking

PROJECT = Path(__file__).parents[2]
FRONTEND = PROJECT / "frontend"


def npm_run(script: str) -> None:
    """Run a script of the front end's; what it printed is the message of a failure."""
    npm = shutil.which("npm")
    if npm is None:
        lacking("node", "no npm on the path")
    assert (PROJECT / "decnet" / "web" / "dashboard" / "index.html").exists(), "not built; run make dashboard"
    environment = os.environ | {"DECNET_TEST_PROGRAM": str(Path(sys.executable).parent / "decnet"), "NO_COLOR": "1"}
    done = subprocess.run(
        [str(npm), "run", "--silent", script],
        cwd=FRONTEND,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-10_000:]


@pytest.mark.timeout(300)
def test_the_logic_of_the_dashboard_holds() -> None:
    npm_run("test")


@pytest.mark.timeout(900)
def test_a_browser_finds_the_dashboard_as_people_do() -> None:
    if shutil.which("chromium") is None:
        lacking("chromium", "no such program on the path")
    npm_run("browse")
