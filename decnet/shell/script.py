"""The shape of a text: pipelines of simple commands and groups. Words stay ranges of the text.

Structs, since every command makes some: a dataclass takes four times as long to make.
"""

from __future__ import annotations

from msgspec import Struct

from .scan import Token


class Leaf(Struct, gc=False):
    """A simple command: its words in order, and each redirection with its target word."""

    words: list[Token] = []
    redirects: list[tuple[Token, Token | None]] = []
    start: int = -1
    end: int = -1


class Group(Struct, gc=False):
    """A group: ``(…)``, ``{…}``, a loop, a branch or a function's body."""

    kind: str  # subshell, braces, branch, loop, function
    body: list[Pipeline]
    start: int
    end: int
    redirects: list[tuple[Token, Token | None]] = []
    name: str = ""  # of a function, or of a loop's variable
    values: list[Token] = []  # that a loop's variable takes, or the word of case
    body_range: tuple[int, int] = (0, 0)  # of a function


class Pipeline(Struct, gc=False):
    """Stages joined by ``|``."""

    stages: list[Leaf | Group]
    background: bool = False
    in_loop: bool = False
    loop_name: str = ""  # without stages: the head of a loop (its variable and values) or the word of case
    loop_values: list[Token] = []
