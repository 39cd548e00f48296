"""Builds the dashboard for a package that does not hold it yet, so that whoever installs it needs no Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DashboardHook(BuildHookInterface[Any]):
    """Runs before a wheel or a source package is made; an installation from a checkout has what `make` built."""

    PLUGIN_NAME = "dashboard"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's interface
        """Build what is missing.

        :raises RuntimeError: it is missing, and there is no npm to build it with.
        """
        root = Path(self.root)
        if version == "editable" or (root / "decnet" / "web" / "dashboard" / "index.html").exists():
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("the dashboard is not built and there is no npm; install Node 20 and build again")
        for command in ("ci", "run build"):
            subprocess.run([npm, *command.split()], cwd=root / "frontend", check=True)  # noqa: S603 - fixed words
