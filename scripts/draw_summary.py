"""Draws docs/assets/summary.svg: what ``make demo`` shows, as a picture for the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path("docs/assets/summary.svg")
COLUMNS = 104


def main() -> None:
    """Tag the recording in an empty database and draw what came out."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DECNET_DATA_DIR": folder, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
        command = [sys.executable, "-m", "decnet", "ttp", "tag", "demo/cowrie.json"]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123 - drawn, not shown
    console.print(Text.from_ansi(out))
    svg = console.export_svg(title="decnet ttp tag demo/cowrie.json")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), "utf-8")  # no remote fonts


main()
