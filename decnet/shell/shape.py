"""The outline of a text that the grammar reads: same length, only groups, operators and reserved words.

Words, quotes, redirections and here-documents are masked by ``x``, because tree-sitter-bash needs up to 50 µs per
character to recover from what attackers put there, and its idea of a word differs from the shell's. An outline that
is not well formed is found here, before the grammar sees it, and only its statement is left to the tolerant splitter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .limits import MAX_NESTING
from .scan import REDIRECT, RICH

if TYPE_CHECKING:
    from .limits import Budget
    from .scan import Scan, Token

_COMMAND: Final = 0  # a command may begin here
_WORDS: Final = 1  # inside a simple command
_AFTER: Final = 2  # behind the end of a group: only redirections and operators may follow
_PATTERN: Final = 3  # inside a pattern of case
_BODY: Final = 4  # behind a function's name

_ARITHMETIC_LOOP: Final = "while x"  # as long as the shortest `for ((`


@dataclass(slots=True)
class Statement:
    """A statement at the top of a text: its tokens, and its outline unless it needs no grammar."""

    low: int
    high: int
    outline: list[tuple[int, str]] = field(default_factory=list)  # where, what
    needs_grammar: bool = False
    is_broken: bool = False
    background: bool = False


class _Outliner:
    """A push-down automaton over tokens; ``stack`` holds the closers that open groups wait for."""

    __slots__ = ("budget", "filled", "mode", "pending", "scan", "stack", "statement", "statements", "words")

    def __init__(self, scan: Scan, budget: Budget) -> None:
        self.scan = scan
        self.budget = budget
        self.statements: list[Statement] = []
        self.begin(0)

    def begin(self, low: int) -> None:
        """Starts a statement."""
        self.statement = Statement(low, low)
        self.stack: list[str] = []
        self.mode = _COMMAND
        self.words = 0  # of the simple command at hand
        self.pending = False  # an operator waits for its right side
        self.filled = False  # the group at hand holds a command

    def finish(self, high: int, *, background: bool = False) -> None:
        """Ends the statement before token ``high``; one that is still open is broken."""
        done = self.statement
        done.high = high
        done.background = background
        done.is_broken |= bool(self.stack) or self.pending or self.mode >= _PATTERN
        if done.high > done.low:
            self.statements.append(done)
        self.begin(high + 1)

    def mark(self, token: Token, mask: str = "x") -> None:
        """Writes a token into the outline."""
        start, end = token[1], token[2]
        self.statement.outline.append((start, mask * (end - start) if mask == "x" else mask))

    def fail(self) -> None:
        """Gives the statement up."""
        self.statement.is_broken = True

    def push(self, closer: str) -> None:
        """Opens a group."""
        self.statement.needs_grammar = True
        self.stack.append(closer)
        if len(self.stack) > MAX_NESTING:
            self.budget.hit("nesting")
            self.fail()
        self.open_part()

    def open_part(self) -> None:
        """Begins a list of commands inside a group."""
        self.mode, self.filled, self.pending = _COMMAND, False, False

    def pop(self, *closers: str) -> None:
        """Closes a group that waits for one of ``closers`` and is not empty."""
        if not self.stack or self.stack[-1] not in closers or not self.filled or self.pending:
            self.fail()
            return
        self.stack.pop()
        self.mode, self.filled = _AFTER, True

    def replace(self, old: str, new: str) -> None:
        """Goes to the next part of a group, as ``then`` does."""
        if not self.stack or self.stack[-1] != old or not self.filled or self.pending:
            self.fail()
            return
        self.stack[-1] = new
        self.open_part()


def statements(scan: Scan, budget: Budget) -> list[Statement]:
    """The statements at the top of a text, in order."""
    outliner = _Outliner(scan, budget)
    tokens = scan.tokens
    index, size = 0, len(tokens)
    while index < size:
        kind, _, _, op = tokens[index]
        if outliner.statement.is_broken:
            if op in {"\n", ";", "&"}:
                outliner.finish(index, background=op == "&")
            index += 1
        elif kind <= RICH:
            index = _word(outliner, index)
        elif kind == REDIRECT:
            index = _redirect(outliner, index)
        else:
            index = _operator(outliner, index, op)
    outliner.finish(size)
    return outliner.statements


def _redirect(outliner: _Outliner, index: int) -> int:
    tokens = outliner.scan.tokens
    has_target = index + 1 < len(tokens) and tokens[index + 1][0] <= RICH
    if outliner.mode >= _PATTERN:
        outliner.fail()
    elif outliner.mode != _AFTER:  # behind a group, redirections are read from the tokens
        outliner.mark(tokens[index])
        if has_target:
            outliner.mark(tokens[index + 1])
        outliner.mode, outliner.filled, outliner.pending = _WORDS, True, False
        outliner.words += 2  # no longer the name of a function
    return index + 1 + has_target


def _word(outliner: _Outliner, index: int) -> int:
    scan = outliner.scan
    token = scan.tokens[index]
    word = scan.text[token[1] : token[2]]
    if outliner.mode == _AFTER:
        outliner.fail()
    elif outliner.mode == _PATTERN:
        return _pattern_word(outliner, index, word)
    elif outliner.mode == _BODY and word != "{":
        outliner.fail()
    elif outliner.mode in {_COMMAND, _BODY}:
        return _first_word(outliner, index, word)
    else:
        outliner.mark(token)
        outliner.words += 1
    return index + 1


def _pattern_word(outliner: _Outliner, index: int, word: str) -> int:
    token = outliner.scan.tokens[index]
    if word == "esac" and not outliner.pending:
        outliner.mark(token, "esac")
        outliner.filled = True
        outliner.pop("esac")
    else:
        outliner.mark(token)
        outliner.pending = True
    return index + 1


def _first_word(outliner: _Outliner, index: int, word: str) -> int:
    token = outliner.scan.tokens[index]
    handler = _KEYWORDS.get(word)
    if handler is None:
        outliner.mark(token)
        outliner.mode, outliner.words, outliner.filled, outliner.pending = _WORDS, 1, True, False
        return index + 1
    if word == "!":
        return index + 1
    if word not in {"for", "select"}:
        outliner.mark(token, word)
    return handler(outliner, index)


def _opening(closer: str) -> Handler:
    def handle(outliner: _Outliner, index: int) -> int:
        outliner.push(closer)
        return index + 1

    return handle


def _closing(*closers: str) -> Handler:
    def handle(outliner: _Outliner, index: int) -> int:
        outliner.pop(*closers)
        return index + 1

    return handle


def _turning(old: str, new: str) -> Handler:
    def handle(outliner: _Outliner, index: int) -> int:
        outliner.replace(old, new)
        return index + 1

    return handle


def _for(outliner: _Outliner, index: int) -> int:
    """Reads ``for NAME [in WORD…]`` or ``for ((…))`` with the separators before ``do``."""
    scan, tokens = outliner.scan, outliner.scan.tokens
    stop = index + 1
    while stop < len(tokens) and tokens[stop][0] <= RICH and scan.text[tokens[stop][1] : tokens[stop][2]] != "do":
        stop += 1
    head = tokens[index + 1 : stop]
    if not head:
        outliner.fail()
        return index + 1
    if scan.text.startswith("((", head[0][1]):
        outliner.statement.outline.append((tokens[index][1], _ARITHMETIC_LOOP))
    else:
        outliner.mark(tokens[index], "for")
        outliner.mark(head[0])
        has_in = len(head) > 1 and scan.text[head[1][1] : head[1][2]] == "in"
        if len(head) > 1:
            outliner.mark(head[1], "in" if has_in else "?")
        for token in head[2:]:
            outliner.mark(token)
        if len(head) > 1 and not has_in:
            outliner.fail()
    outliner.push("do")
    outliner.filled = True
    return _separators(outliner, stop)


def _separators(outliner: _Outliner, index: int) -> int:
    tokens = outliner.scan.tokens
    semicolons = 0
    while index < len(tokens) and tokens[index][3] in {";", "\n"}:
        semicolons += tokens[index][3] == ";"
        outliner.mark(tokens[index], tokens[index][3])
        index += 1
    if semicolons > 1:
        outliner.fail()
    return index


def _case(outliner: _Outliner, index: int) -> int:
    scan, tokens = outliner.scan, outliner.scan.tokens
    head = tokens[index + 1 : index + 3]
    if len(head) < 2 or scan.text[head[1][1] : head[1][2]] != "in" or head[0][0] > RICH:  # noqa: PLR2004
        outliner.fail()
        return index + 1
    outliner.mark(head[0])
    outliner.mark(head[1], "in")
    outliner.push("esac")
    outliner.mode = _PATTERN
    return index + 3


def _function(outliner: _Outliner, index: int) -> int:
    tokens = outliner.scan.tokens
    if index + 1 >= len(tokens) or tokens[index + 1][0] > RICH:
        outliner.fail()
        return index + 1
    outliner.mark(tokens[index + 1])
    outliner.statement.needs_grammar = True
    outliner.mode, outliner.pending = _BODY, True
    return _name_brackets(outliner, index + 2)


def _name_brackets(outliner: _Outliner, index: int) -> int:
    """Reads the optional ``()`` of a function and the line breaks before its body."""
    tokens = outliner.scan.tokens
    if [token[3] for token in tokens[index : index + 2]] == ["(", ")"]:
        outliner.mark(tokens[index], "(")
        outliner.mark(tokens[index + 1], ")")
        index += 2
    while index < len(tokens) and tokens[index][3] == "\n":
        index += 1
    return index


def _operator(outliner: _Outliner, index: int, op: str) -> int:
    mode = outliner.mode
    if mode == _PATTERN:
        return _pattern_operator(outliner, index, op)
    if op == "\n":
        return _line_break(outliner, index)
    token = outliner.scan.tokens[index]
    if op == "(":
        return _bracket(outliner, index)
    if op == ")":
        outliner.mark(token, op)
        outliner.pop(")")
    elif op in {";;", ";&", ";;&"}:
        outliner.mark(token, op)
        if not outliner.stack or outliner.stack[-1] != "esac" or outliner.pending:
            outliner.fail()
        outliner.mode = _PATTERN
    elif mode in {_COMMAND, _BODY}:
        outliner.fail()
        return index
    elif op in {";", "&"}:
        return _separator(outliner, index, op)
    else:
        outliner.mark(token, op)
        outliner.mode, outliner.pending = _COMMAND, True
    return index + 1


def _separator(outliner: _Outliner, index: int, op: str) -> int:
    if outliner.stack:
        outliner.mark(outliner.scan.tokens[index], op)
        outliner.mode = _COMMAND
    else:
        outliner.finish(index, background=op == "&")
    return index + 1


def _line_break(outliner: _Outliner, index: int) -> int:
    if outliner.mode == _BODY or outliner.pending:
        return index + 1
    if outliner.stack:
        outliner.mark(outliner.scan.tokens[index], "\n")
        outliner.mode = _COMMAND
    else:
        outliner.finish(index)
    return index + 1


def _pattern_operator(outliner: _Outliner, index: int, op: str) -> int:
    token = outliner.scan.tokens[index]
    if op == ")" and outliner.pending:
        outliner.mark(token, op)
        outliner.open_part()
    elif (op == "\n" and not outliner.pending) or (op == "|" and outliner.pending):
        outliner.mark(token, op)
    elif op != "(" or outliner.pending:
        outliner.fail()
    return index + 1


def _bracket(outliner: _Outliner, index: int) -> int:
    tokens = outliner.scan.tokens
    if (
        outliner.mode == _WORDS
        and outliner.words == 1
        and [token[3] for token in tokens[index : index + 2]] == ["(", ")"]
    ):
        outliner.statement.needs_grammar = True
        outliner.mode, outliner.pending = _BODY, True
        return _name_brackets(outliner, index)
    if outliner.mode not in {_COMMAND, _BODY}:
        outliner.fail()
        return index + 1
    outliner.mark(tokens[index], "(")
    outliner.push(")")
    return index + 1


if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[_Outliner, int], int]

_KEYWORDS: Final[dict[str, Handler]] = {
    "!": _opening(""),
    "if": _opening("then"),
    "then": _turning("then", "fi"),
    "elif": _turning("fi", "then"),
    "else": _turning("fi", "else fi"),
    "fi": _closing("fi", "else fi"),
    "while": _opening("do"),
    "until": _opening("do"),
    "do": _turning("do", "done"),
    "done": _closing("done"),
    "for": _for,
    "select": _for,
    "case": _case,
    "esac": _closing("esac"),
    "function": _function,
    "{": _opening("}"),
    "}": _closing("}"),
}
