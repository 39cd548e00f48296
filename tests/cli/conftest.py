"""The command line as people run it: a process of its own, a data folder of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.forked import run_forked

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping


@dataclass(frozen=True)
class CommandLine:
    """Runs ``decnet`` with ``folder`` as its data folder, and ``settings`` by their names."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "", cwd: str | None = None) -> subprocess.CompletedProcess[str]:
        """What the command printed, and its exit code."""
        folder = Path(cwd) if cwd else self.folder
        return run_forked(arguments, stdin=stdin, folder=folder, environment=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the data folder in it, and a wide terminal."""
        return os.environ | {"DECNET_DATA_DIR": str(self.folder / "data"), "COLUMNS": "160", **self.settings}


@pytest.fixture
def decnet(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)
