"""The entrance: one text and the session's state to the commands it would run."""

from __future__ import annotations

import re
from typing import Final

from .frames import Layer
from .limits import MAX_COMMANDS, MAX_TEXT, MAX_WINDOWS_TEXT, Budget
from .positions import Positions
from .programs import program_name
from .scan import RESERVED, scan_text
from .snippets import code_of
from .state import BUILTINS, Session
from .view import EMPTY, ShellState, SimpleCommand, Unrolled
from .walk import Walker
from .windows import is_windows, windows_calls, windows_program
from .wrappers import WRAPPERS

# Words of these letters stand for themselves, whatever their order; no operator, quote or expansion is among them.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:,@%+ \-]++")
_DRIVE_OR_SHELL: Final = frozenset("cCpP%\"'@")  # letters that a Windows shell's line may begin with
_SLOW: Final = WRAPPERS | BUILTINS | RESERVED | {"printf", "[["}


def unroll(text: str, state: ShellState = EMPTY) -> Unrolled:
    """The commands that ``text`` would run after the session's ``state``, and the state after it.

    Pure and total: any text gives an answer, the same one each time. What a limit cut is named in ``limits``.
    """
    if _PLAIN.fullmatch(text) and len(text) <= MAX_TEXT:
        command = _plain(text, state)
        if command is not None:
            return Unrolled((command,), state)
    return unroll_fully(text, state)


def _plain(text: str, state: ShellState) -> SimpleCommand | None:
    """The one command of a text of plain words; None when it takes more than that to tell."""
    path, *argv = text.split() or ("",)
    program = program_name(path)
    if not path or program in _SLOW or path in RESERVED or state.functions or code_of(program, argv) is not None:
        return None
    if path[0] in _DRIVE_OR_SHELL and is_windows(text):
        return None
    start = len(text) - len(text.lstrip(" "))
    return SimpleCommand(program, tuple(argv), " ".join(argv), path, start, len(text.rstrip(" ")), cwd=state.cwd)


def unroll_fully(text: str, state: ShellState = EMPTY) -> Unrolled:
    """As ``unroll``, without its short cut for plain words."""
    budget = Budget(len(text))
    if len(text) > MAX_TEXT:
        budget.hit("length")
        text = text[:MAX_TEXT]
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")
    positions = Positions(text)
    if is_windows(text):
        commands = _windows(text, positions, state, budget)
        return Unrolled(commands, state, tuple(budget.hits))
    scan = scan_text(text, budget)
    session = Session(state, budget)
    walker = Walker(session, budget, positions)
    walker.scanned(scan, Layer(scan, 0, 0, len(text)), None)
    return Unrolled(tuple(walker.commands), session.freeze(state), tuple(budget.hits), walker.is_broken)


def _windows(text: str, positions: Positions, state: ShellState, budget: Budget) -> tuple[SimpleCommand, ...]:
    start, end = positions.range(0, len(text))
    calls = windows_calls(text[:MAX_WINDOWS_TEXT])
    if len(text) > MAX_WINDOWS_TEXT:
        budget.hit("length")
    if len(calls) > MAX_COMMANDS:
        budget.hit("commands")
    return tuple(
        SimpleCommand(
            windows_program(call.path),
            tuple(call.argv),
            " ".join(call.argv),
            call.path,
            start,
            end,
            wrappers=call.wrappers,
            decoded=call.steps,
            depth=len(call.wrappers),
            cwd=state.cwd,
            is_wrapper=call.is_wrapper,
        )
        for call in calls[:MAX_COMMANDS]
    )
