"""Text to tokens, in one pass that never fails and never looks at a character more than a few times.

The alternatives of every pattern begin with different characters and all repeats are possessive (``++``), so no
pattern can backtrack.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .programs import names

if TYPE_CHECKING:
    from .limits import Budget

WORD: Final = 0  # a word that stands for itself
RICH: Final = 1  # a word with quotes or expansions in it
OPERATOR: Final = 2
REDIRECT: Final = 3

Token = tuple[int, int, int, str]  # kind, start, end, and the operator for the last two kinds

RESERVED: Final = names("if then elif else fi while until for select do done case esac function { } coproc")
COMPOUND_OPERATORS: Final = frozenset(("(", ")", ";;", ";&", ";;&"))

_BREAK: Final = r" \t\n;&|<>()"
_TOKEN: Final = re.compile(
    rf"""
    [ \t]*+(?:\\\n[ \t]*+)*+
    (?:
      ([^{_BREAK}'"\\$`{{\0\#0-9][^{_BREAK}'"\\$`{{\0]*+(?![^{_BREAK}])) # 1 plain word, first: a fifth faster
    | (&&|\|\||\|&|;;&|;;|;&|[;|\n()]|&(?!>))                       # 2 operator
    | ((?:\d*+(?:<<<|<<-?|<&|<>|>>|>&|>\||[<>](?!\())|&>>?))       # 3 redirection
    | (\#[^\n]*+)                                                  # 4 comment
    | ([^{_BREAK}'"\\$`{{\0]++(?![^{_BREAK}]))                       # 5 plain word that begins with a digit
    | (                                                            # 6 word with simple quoting
        (?:
          [^{_BREAK}'"\\$`]++
        | \\[^\n]
        | '[^']*+'
        | "(?:[^"\\$`]++|\\.|\$(?![({{]))*+"
        | \$'(?:[^'\\]++|\\.)*+'
        | \$[A-Za-z0-9_@*#?!$-]
        )++(?![^{_BREAK}])
      )
    )?+
    """,
    re.VERBOSE | re.DOTALL,
)
_SEPARATOR: Final = re.compile(r"[ \t\n;&|]")
_COMMENT: Final = 4
_KINDS: Final = (-1, WORD, OPERATOR, REDIRECT, _COMMENT, WORD, RICH)  # of the groups of the pattern above
_BARE: Final = re.compile(rf"[^{_BREAK}'\"\\$`]++")
_IN_CODE: Final = re.compile(r"\\.|['\"`(){}]|\$[({']", re.DOTALL)
_IN_QUOTES: Final = re.compile(r"\\.|[\"`]|\$[({]", re.DOTALL)
_BACKTICK: Final = re.compile(r"(?:[^`\\]++|\\.)*+`", re.DOTALL)
_ANSI: Final = re.compile(r"(?:[^'\\]++|\\.)*+'", re.DOTALL)
_ARITHMETIC: Final = re.compile(r"[\w\s$+\-*%<>=!&|^~?:,()\[\]]*+")
_PAIRS: Final = frozenset(("$(", "${", "$'", "<(", ">("))
_CLOSERS: Final = {"(": ")", "$(": ")", "${": "}", '"': '"'}


class Scan:
    """The tokens of one text."""

    __slots__ = ("bodies", "is_broken", "is_compound", "is_open_test", "text", "tokens")

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.bodies: dict[int, tuple[int, int]] = {}  # start of a << token to the range of its here-document
        self.is_compound = False  # holds groups or reserved words, which only the grammar can place
        self.is_open_test = False  # a [[ found no ]], so no later one will: searching again would be quadratic
        self.is_broken = False  # holds a quote or bracket that never ends


def close_of(text: str, pos: int, closer: str, budget: Budget) -> int:
    """The end of a bracket or quote whose inside begins at ``pos``; -1 when it has none."""
    stack = [closer]
    while stack:
        top = stack[-1]
        found = (_IN_QUOTES if top == '"' else _IN_CODE).search(text, pos)
        if found is None or not budget.step():
            return -1
        mark = found[0]
        pos = found.end()
        if mark == top:
            stack.pop()
        elif mark in {"'", "`", "$'"}:
            pos = _quote_end(text, pos, mark)
            if pos < 0:
                return -1
        elif mark in _CLOSERS and (mark != "(" or top == ")"):
            stack.append(_CLOSERS[mark])
    return pos


def _quote_end(text: str, pos: int, mark: str) -> int:
    if mark == "'":
        return text.find("'", pos) + 1 or -1
    end = (_BACKTICK if mark == "`" else _ANSI).match(text, pos)
    return end.end() if end else -1


def opening_at(text: str, pos: int) -> str:
    """The quote or bracket that opens at ``pos``: ``'``, ``"``, `````, ``$'``, ``$(``, ``${``, ``<(`` or nothing."""
    pair = text[pos : pos + 2]
    if pair in _PAIRS:
        return pair
    mark = pair[:1]
    return mark if mark in "'\"`" else ""


def part_end(text: str, pos: int, opening: str, budget: Budget) -> int:
    """The end of the quoted or bracketed part that ``opening`` begins at ``pos``; -1 when it never ends."""
    if budget.unclosed <= 0:
        budget.hit("unclosed")
        return -1
    inside = pos + len(opening)
    if opening in {"'", "`", "$'"}:
        end = _quote_end(text, inside, opening)
    else:
        end = close_of(text, inside, _CLOSERS.get(opening, ")"), budget)
    if end < 0:
        budget.unclosed -= 1
    return end


def _word_end(text: str, pos: int, budget: Budget, scan: Scan) -> int:
    """The end of a word with brackets in it. An open substitution takes the rest; an open quote is a plain letter."""
    size = len(text)
    while pos < size:
        bare = _BARE.match(text, pos)
        if bare:
            pos = bare.end()
            continue
        mark = text[pos]
        if mark == "\\":
            pos += 2
        elif opening := opening_at(text, pos):
            end = part_end(text, pos, opening, budget)
            if end < 0:
                scan.is_broken = True
                end = size if opening in {"$(", "`", "<(", ">("} else pos + len(opening)
            pos = end
        elif mark == "$":
            pos += 1
        else:
            break
        if not budget.step():
            rest = _SEPARATOR.search(text, pos)
            pos = rest.start() if rest else size
            break
    return min(pos, size)


def scan_text(text: str, budget: Budget) -> Scan:  # noqa: C901, PLR0912 (calls would cost a third of the speed)
    """All tokens of ``text``; here-document bodies are set aside, comments are dropped."""
    scan = Scan(text)
    tokens = scan.tokens
    read = _TOKEN.match
    pos, size, at_command, most = 0, len(text), True, budget.tokens
    pending: list[int] = []
    while pos < size:
        if len(tokens) >= most:
            budget.hit("tokens")
            break
        found = read(text, pos)
        group = found.lastindex if found else None
        if found is None or group is None:
            pos = found.end() if found else pos
            if pos >= size:
                break
            pos, at_command = _odd_token(scan, pos, budget, at_command=at_command), False
            continue
        start, pos = found.span(group)
        if (kind := _KINDS[group]) <= RICH:
            if at_command:
                word = text[start:pos]
                if word in RESERVED:
                    scan.is_compound = True
                elif word == "[[":
                    pos, at_command = _test_tokens(scan, start, budget), False
                    continue
                else:
                    at_command = word == "!"
            tokens.append((kind, start, pos, ""))
        elif kind == OPERATOR:
            op = text[start:pos]
            if op in COMPOUND_OPERATORS:
                arithmetic = _arithmetic_end(scan, start, budget) if op == "(" else -1
                scan.is_compound = True
                if arithmetic > 0:
                    pos, at_command = arithmetic, False
                    continue
            tokens.append((OPERATOR, start, pos, op))
            at_command = True
            if op == "\n" and pending:
                pos = _take_bodies(scan, pos, pending)
                pending = []
        elif kind == REDIRECT:
            op = text[start:pos].lstrip("0123456789")
            if op in {"<<", "<<-"}:
                pending.append(len(tokens))
            tokens.append((REDIRECT, start, pos, op))
            at_command = False
    budget.tokens -= len(tokens)
    return scan


def _odd_token(scan: Scan, pos: int, budget: Budget, *, at_command: bool) -> int:
    """Reads what the pattern could not: a word with brackets or with an open quote."""
    end = _word_end(scan.text, pos, budget, scan)
    if end == pos:  # a lone < or > before a bracket that was given up
        end = pos + 1
    if at_command and scan.text[pos:end] in RESERVED:
        scan.is_compound = True
    scan.tokens.append((RICH, pos, end, ""))
    return end


def _arithmetic_end(scan: Scan, start: int, budget: Budget) -> int:
    """Reads ``a=(…)`` as one word and ``((…))`` as one word where it looks like arithmetic; -1 otherwise."""
    text, tokens = scan.text, scan.tokens
    if tokens and tokens[-1][2] == start and tokens[-1][0] <= RICH and text[start - 1] == "=":
        end = part_end(text, start, "(", budget)
        if end > 0:
            tokens[-1] = (RICH, tokens[-1][1], end, "")
        return end
    if not text.startswith("((", start):
        return -1
    end = part_end(text, start, "(", budget)
    if end < 0 or not text.endswith("))", start, end):
        return -1
    inner = text[start + 2 : end - 2]
    is_loop = bool(tokens) and text[tokens[-1][1] : tokens[-1][2]] == "for"
    looks_right = any(sign in inner for sign in "=<>+*%") and _ARITHMETIC.fullmatch(inner)
    if not (is_loop or looks_right):
        return -1
    tokens.append((WORD, start, end, ""))
    return end


def _test_tokens(scan: Scan, start: int, budget: Budget) -> int:
    """Reads ``[[ … ]]`` as words, since ``&&``, ``<`` and ``(`` mean something else in there."""
    text, tokens = scan.text, scan.tokens
    tokens.append((WORD, start, start + 2, ""))
    pos = start + 2
    stop = -1 if scan.is_open_test else text.find("]]", start)
    if stop < 0:
        scan.is_open_test = scan.is_broken = True
        return pos
    while pos < stop + 2 and budget.step():
        while text[pos : pos + 1] in {" ", "\t", "\n"}:
            pos += 1
        end = _word_end(text, pos, budget, scan)
        if end == pos:
            end = pos + (2 if text[pos : pos + 2] in {"&&", "||"} else 1)
        tokens.append((RICH, pos, end, ""))
        pos = end
    return pos


def _take_bodies(scan: Scan, pos: int, pending: list[int]) -> int:
    """Sets aside the here-documents that begin after a line; returns where the next line begins."""
    text, size = scan.text, len(scan.text)
    for index in pending:
        token = scan.tokens[index]
        delimiter = _delimiter(scan, index)
        begin = pos
        while pos < size:
            stop = text.find("\n", pos)
            stop = size if stop < 0 else stop
            line = text[pos:stop]
            if (line.lstrip("\t") if token[3] == "<<-" else line) == delimiter:
                scan.bodies[token[1]] = (begin, pos)
                pos = min(stop + 1, size)
                break
            pos = min(stop + 1, size)
        else:
            scan.bodies[token[1]] = (begin, size)
    return pos


def _delimiter(scan: Scan, index: int) -> str:
    for kind, start, end, _ in scan.tokens[index + 1 : index + 2]:
        if kind <= RICH:
            return scan.text[start:end].replace("\\", "").replace('"', "").replace("'", "")
    return ""
