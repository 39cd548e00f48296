"""A real Chromium without a head, for as long as a test needs it."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.require import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_QUIET = (
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium_at(url: str, profile: Path, *flags: str) -> Iterator[None]:
    """A browser that has been sent to ``url``; it is ended with the block. A missing program ends the test."""
    program = shutil.which("chromium")
    if program is None:
        lacking("chromium", "no such program on the path")
    command = [str(program), *_QUIET, f"--user-data-dir={profile}", *flags, url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()
