"""``make bench``: every benchmark; what is printed also lands in bench/RESULTS.md, with machine and date."""

from __future__ import annotations

import io
import platform
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    api,
    attribution,
    bus,
    clusterer,
    dashboard,
    direct,
    exports,
    intel,
    mail,
    matcher,
    reading,
    rules,
    serve,
    tags,
)

RESULTS = Path(__file__).parent / "RESULTS.md"
ABOUT = """\
# Benchmarks

Written by `make bench`. Medians; ratios are measured in one run. Speeds count CPU seconds of one core where nothing
else is said, since the machine is shared.
"""


class Both(io.TextIOBase):
    """Writes to the screen and keeps a copy."""

    def __init__(self) -> None:
        self.kept = io.StringIO()

    def write(self, text: str) -> int:
        sys.__stdout__.write(text) if sys.__stdout__ else None
        return self.kept.write(text)


def main() -> None:
    """Run all and write the page."""
    page = [ABOUT, f"{_processor()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}\n"]
    for benchmark in (
        matcher,
        reading,
        rules,
        mail,
        direct,
        serve,
        attribution,
        clusterer,
        intel,
        bus,
        tags,
        api,
        dashboard,
        exports,
    ):
        both = Both()
        with redirect_stdout(both):
            benchmark.main()
        page.append(f"```\n{both.kept.getvalue()}```\n")
    page.append("![Tags stored per second as the table grows, on each database](tags.svg)\n")
    RESULTS.write_text("\n".join(page), "utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.machine()


main()
