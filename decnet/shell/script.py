"""The shape of a text: pipelines of simple commands and groups. Words stay ranges of the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .scan import Token


@dataclass(slots=True)
class Leaf:
    """A simple command: its words in order, and each redirection with its target word."""

    words: list[Token] = field(default_factory=list)
    redirects: list[tuple[Token, Token | None]] = field(default_factory=list)
    start: int = -1
    end: int = -1


@dataclass(slots=True)
class Group:
    """A group: ``(…)``, ``{…}``, a loop, a branch or a function's body."""

    kind: str  # subshell, braces, branch, loop, function
    body: list[Pipeline]
    start: int
    end: int
    redirects: list[tuple[Token, Token | None]] = field(default_factory=list)
    name: str = ""  # of a function, or of a loop's variable
    values: list[Token] = field(default_factory=list)  # that a loop's variable takes, or the word of case
    body_range: tuple[int, int] = (0, 0)  # of a function


@dataclass(slots=True)
class Pipeline:
    """Stages joined by ``|``."""

    stages: list[Leaf | Group]
    background: bool = False
    in_loop: bool = False
    loop_name: str = ""  # without stages: the head of a loop (its variable and values) or the word of case
    loop_values: list[Token] = field(default_factory=list)
