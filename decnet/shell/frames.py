"""What surrounds a command while a text is walked, and what came of it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from .outputs import Output
from .scan import Scan
from .view import DecodeStep, Redirect, SimpleCommand

MAX_NEIGHBOURS: Final = 8  # programs named in pipe_from and pipe_into


class Layer(Struct, frozen=True, gc=False):
    """One text and what surrounds it."""

    scan: Scan
    base: int  # where the text stands in the original, -1 when it is not a part of it
    start: int  # the range of the original that a decoded text came from
    end: int
    depth: int = 0
    wrappers: tuple[str, ...] = ()
    decoded: tuple[DecodeStep, ...] = ()
    pipe_from: tuple[str, ...] = ()
    pipe_into: tuple[str, ...] = ()
    redirects: tuple[Redirect, ...] = ()  # of the groups around
    background: bool = False
    in_loop: bool = False
    is_printed: bool = False  # something reads what it prints
    origin: int = -1  # where the pipeline at hand begins in the original


class Result(Struct, gc=False):
    """What ran directly (not in substitutions) and what it printed, None when that is not known."""

    commands: list[SimpleCommand]
    output: Output | None = None

    def programs(self, *, reading: bool = False) -> tuple[str, ...]:
        """The names of what ran, the last and innermost first; on demand only of what reads from the pipe."""
        commands = self.commands
        if len(commands) == 1:
            only = commands[0]
            return (only.program,) if only.program and (only.pipe_from or not reading) else ()
        found = [command for command in reversed(commands) if command.program]
        names = dict.fromkeys([command.program for command in found if command.pipe_from or not reading])
        return tuple(names)[:MAX_NEIGHBOURS]


class Call(Struct, gc=False):
    """A simple command whose words are expanded: everything but the program and its words."""

    layer: Layer
    start: int  # in the original, in characters
    end: int
    assignments: tuple[tuple[str, str], ...] = ()
    redirects: tuple[Redirect, ...] = ()
    steps: tuple[DecodeStep, ...] = ()  # taken off to read its words
    fed: list[Result] = []  # substitutions in its words
    is_tricked: bool = False
    unknown: tuple[str, ...] = ()  # assigned names whose values are not known
