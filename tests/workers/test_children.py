"""Workers in processes of their own, with real processes."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from decnet.errors import WorkerEnded
from decnet.workers.children import keep_child
from tests.contract.bus_backends import in_loop, until

if TYPE_CHECKING:
    from pathlib import Path

WAITING = "import sys, pathlib; path = pathlib.Path(sys.argv[1]); path.open('a').write('begun '); {}"
UNTIL_CLOSED = "sys.stdin.read(); path.open('a').write('ended ')"


def command(log: Path, end: str) -> list[str]:
    return [sys.executable, "-c", WAITING.format(end), str(log)]


async def written(log: Path, text: str) -> None:
    async def is_there() -> bool:
        return log.exists() and log.read_text() == text  # noqa: ASYNC240 - a test waits for it

    await until(is_there)


@in_loop
async def test_a_child_is_told_to_end_and_waited_for(tmp_path: Path) -> None:
    log, stop = tmp_path / "log", asyncio.Event()
    keeping = asyncio.create_task(keep_child("ttp", command(log, UNTIL_CLOSED), stop))
    await written(log, "begun ")
    stop.set()
    await keeping
    assert log.read_text() == "begun ended "


@in_loop
async def test_one_that_was_killed_is_started_again(tmp_path: Path) -> None:
    log, stop = tmp_path / "log", asyncio.Event()
    killed_once = f"import os; os.kill(os.getpid(), 9) if path.read_text() == 'begun ' else None; {UNTIL_CLOSED}"
    keeping = asyncio.create_task(keep_child("ttp", command(log, killed_once), stop))
    await written(log, "begun begun ")
    stop.set()
    await keeping
    assert log.read_text() == "begun begun ended "


@in_loop
async def test_one_that_ends_by_itself_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(WorkerEnded, match="ttp ended by itself"):
        await keep_child("ttp", command(tmp_path / "log", "sys.exit(3)"), asyncio.Event())
