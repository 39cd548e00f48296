"""The command line as people run it: a process of its own, a data folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class CommandLine:
    """Runs ``decnet`` with ``folder`` as its data folder."""

    folder: Path

    def run(self, *arguments: str, stdin: str = "", cwd: str | None = None) -> subprocess.CompletedProcess[str]:
        """What the command printed, and its exit code."""
        return subprocess.run(
            [sys.executable, "-m", "decnet", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or self.folder,
            env=self.environment,
            errors="surrogateescape",
        )

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the data folder in it, and a wide terminal."""
        return os.environ | {"DECNET_DATA_DIR": str(self.folder / "data"), "COLUMNS": "160"}


@pytest.fixture
def decnet(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)
