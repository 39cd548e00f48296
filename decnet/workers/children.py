"""Workers in processes of their own: they share no interpreter, so they may use as many processors as there are.

A child ends politely when its standard input is closed, which happens when its parent says so, and when its parent is
killed. It is not in the terminal's foreground: Ctrl-C is told to the parent alone.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

from decnet.errors import WorkerEnded
from decnet.telemetry import logger
from decnet.workers.stopping import LAST_WORK_S, pause_unless

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

_AFTER_KILL_S = 1.0
_PATIENCE_S = LAST_WORK_S + 10.0
"""How long a child that was told to end is waited for before it is killed."""
_log = logger(__name__)


async def keep_child(name: str, command: Sequence[str], stop: asyncio.Event) -> None:
    """Run ``command``, the worker ``name``, until ``stop`` is set; one that is killed is started again.

    :raises WorkerEnded: it ended by itself, for a reason that it has told on standard error.
    """
    while not stop.is_set():
        code = await _run(command, stop)
        if stop.is_set():
            return
        if code >= 0:
            raise WorkerEnded(f"the worker {name} ended by itself (exit code {code}); its own message says why")
        _log.error("the worker %s was killed by signal %d; it is started again", name, -code)
        await pause_unless(stop, _AFTER_KILL_S)


async def _run(command: Sequence[str], stop: asyncio.Event) -> int:
    """The exit code of ``command``, which is told to end when ``stop`` is set; negative for a signal."""
    child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=DEVNULL, start_new_session=True)
    ended = asyncio.create_task(child.wait())
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        await _end(child, ended)
    return ended.result()


async def _end(child: Process, ended: asyncio.Task[int]) -> None:
    """``child`` is over: politely, or killed when it takes too long."""
    assert child.stdin is not None  # noqa: S101 - it was asked for
    child.stdin.close()
    done, _ = await asyncio.wait({ended}, timeout=_PATIENCE_S)
    if not done:
        child.kill()
        await ended
