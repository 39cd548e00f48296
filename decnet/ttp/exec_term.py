"""``exec`` terms: what a rule asks of one simple command of the shell view.

The view itself is made elsewhere; :class:`SimpleCommandView` says what of it is looked at here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from decnet.ttp.match import REMEMBERED_PATTERNS, find_pattern

if TYPE_CHECKING:
    from decnet.models.rule import Exec

WRITES = frozenset({">", ">|", ">>", "&>", "&>>", ">&", "<>"})
APPENDS = frozenset({">>", "&>>"})
OVERWRITES = frozenset({">", ">|", "&>", ">&"})
READS = frozenset({"<", "<>"})
HERE_TEXTS = frozenset({"<<", "<<-", "<<<"})


class RedirectView(Protocol):
    """One redirection."""

    @property
    def op(self) -> str:
        """Such as ``>>`` or ``<``."""

    @property
    def target(self) -> str:
        """A file, or the text of a here-document."""


class DecodeStepView(Protocol):
    """One layer that was taken off, and the start of what came out."""

    @property
    def kind(self) -> str:
        """Such as ``base64`` or ``hex``."""

    @property
    def text(self) -> str:
        """The start of what came out."""


class SimpleCommandView(Protocol):
    """One command that a text would run, and what stands around it."""

    @property
    def program(self) -> str:
        """Without folder and version: ``python`` for ``/usr/bin/python3.11``."""

    @property
    def path(self) -> str:
        """The program as it was typed."""

    @property
    def args(self) -> str:
        """The arguments without quotes, joined by one space."""

    @property
    def start(self) -> int:
        """Where the command begins: a byte offset into the UTF-8 form of the text."""

    @property
    def end(self) -> int:
        """Where it ends."""

    @property
    def assignments(self) -> Sequence[tuple[str, str]]:
        """Names and values set in front of the command."""

    @property
    def redirects(self) -> Sequence[RedirectView]:
        """In the order of the text."""

    @property
    def wrappers(self) -> Sequence[str]:
        """Programs that run this one, the outermost first."""

    @property
    def pipe_from(self) -> Sequence[str]:
        """Programs whose output may reach this one, the nearest first."""

    @property
    def pipe_into(self) -> Sequence[str]:
        """Programs that its output may reach, the nearest first."""

    @property
    def decoded(self) -> Sequence[DecodeStepView]:
        """Layers taken off to see the command, the outermost first."""

    @property
    def background(self) -> bool:
        """Whether nobody waits for it."""

    @property
    def in_loop(self) -> bool:
        """Whether it stands in the body of a loop."""

    @property
    def is_obfuscated(self) -> bool:
        """Whether a trick was undone that plain typing does not need."""


Texts = Callable[[SimpleCommandView], Iterable[str]]


def _targets(operators: frozenset[str]) -> Texts:
    def targets(command: SimpleCommandView) -> Iterable[str]:
        redirects = command.redirects
        return [redirect.target for redirect in redirects if redirect.op in operators] if redirects else ()

    return targets


def _assignments(command: SimpleCommandView) -> Iterable[str]:
    return [f"{name}={value}" for name, value in command.assignments]


TEXTS: dict[str, Texts] = {
    "args": lambda command: (command.args,),
    "path": lambda command: (command.path,),
    "redirect_to": _targets(WRITES),
    "append_to": _targets(APPENDS),
    "overwrite": _targets(OVERWRITES),
    "redirect_from": _targets(READS),
    "here_text": _targets(HERE_TEXTS),
    "assigns": _assignments,
}
"""Parts that are patterns, and the texts of a command that each is searched in."""

NAMES: dict[str, Callable[[SimpleCommandView], Iterable[str]]] = {
    "pipe_into": attrgetter("pipe_into"),
    "pipe_from": attrgetter("pipe_from"),
    "wrapper": attrgetter("wrappers"),
    "decoded": lambda command: [step.kind for step in command.decoded],
}
"""Parts that are names, and what they are compared with."""

FLAGS: dict[str, Callable[[SimpleCommandView], bool]] = {
    "background": attrgetter("background"),
    "in_loop": attrgetter("in_loop"),
    "obfuscated": attrgetter("is_obfuscated"),
}

FORBIDDEN = {"args_not": "args"}
"""Parts that are patterns which must not be found, and where."""

PATTERN_PARTS = (*TEXTS, *FORBIDDEN)


@dataclass(frozen=True, slots=True)
class ExecTerm:
    """An ``exec`` of a rule; equal ones of different rules are one term."""

    programs: frozenset[str]
    patterns: tuple[tuple[str, str], ...]
    names: tuple[tuple[str, frozenset[str]], ...]
    flags: tuple[tuple[str, bool], ...]
    forbidden: tuple[tuple[str, str], ...]


def exec_term_of(exec_: Exec) -> ExecTerm:
    """The term that the ``exec`` of a rule describes."""
    parts = exec_.parts
    return ExecTerm(
        programs=frozenset(exec_.program or ()),
        patterns=tuple((name, str(parts[name])) for name in TEXTS if name in parts),
        names=tuple((name, frozenset(getattr(exec_, name))) for name in NAMES if name in parts),
        flags=tuple((name, bool(parts[name])) for name in FLAGS if name in parts),
        forbidden=tuple((FORBIDDEN[name], str(parts[name])) for name in FORBIDDEN if name in parts),
    )


Check = Callable[[SimpleCommandView], bool]


def holds(term: ExecTerm, command: SimpleCommandView) -> bool:
    """Whether ``command`` has every part that ``term`` asks for."""
    return all(check(command) for check in checks_of(term))


@lru_cache(maxsize=REMEMBERED_PATTERNS)
def checks_of(term: ExecTerm) -> tuple[Check, ...]:
    """What a command must pass to have every part of ``term``: the cheap checks first, arguments last."""
    patterns = sorted(term.patterns, key=lambda part: part[0] == "args")
    return (
        *([_has_program(term.programs)] if term.programs else ()),
        *(_has_flag(name, wanted=wanted) for name, wanted in term.flags),
        *(_has_name(name, names) for name, names in term.names),
        *(_has_pattern(name, pattern) for name, pattern in patterns),
        *(_lacks_pattern(name, pattern) for name, pattern in term.forbidden),
    )


def _has_program(programs: frozenset[str]) -> Check:
    return lambda command: command.program in programs


def _has_flag(name: str, *, wanted: bool) -> Check:
    flag = FLAGS[name]
    return lambda command: flag(command) is wanted


def _has_name(name: str, names: frozenset[str]) -> Check:
    names_of = NAMES[name]
    return lambda command: not names.isdisjoint(names_of(command))


def _has_pattern(name: str, pattern: str) -> Check:
    find, texts = find_pattern(pattern), TEXTS[name]
    is_in_nothing = find(b"") is not None  # half of the arguments are empty: asking RE2 again costs 0.6 µs each time

    def is_found(command: SimpleCommandView) -> bool:
        for text in texts(command):  # noqa: SIM110 - any() over a generator takes longer than most searches
            if find(text.encode()) is not None if text else is_in_nothing:
                return True
        return False

    return is_found


def _lacks_pattern(name: str, pattern: str) -> Check:
    is_found = _has_pattern(name, pattern)
    return lambda command: not is_found(command)
