"""What a line would run: the values that rules look at."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec


class Redirect(msgspec.Struct, frozen=True, gc=False):
    """One redirection, such as ``2>/dev/null``: ``op`` is ``>``, ``fd`` is 2, ``target`` is ``/dev/null``.

    ``fd`` is -1 where none was written. For ``<<`` the target is the text of the here-document, for ``<<<`` the word.
    """

    op: str
    fd: int
    target: str


class DecodeStep(msgspec.Struct, frozen=True, gc=False):
    """One layer taken off: its kind (``base64``, ``hex``, ``gzip``, ``escapes`` …) and the start of what came out."""

    kind: str
    text: str


class SimpleCommand(msgspec.Struct, frozen=True, gc=False):
    """One command that the text would run, with everything around it that a rule may ask for.

    A wrapper (``sudo``, ``sh -c``, ``find -exec`` …) is a command itself, with ``is_wrapper`` set, and what it runs
    follows as a command of its own with the wrapper's name in ``wrappers``, the outermost first.
    """

    program: str  # no folder, no version: python for /usr/bin/python3.11
    argv: tuple[str, ...]  # what follows the program
    args: str  # argv joined by one space
    path: str  # the program as the line names it: /usr/bin/python3.11
    start: int  # byte range in the original text (UTF-8); for a decoded layer, of the command that it came from
    end: int
    assignments: tuple[tuple[str, str], ...] = ()
    redirects: tuple[Redirect, ...] = ()
    wrappers: tuple[str, ...] = ()
    pipe_from: tuple[str, ...] = ()  # programs whose output may reach this one, the nearest first
    pipe_into: tuple[str, ...] = ()  # programs that its output may reach, the nearest first
    decoded: tuple[DecodeStep, ...] = ()  # layers taken off to find this command, or taken off by it
    cwd: str = ""  # the working folder as far as the session's text tells; empty when it does not
    depth: int = 0  # layers of quoting, substitution and decoding around it
    background: bool = False
    in_loop: bool = False
    is_wrapper: bool = False
    is_obfuscated: bool = False  # a trick was undone that plain typing does not need: w""get, ${IFS}, $'\x63at' …


class ShellState(msgspec.Struct, frozen=True, gc=False):
    """What later lines of a session know from earlier ones. Bounded; made by ``shell_state`` only."""

    variables: tuple[tuple[str, str], ...]  # the oldest first: it is the first to be forgotten
    functions: tuple[tuple[str, str], ...]  # name and body text
    cwd: str
    digest: bytes  # 16 bytes, equal for equal states, the same in every process


class Unrolled(msgspec.Struct, frozen=True, gc=False):
    """The commands of one text, in the order of their text, and what the session knows afterwards."""

    commands: tuple[SimpleCommand, ...]
    state: ShellState
    limits: tuple[str, ...] = ()  # each limit that cut something; empty means that the view is whole
    is_broken: bool = False  # some of the text is no valid shell; that part was split tolerantly


def shell_state(
    variables: tuple[tuple[str, str], ...] = (), functions: tuple[tuple[str, str], ...] = (), cwd: str = ""
) -> ShellState:
    """A state with its digest, which covers order: order decides what is forgotten first."""
    digest = blake2b(digest_size=16)
    for part in (*(text for pair in variables for text in pair), "\0", *(t for pair in functions for t in pair), cwd):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return ShellState(variables, functions, cwd, digest.digest())


EMPTY: Final = shell_state()
