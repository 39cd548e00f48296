"""``decnet`` in a process of its own, forked from one that has loaded the modules: a second less per command."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerContext

_PRELOADED = [
    "decnet.cli.app",
    "decnet.cli.tagging",
    "decnet.cli.opening",
    "decnet.cli.summary",
    "decnet.workers.serve",
]
_STREAMS = ("stdin", "stdout", "stderr")
_LONGEST_S = 60.0


def run_forked(
    arguments: Sequence[str], *, stdin: str, folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """What ``decnet ARGUMENTS`` in ``folder`` prints, and its exit code.

    :raises subprocess.TimeoutExpired: it does not come to its end.
    """
    with TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "stdin").write_text(stdin, "utf-8", "surrogateescape")
        process = _context().Process(target=_become, args=(list(arguments), place, folder, dict(environment)))
        process.start()
        process.join(_LONGEST_S)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), _LONGEST_S)
        out, err = ((place / name).read_text("utf-8", "surrogateescape") for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(list(arguments), process.exitcode, out, err)


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _become(arguments: list[str], place: Path, folder: Path, environment: dict[str, str]) -> None:
    """What a new process would be: its streams, folder, environment and command line; then run the command."""
    for number, name in enumerate(_STREAMS):
        file = os.open(place / name, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(file, number)
        setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.stderr.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["decnet", *arguments]
    from decnet.cli.app import main

    try:
        main()
    finally:
        _wait_for_threads()


def _wait_for_threads() -> None:
    """As a program does before anything of it is taken down; ``multiprocessing`` first ends what its pools are at."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
