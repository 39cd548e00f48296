"""What a wrapper runs: ``sudo -u root wget x`` runs ``wget x``, ``sh -c 'a; b'`` runs the text ``a; b``.

Which options of which program take a value is data (``wrappers.json``); shells, find, xargs and trap, whose grammar
is their own, are functions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from .programs import SHELLS

if TYPE_CHECKING:
    from collections.abc import Callable


class Peeled(Struct, gc=False):
    """What is under a wrapper: words to run, or texts for a shell to read."""

    words: list[list[str]] = []
    texts: list[str] = []
    assignments: list[tuple[str, str]] = []
    parameters: list[str] | None = None  # $0, $1 … of the texts
    reads_input: bool = False  # standard input is shell text
    takes_input: str | None = None  # words of standard input are appended, or replace this placeholder (xargs)
    reads_operand: bool = False  # the text is in a file or process substitution that is named


class Options(Struct, frozen=True):
    """How a wrapper reads its own words; ``wrappers.json`` explains the fields."""

    values: frozenset[str]
    long: frozenset[str]
    queries: frozenset[str]
    scripts: frozenset[str]
    verbs: dict[str, int]
    skip: int
    env: bool
    join: bool
    stdin: bool
    only_script: bool


def _load() -> dict[str, Options]:
    raw = json.loads(files(__package__).joinpath("wrappers.json").read_text(encoding="utf-8"))
    return {
        name: Options(
            values=frozenset(row.get("values", "")),
            long=frozenset(row.get("long", "").split()),
            queries=frozenset(row.get("queries", "")),
            scripts=frozenset(row.get("script", "").split()),
            verbs=row.get("verbs", {}),
            skip=row.get("skip", 0),
            env=row.get("env", False),
            join=row.get("join", False),
            stdin=row.get("stdin", False),
            only_script=row.get("only_script", False),
        )
        for name, row in raw["wrappers"].items()
    }


_OPTIONS: Final = _load()


def is_assignment(word: str) -> bool:
    """True for ``NAME=value``."""
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier() and name.isascii()


class _Reading(Struct, gc=False):
    """Progress through a wrapper's own words."""

    argv: Sequence[str]
    options: Options
    index: int = 0
    is_query: bool = False
    peeled: Peeled = field(default_factory=Peeled)

    def run(self) -> None:
        """Reads options and assignments up to the first other word."""
        while self.index < len(self.argv):
            word = self.argv[self.index]
            if word == "--":
                self.index += 1
                return
            if word.startswith("--"):
                self.long(word[2:])
            elif word.startswith("-") and len(word) > 1:
                self.short(word)
            elif self.options.env and is_assignment(word):
                name, _, value = word.partition("=")
                self.peeled.assignments.append((name, value))
            else:
                return
            self.index += 1

    def long(self, word: str) -> None:
        """Reads ``--name``, ``--name=value`` or ``--name value``."""
        name, equals, value = word.partition("=")
        if name in self.options.scripts:
            self.script(value if equals else self.next_word())
        elif not equals and name in self.options.long:
            self.index += 1

    def short(self, word: str) -> None:
        """Reads ``-abc``, where a letter that takes a value takes the rest or the next word."""
        for position, letter in enumerate(word[1:], 2):
            if letter in self.options.scripts:
                self.script(word[position:] or self.next_word())
                return
            if letter in self.options.values:
                if position == len(word):
                    self.index += 1
                return
            self.is_query |= letter in self.options.queries

    def next_word(self) -> str:
        """Takes the word after the option at hand."""
        self.index += 1
        return self.argv[self.index] if self.index < len(self.argv) else ""

    def script(self, text: str) -> None:
        """Keeps shell text."""
        if text:
            self.peeled.texts.append(text)


def peel(program: str, argv: Sequence[str]) -> Peeled | None:
    """What ``program`` runs when called with ``argv``; None when it is no wrapper or runs nothing."""
    own = _SPECIAL.get(program)
    if own is not None:
        return own(argv)
    options = _OPTIONS.get(program)
    return None if options is None else _by_options(argv, options)


def _by_options(argv: Sequence[str], options: Options) -> Peeled | None:
    reading = _Reading(argv, options)
    reading.run()
    skip = options.skip
    if options.verbs:
        verb = argv[reading.index] if reading.index < len(argv) else ""
        if verb not in options.verbs:
            return None
        skip = options.verbs[verb]
        reading.index += 1
        reading.run()
    for _ in range(skip):
        reading.index += 1
        if options.verbs or options.scripts:
            reading.run()
    while options.only_script and reading.index < len(argv):  # su USER -c TEXT: options may follow
        reading.index += 1
        reading.run()
    peeled = reading.peeled
    if reading.is_query:
        return None
    rest = list(argv[reading.index :])
    while rest and rest[0] == "--":
        del rest[0]
    if rest and not peeled.texts:
        if options.join:
            peeled.texts.append(" ".join(rest))
        else:
            peeled.words.append(rest)
    peeled.reads_input = options.stdin and not rest and not peeled.texts
    return peeled if peeled.words or peeled.texts or peeled.reads_input else None


def _shell(argv: Sequence[str]) -> Peeled | None:
    """``sh -c TEXT [NAME [PARAMETER…]]``, ``sh -s [PARAMETER…]``, ``sh FILE``, ``sh``."""
    takes_text = reads_input = False
    index = 0
    while index < len(argv) and argv[index][:1] in {"-", "+"} and len(argv[index]) > 1:
        word = argv[index]
        index += 1
        if word == "--":
            break
        if not word.startswith("--"):
            takes_text |= "c" in word[1:] and word[0] == "-"
            reads_input |= "s" in word[1:] and word[0] == "-"
            index += word[-1] in "oO"
        elif word in {"--rcfile", "--init-file"}:
            index += 1
    rest = list(argv[index:])
    if takes_text:
        return _shell_text(rest)
    if not rest or reads_input or rest[0] in {"-", "/dev/stdin", "/proc/self/fd/0", "/dev/fd/0"}:
        return Peeled(reads_input=True, parameters=["sh", *rest] if rest and reads_input else None)
    return Peeled(reads_operand=True, parameters=rest) if rest[0].startswith("<(") else None


def _shell_text(rest: list[str]) -> Peeled | None:
    if not rest:
        return None
    text, parameters = rest[0], rest[1:]
    if parameters and not any(mark in text for mark in " \t\n;|&$`"):
        # Logs hold `sh -c cat /etc/passwd` where the attacker typed quotes; a bare word takes what follows it.
        return Peeled(texts=[" ".join(rest)])
    return Peeled(texts=[text], parameters=parameters or None)


def _find(argv: Sequence[str]) -> Peeled | None:
    """``find … -exec COMMAND … ;``, also ``-ok``, ``-execdir`` and with ``+``."""
    peeled = Peeled()
    index = 0
    while index < len(argv):
        if argv[index] in {"-exec", "-execdir", "-ok", "-okdir"}:
            stop = index + 1
            while stop < len(argv) and argv[stop] not in {";", "+", "\\;"}:
                stop += 1
            if stop > index + 1:
                peeled.words.append(list(argv[index + 1 : stop]))
            index = stop
        index += 1
    return peeled if peeled.words else None


def _xargs(argv: Sequence[str]) -> Peeled | None:
    """``xargs [-I {}] COMMAND``; without a command it prints."""
    peeled = _by_options(argv, _OPTIONS["xargs"])
    if peeled is None:
        return None
    peeled.takes_input = ""
    for index, word in enumerate(argv):
        if word.startswith("-I") or word == "-i":
            peeled.takes_input = word[2:] or (argv[index + 1] if word == "-I" and index + 1 < len(argv) else "{}")
    return peeled


def _trap(argv: Sequence[str]) -> Peeled | None:
    """``trap TEXT SIGNAL…``."""
    words = [word for word in argv if word not in {"--", "-p", "-l"}]
    return Peeled(texts=words[:1]) if len(words) > 1 and words[0] not in {"-", ""} else None


def _source(argv: Sequence[str]) -> Peeled | None:
    """``. /dev/stdin`` and ``source <(…)``."""
    if not argv:
        return None
    if argv[0] in {"/dev/stdin", "/proc/self/fd/0", "/dev/fd/0"}:
        return Peeled(reads_input=True)
    return Peeled(reads_operand=True) if argv[0].startswith("<(") else None


def _screen(argv: Sequence[str]) -> Peeled | None:
    """``screen -dmS NAME COMMAND``; with ``-X stuff TEXT`` the text is typed into the session."""
    if "-X" in argv:
        typed = [word for before, word in pairwise(argv) if before == "stuff"]
        return Peeled(texts=typed) if typed else None
    return _by_options(argv, _OPTIONS["screen"])


_SPECIAL: Final[dict[str, Callable[[Sequence[str]], Peeled | None]]] = {
    **dict.fromkeys(SHELLS, _shell),
    "find": _find,
    "xargs": _xargs,
    "trap": _trap,
    ".": _source,
    "source": _source,
    "screen": _screen,
}

WRAPPERS: Final = frozenset((*_SPECIAL, *_OPTIONS))
