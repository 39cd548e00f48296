"""A word as typed, to the fields that the shell would pass: quotes removed, expansions done where they are known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from .braces import braces
from .escapes import ansi_c
from .limits import MAX_DEPTH
from .parameters import NAME, expand_braced
from .scan import part_end

if TYPE_CHECKING:
    from .limits import Budget

_PLAIN: Final = re.compile(r"[^'\"\\$`]++")
_PLAIN_QUOTED: Final = re.compile(r"[^\\$`\"]++")
_SIMPLE: Final = re.compile(  # words of one kind of quoting only, which most are
    r"""
    ((?:[^'"\\$`{<>]++|\\[^\n])++)        # 1 letters and backslashes
    | "((?:[^"\\$`]++|\\.)*+)"            # 2 double quotes around all of it
    | '([^']*+)'                            # 3 single quotes around all of it
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED_QUOTED: Final = re.compile(r"\\(?:([$`\"\\])|\n)")
_SPACES: Final = " \t\n"
_PARAMETERS: Final = frozenset("@*")


class Scope(Protocol):
    """What a word may ask of the line and the session around it."""

    budget: Budget
    is_tricked: bool  # set by words that hide something

    def lookup(self, name: str) -> str | None:
        """The value of a variable or positional parameter; None when it is not known."""
        ...

    def assign(self, name: str, value: str) -> None:
        """Sets a variable, for ``${name:=value}``."""
        ...

    def substitute(self, inner: str, offset: int) -> str | None:
        """What ``$(inner)`` prints, None when unknown; ``offset`` is where ``inner`` stands in the text, or -1."""
        ...

    def feed(self, inner: str, offset: int) -> None:
        """Takes note of ``<(inner)``."""
        ...


class _Fields:
    """Fields under construction."""

    __slots__ = ("done", "is_open", "parts")

    def __init__(self) -> None:
        self.done: list[str] = []
        self.parts: list[str] = []
        self.is_open = False

    def add(self, text: str) -> None:
        """Appends to the field at hand."""
        self.parts.append(text)
        self.is_open = True

    def close(self) -> None:
        """Ends the field at hand."""
        if self.is_open:
            self.done.append("".join(self.parts))
            self.parts = []
            self.is_open = False

    def split(self, text: str) -> None:
        """Appends the result of an unquoted expansion, which white space cuts into fields."""
        pieces = text.split()
        if not pieces:
            if text:
                self.close()
            return
        if text[0] in _SPACES:
            self.close()
        for piece in pieces[:-1]:
            self.add(piece)
            self.close()
        self.add(pieces[-1])
        if text[-1] in _SPACES:
            self.close()


def expand(raw: str, offset: int, scope: Scope) -> list[str]:
    """The fields of a word that stands at ``offset`` in the text (-1 when it stands nowhere in it)."""
    if "\0" in raw:  # a terminal's line has none: the shell never sees them
        raw, offset = raw.replace("\0", ""), -1
    if len(raw) > 1 and (simple := _SIMPLE.fullmatch(raw)):
        kind = simple.lastindex
        if kind == 1:
            return ["".join(_ESCAPED.split(raw))]  # the groups without their backslash; sub() calls Python per match
        inner = simple[2] if kind == 2 else simple[3]  # noqa: PLR2004 (the pattern's groups)
        return ["".join(filter(None, _ESCAPED_QUOTED.split(inner))) if kind == 2 and "\\" in inner else inner]  # noqa: PLR2004
    if "{" in raw and ("," in raw or ".." in raw) and scope.budget.braces > 0:
        alternatives = braces(raw, scope.budget)
        if len(alternatives) > 1:
            fields = [field for word in alternatives for field in _expand_word(word, -1, scope)]
            if raw[0] == "{":
                scope.is_tricked = True
            return fields
    return _expand_word(raw, offset, scope)


def expand_joined(raw: str, offset: int, scope: Scope) -> str:
    """A word where the shell does not split: a value, a here-string or the target of a redirection."""
    return " ".join(_expand_word(raw, offset, scope, is_quoted=True))


def _expand_word(raw: str, offset: int, scope: Scope, *, is_quoted: bool = False) -> list[str]:
    fields = _Fields()
    if raw[:2] in {"<(", ">("}:
        end = part_end(raw, 0, raw[:2], scope.budget)
        end = end if end > 0 else len(raw)
        inside = raw[2 : end - 1] if raw[end - 1 : end] == ")" else raw[2:end]
        scope.feed(inside, _shift(offset, 2))
        fields.add(raw[:end])
        raw, offset = raw[end:], _shift(offset, end)
    _walk(raw, offset, scope, fields, is_quoted=is_quoted)
    fields.close()
    return fields.done


def _shift(offset: int, by: int) -> int:
    return offset + by if offset >= 0 else -1


def _walk(raw: str, offset: int, scope: Scope, fields: _Fields, *, is_quoted: bool) -> None:
    """Expands everything outside double quotes; ``is_quoted`` only stops splitting."""
    pos, size = 0, len(raw)
    while pos < size:
        plain = _PLAIN.match(raw, pos)
        if plain:
            fields.add(plain[0])
            pos = plain.end()
            continue
        mark, follower = raw[pos], raw[pos + 1 : pos + 2]
        if mark == "\\":
            if follower != "\n":
                fields.add(follower)
            pos += 2
        elif mark == "'":
            pos = _single(raw, pos, fields)
        elif mark == '"':
            pos = _double(raw, pos, offset, scope, fields)
        elif mark == "$" and follower == "'":
            pos = _ansi(raw, pos, scope, fields)
        elif mark == "$" and follower == '"':
            pos += 1
        else:
            pos = _dollar(raw, pos, offset, scope, fields, is_quoted=is_quoted)


def _single(raw: str, pos: int, fields: _Fields) -> int:
    end = raw.find("'", pos + 1)
    if end < 0:  # an open quote is a plain letter that hides nothing
        return pos + 1
    fields.add(raw[pos + 1 : end])
    return end + 1


def _ansi(raw: str, pos: int, scope: Scope, fields: _Fields) -> int:
    end = part_end(raw, pos, "$'", scope.budget)
    if end < 0:
        return pos + 2
    inner = raw[pos + 2 : end - 1]
    value = ansi_c(inner)
    fields.add(value)
    if value != inner and value.isprintable():
        scope.is_tricked = True
    return end


def _double(raw: str, pos: int, offset: int, scope: Scope, fields: _Fields) -> int:
    """Expands a double-quoted part, or skips an open quote."""
    if raw.find('"', pos + 1) < 0:
        return pos + 1
    fields.add("")
    pos += 1
    size = len(raw)
    while pos < size:
        plain = _PLAIN_QUOTED.match(raw, pos)
        if plain:
            fields.add(plain[0])
            pos = plain.end()
            continue
        mark = raw[pos]
        if mark == '"':
            return pos + 1
        if mark == "\\":
            follower = raw[pos + 1 : pos + 2]
            if follower != "\n":
                fields.add(follower if follower in '$`"\\' else "\\" + follower)
            pos += 2
        else:
            pos = _dollar(raw, pos, offset, scope, fields, is_quoted=True)
    return pos


def _dollar(  # noqa: PLR0911 (one per form)
    raw: str, pos: int, offset: int, scope: Scope, fields: _Fields, *, is_quoted: bool
) -> int:
    """Expands what begins with ``$`` or a backtick."""
    budget = scope.budget
    budget.steps -= 1
    if budget.steps < 0:
        budget.hit("steps")
        fields.add(raw[pos:])
        return len(raw)
    follower = raw[pos + 1 : pos + 2]
    if follower == "(" or raw[pos] == "`":
        return _substitution(raw, pos, offset, scope, fields, is_quoted=is_quoted)
    if follower == "{":
        end = part_end(raw, pos, "${", scope.budget)
        if end < 0:
            fields.add("${")
            return pos + 2
        value = expand_braced(raw[pos + 2 : end - 1], scope, _nested)
        _add_value(raw[pos:end], value, scope, fields, is_quoted=is_quoted)
        return end
    name = NAME.match(raw, pos + 1)
    end = name.end() if name else pos + 2
    text = raw[pos:end]
    if follower in _PARAMETERS:
        return _parameters(raw, pos, scope, fields, is_quoted=is_quoted)
    known = scope.lookup(text[1:]) if follower else None
    if known is None and text[1:].isdigit() and raw[pos - 1 : pos].isalpha() and raw[end : end + 1].isalpha():
        scope.is_tricked = True  # who$9ami: an empty parameter between letters
        return end
    _add_value(text, known, scope, fields, is_quoted=is_quoted)
    return end


def _add_value(text: str, value: str | None, scope: Scope, fields: _Fields, *, is_quoted: bool) -> None:
    """Adds a value, or the text of the expansion when nothing is known."""
    if value is None:
        plain = text[2:-1] if text.startswith("${") else ""
        is_name = bool(plain) and NAME.fullmatch(plain) is not None
        fields.add("$" + plain if is_name else text)
        return
    if text[1:2] == "{" and NAME.fullmatch(text[2:-1]) is None:
        scope.is_tricked = True  # ${x:0:1} and the like
    if not is_quoted and text in {"${IFS}", "$IFS"}:
        scope.is_tricked = True
    budget = scope.budget
    budget.expanded -= len(value)
    if budget.expanded < 0:
        budget.hit("expansion")
        value = text
    if is_quoted:
        fields.add(value)
    else:
        separators = scope.lookup("IFS")
        if separators and separators != _SPACES:
            value = value.translate(dict.fromkeys(map(ord, separators[:8]), " "))
        fields.split(value)


def _parameters(raw: str, pos: int, scope: Scope, fields: _Fields, *, is_quoted: bool) -> int:
    """Expands ``$@`` and ``$*``: empty between letters when a session has no parameters, visible when alone."""
    known = scope.lookup(raw[pos + 1])
    if known is not None:
        _add_value("$@", known, scope, fields, is_quoted=is_quoted)
    elif raw.strip('"') in {"$@", "$*"}:
        fields.add(raw[pos : pos + 2])
    else:
        scope.is_tricked = True
    return pos + 2


def _substitution(raw: str, pos: int, offset: int, scope: Scope, fields: _Fields, *, is_quoted: bool) -> int:
    opening = "`" if raw[pos] == "`" else "$("
    end = part_end(raw, pos, opening, scope.budget)
    stop = len(raw) if end < 0 else end
    inside = raw[pos + len(opening) : stop if end < 0 else stop - 1]
    if opening == "$(" and inside.startswith("(") and inside.endswith(")"):
        fields.add(raw[pos:stop])  # arithmetic
        return stop
    where = _shift(offset, pos + len(opening))
    if opening == "`":
        if "\\" in inside:
            where = -1
        inside = inside.replace("\\`", "`").replace("\\$", "$").replace("\\\\", "\\")
    value = scope.substitute(inside, where)
    if value is None:
        fields.add(raw[pos:stop])
    elif is_quoted:
        fields.add(value)
    else:
        fields.split(value)
    return stop


def _nested(raw: str, scope: Scope) -> str:
    """Expands the word inside ``${name:-word}``; the text itself where such words nest too deep."""
    budget = scope.budget
    if budget.nested >= MAX_DEPTH:
        budget.hit("nesting")
        return raw
    budget.nested += 1
    fields = _Fields()
    _walk(raw, -1, scope, fields, is_quoted=True)
    fields.close()
    budget.nested -= 1
    return "".join(fields.done)
