"""A minimal view of Windows command lines, which bots send to every honeypot: ``cmd /c``, ``powershell -enc``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .decode import base64_bytes
from .escapes import to_bytes
from .outputs import decode_step
from .programs import program_name

if TYPE_CHECKING:
    from .view import DecodeStep

_SHELLS: Final = frozenset(("cmd", "powershell", "pwsh"))
_MAX_LAYERS: Final = 4
_UNLIKELY: Final = frozenset("/.#$(<>`{")  # beginnings that need no further look


@dataclass(frozen=True, slots=True)
class WindowsCall:
    """One command of a Windows line."""

    path: str
    argv: list[str]
    wrappers: tuple[str, ...] = ()
    steps: tuple[DecodeStep, ...] = ()
    is_wrapper: bool = False


def is_windows(text: str) -> bool:
    """True when the first word is a Windows shell with an option, or a path with a drive letter."""
    if text[:1] in _UNLIKELY:
        return False
    head = text.lstrip(" \t\"'@")[:512]
    if head[1:3] == ":\\" and head[:1].isalpha():
        return True
    if head[:1] not in "cCpP%":
        return False
    if head[:9].lower() == "%comspec%" or head[:12].lower() == "%systemroot%":
        return True
    first, _, rest = head.partition(" ")
    if program_name(_base(first).lower()) not in _SHELLS:
        return False
    return rest.lstrip()[:1] in {"/", "-"} and (rest.lstrip()[:1] == "-") != first.lower().startswith("cmd")


def windows_calls(text: str) -> list[WindowsCall]:
    """The commands of a Windows line, outer ones first."""
    return _calls(text, (), (), is_powershell=False)


def _base(word: str) -> str:
    return word.strip("\"'").replace("/", "\\").rpartition("\\")[2]


def _calls(
    text: str, wrappers: tuple[str, ...], steps: tuple[DecodeStep, ...], *, is_powershell: bool
) -> list[WindowsCall]:
    found: list[WindowsCall] = []
    for words in _statements(text, ";|\n{}" if is_powershell else "&|\n"):
        path = words[0]
        program = program_name(_base(path).lower())
        program = "cmd" if program == "%comspec%" else program
        inner, own_steps = _inner(program, words[1:])
        is_wrapper = inner is not None and len(wrappers) < _MAX_LAYERS
        found.append(WindowsCall(path, words[1:], wrappers, (*steps, *own_steps), is_wrapper))
        if inner is not None and is_wrapper:
            below = (*wrappers, program)
            found += _calls(inner, below, (*steps, *own_steps), is_powershell=program != "cmd")
    return found


def windows_program(path: str) -> str:
    """The program's name: lower case, no folder, no ``.exe``."""
    name = program_name(_base(path).lower())
    return "cmd" if name == "%comspec%" else name


def _statements(text: str, separators: str) -> list[list[str]]:
    """Words of each statement: double quotes and carets removed, cut at separators."""
    found: list[list[str]] = [[]]
    word: list[str] = []
    is_open = False
    quote = ""
    for mark in text:
        if quote:
            if mark == quote:
                quote = ""
            else:
                word.append(mark)
        elif mark == '"' or (mark == "'" and ";" in separators):
            quote, is_open = mark, True
        elif mark in " \t," or mark in separators:
            if word or is_open:
                found[-1].append("".join(word))
                word, is_open = [], False
            if mark in separators and found[-1]:
                found.append([])
        elif mark != "^":
            word.append(mark)
    if word or is_open:
        found[-1].append("".join(word))
    return [words for words in found if words and words[0]]


def _inner(program: str, argv: list[str]) -> tuple[str | None, tuple[DecodeStep, ...]]:
    """The text that a Windows shell runs, and the layer taken off to read it."""
    for index, word in enumerate(argv):
        lowered = word.lower()
        rest = argv[index + 1 :]
        if program == "cmd" and lowered[:2] in {"/c", "/k", "/r"}:
            return " ".join([word[2:], *rest]).strip() or None, ()
        if program in {"powershell", "pwsh"} and lowered[:1] in {"-", "/"} and rest:
            name = lowered[1:]
            if name and ("encodedcommand".startswith(name) or name == "ec"):
                return _decoded(rest[0])
            if name and "command".startswith(name):
                return " ".join(rest), ()
    return None, ()


def _decoded(word: str) -> tuple[str | None, tuple[DecodeStep, ...]]:
    raw = base64_bytes(to_bytes(word))
    if raw is None:
        return None, ()
    text = raw[: len(raw) & ~1].decode("utf-16-le", "replace")
    return text, (decode_step("base64", text),)
