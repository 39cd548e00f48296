"""The dashboard in a real browser over a large SQLite store: first view, redraw of the matrix, live tags.

``python -m bench.dashboard 1000000`` has that many tags; a folder after it is kept and used again. It needs what the
browser tests need: `make dashboard`, npm and Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.api import ROWS, made_store

_FRONTEND = Path(__file__).parents[1] / "frontend"


def main() -> None:
    """Print medians."""
    parser = argparse.ArgumentParser(description="The dashboard over a large store.")
    parser.add_argument("rows", nargs="?", type=int, default=ROWS)
    parser.add_argument("folder", nargs="?", type=Path, help="kept and used again")
    given = parser.parse_args() if __name__ == "__main__" else parser.parse_args([])
    npm = shutil.which("npm")
    if npm is None:
        print("dashboard: no npm here")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        made_store(folder, given.rows)
        program = str(Path(sys.executable).parent / "decnet")
        environment = os.environ | {
            "DECNET_TEST_MEASURED": str(folder),
            "DECNET_TEST_PROGRAM": program,
            "NO_COLOR": "1",
        }
        command = [npm, "run", "--silent", "browse"]
        done = subprocess.run(command, cwd=_FRONTEND, env=environment, check=True, capture_output=True, text=True)
    print(f"dashboard over {given.rows:,} tags, Chromium without a head:")
    for line in done.stdout.splitlines():
        if ": median " in line:
            print(f"  {line.strip()}")


if __name__ == "__main__":
    main()
