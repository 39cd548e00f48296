"""What a session knows while a text is unrolled: a working copy of its state, bounded."""

from __future__ import annotations

from posixpath import normpath
from typing import TYPE_CHECKING, Final

from .limits import MAX_FUNCTIONS, MAX_VALUE, MAX_VARIABLES
from .programs import names
from .view import shell_state

if TYPE_CHECKING:
    from .limits import Budget
    from .view import ShellState

Snapshot = tuple[dict[str, str], dict[str, str], str, "list[str] | None", bool]


class Session:
    """Variables, functions, working folder and positional parameters."""

    __slots__ = ("budget", "cwd", "functions", "is_changed", "is_shared", "parameters", "variables")

    def __init__(self, state: ShellState, budget: Budget) -> None:
        self.budget = budget
        self.variables = dict(state.variables)
        self.functions = dict(state.functions)
        self.cwd = state.cwd
        self.parameters: list[str] | None = None
        self.is_changed = False
        self.is_shared = False  # a snapshot holds the dicts at hand

    def snapshot(self) -> Snapshot:
        """What a subshell must give back."""
        self.is_shared = True
        return self.variables, self.functions, self.cwd, self.parameters, self.is_changed

    def restore(self, snapshot: Snapshot) -> None:
        """Forgets what a subshell changed."""
        self.variables, self.functions, self.cwd, self.parameters, self.is_changed = snapshot
        self.is_shared = True

    def touch(self) -> None:
        """Makes the dicts safe to change."""
        self.is_changed = True
        if self.is_shared:
            self.variables, self.functions = self.variables.copy(), self.functions.copy()
            self.is_shared = False

    def freeze(self, before: ShellState) -> ShellState:
        """The state for the next line; ``before`` itself when nothing changed."""
        if not self.is_changed:
            return before
        return shell_state(tuple(self.variables.items()), tuple(self.functions.items()), self.cwd)

    def lookup(self, name: str) -> str | None:
        """The value of a variable or positional parameter, None when it is not known."""
        if self.parameters is not None:
            if name.isdecimal():
                index = int(name[:6])
                return self.parameters[index] if index < len(self.parameters) else ""
            if name in {"@", "*"}:
                return " ".join(self.parameters[1:])
        if name == "IFS":
            return self.variables.get(name, " \t\n")
        return self.variables.get(name)

    def assign(self, name: str, value: str) -> None:
        """Sets a variable; the oldest is forgotten when there are too many."""
        if len(value) > MAX_VALUE:
            self.budget.hit("value")
            value = value[:MAX_VALUE]
        if self.variables.get(name) == value:
            return
        self.touch()
        self.variables[name] = value
        if len(self.variables) > MAX_VARIABLES:
            self.budget.hit("variables")
            del self.variables[next(iter(self.variables))]

    def unset(self, name: str) -> None:
        """Forgets a variable and a function."""
        if name in self.variables or name in self.functions:
            self.touch()
            self.variables.pop(name, None)
            self.functions.pop(name, None)

    def define(self, name: str, body: str) -> None:
        """Sets a function or alias."""
        if len(body) > MAX_VALUE:
            self.budget.hit("value")
            return
        if self.functions.get(name) == body:
            return
        self.touch()
        self.functions[name] = body
        if len(self.functions) > MAX_FUNCTIONS:
            self.budget.hit("functions")
            del self.functions[next(iter(self.functions))]

    def enter(self, folder: str) -> None:
        """Changes the working folder, by text alone."""
        if not folder:
            cwd = "~"
        elif folder == "-":
            cwd = ""
        elif folder.startswith(("/", "~", "$")):
            cwd = folder
        else:
            cwd = f"{self.cwd}/{folder}" if self.cwd else folder
        if cwd:
            cwd = "/" + normpath(cwd).lstrip("/") if cwd.startswith("/") else normpath(cwd)
        cwd = cwd[:MAX_VALUE]
        if cwd != self.cwd:
            self.cwd = cwd
            self.is_changed = True


def run_builtin(session: Session, program: str, argv: list[str], given: str | None) -> None:
    """Applies a builtin that changes the session; ``given`` is its standard input (what it prints, for printf)."""
    words = [word for word in argv if not word.startswith(("-", "+")) or word == "-"]
    if program in _FOLDER_CHANGERS:
        session.enter(words[0] if words else "")
    elif program in _DECLARERS:
        _declare(session, program, words)
    elif program in {"unset", "unalias"}:
        for word in words:
            session.unset(word)
    elif program == "set" and "--" in argv:
        session.parameters = ["sh", *argv[argv.index("--") + 1 :]]
    elif given is not None:
        _store(session, program, argv, words, given)


def _declare(session: Session, program: str, words: list[str]) -> None:
    for word in words:
        name, equals, value = word.partition("=")
        if equals and program == "alias" and name:
            session.define(name, value)
        elif equals and ("$(" in value or "`" in value):
            session.unset(name)  # what an unknown command prints
        elif equals and name.isidentifier():
            session.assign(name, value)


def _store(session: Session, program: str, argv: list[str], words: list[str], given: str) -> None:
    """``read NAME`` and ``printf -v NAME``."""
    if program == "read" and words:
        session.assign(words[0], given.partition("\n")[0].strip())
    elif program == "printf" and argv[:1] == ["-v"] and len(argv) > 1:
        session.assign(argv[1], given)


_FOLDER_CHANGERS: Final = names("cd pushd chdir")
_DECLARERS: Final = names("export declare typeset local readonly alias")
BUILTINS: Final = _FOLDER_CHANGERS | _DECLARERS | names("unset unalias set read")
