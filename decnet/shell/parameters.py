"""``${name…}``: defaults, substrings, prefixes, replacements and case, as far as the value is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .limits import MAX_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .words import Scope

    Nested = Callable[[str, Scope], str]

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+|[0-9]++|[@*#?!$-]")

# What a honeypot's root shell has: used where an attacker cuts letters out of it, never shown for a plain $HOME.
_AMBIENT: Final = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PWD": "/root",
    "SHELL": "/bin/bash",
    "USER": "root",
    "LOGNAME": "root",
    "TERM": "xterm",
}
_GLOB: Final = frozenset("*?[")


def expand_braced(inner: str, scope: Scope, nested: Nested) -> str | None:  # noqa: PLR0911 (one per form)
    """The value of ``${inner}``, None when it is not known."""
    if inner.startswith("#") and len(inner) > 1:
        value = scope.lookup(inner[1:])
        return None if value is None else str(len(value))
    if inner.startswith("!"):
        name = scope.lookup(inner[1:])
        return None if name is None else scope.lookup(name)
    found = NAME.match(inner)
    if found is None:
        return None
    name, rest = found[0], inner[found.end() :]
    value = scope.lookup(name)
    if not rest:
        return "" if value is None and name in "@*" else value
    if rest.startswith("["):
        return _element(value, rest)
    if rest[:1] == ":" and rest[1:2] in {"-", "=", "+", "?"}:
        return _default(name, value, rest[1], rest[2:], scope, nested)
    if rest[0] in "-=+?":
        return _default(name, value, rest[0], rest[1:], scope, nested)
    if value is None:
        value = _AMBIENT.get(name)
    if value is None:
        return "" if name in "@*" else None
    return _transform(value[:MAX_VALUE], rest, scope, nested)


def _default(name: str, value: str | None, op: str, word: str, scope: Scope, nested: Nested) -> str | None:
    if op == "+":
        return nested(word, scope) if value else ""
    if value:
        return value
    if op == "?":
        return None
    chosen = nested(word, scope)
    if op == "=":
        scope.assign(name, chosen)
    return chosen


def _element(value: str | None, rest: str) -> str | None:
    """``${name[1]}``: arrays are stored as their words."""
    if value is None:
        return None
    index = rest[1:].partition("]")[0]
    if index in {"@", "*"}:
        return value
    words = value.split()
    if index.isdecimal() and len(index) < 5:  # noqa: PLR2004
        return words[int(index)] if int(index) < len(words) else ""
    return None


def _transform(value: str, rest: str, scope: Scope, nested: Nested) -> str | None:
    if rest[0] == ":":
        return _substring(value, rest[1:])
    if rest[0] in "#%":
        is_longest = rest[1:2] == rest[0]
        pattern = nested(rest[2 if is_longest else 1 :], scope)
        return _strip(value, pattern, from_start=rest[0] == "#", is_longest=is_longest)
    if rest[0] == "/":
        return _replace(value, rest, scope, nested)
    changes: dict[str, Callable[[str], str]] = {
        "^^": str.upper,
        ",,": str.lower,
        "^": lambda text: text[:1].upper() + text[1:],
        ",": lambda text: text[:1].lower() + text[1:],
        "@Q": str,
        "@P": str,
    }
    change = changes.get(rest)
    return change(value) if change else None


def _substring(value: str, rest: str) -> str | None:
    start_text, colon, length_text = rest.partition(":")
    start, length = _number(start_text), _number(length_text) if colon else len(value)
    if start is None or length is None:
        return None
    begin = start if start >= 0 else max(0, len(value) + start)
    return value[begin : begin + length] if length >= 0 else value[begin:length]


def _number(text: str) -> int | None:
    text = text.strip().strip("()")
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 6:  # noqa: PLR2004
        return None
    return int(text)


def _strip(value: str, pattern: str, *, from_start: bool, is_longest: bool) -> str | None:
    """Removes a prefix or suffix; the pattern is a literal, or a literal with one ``*`` at its outer side."""
    if not pattern:
        return value
    star = pattern[0] == "*" if from_start else pattern[-1] == "*"
    literal = pattern.removeprefix("*") if from_start else pattern.removesuffix("*")
    if _GLOB & set(literal):
        return None
    if not star:
        return value.removeprefix(literal) if from_start else value.removesuffix(literal)
    if not literal:
        return "" if is_longest else value
    if from_start:
        index = value.rfind(literal) if is_longest else value.find(literal)
        return value if index < 0 else value[index + len(literal) :]
    index = value.find(literal) if is_longest else value.rfind(literal)
    return value if index < 0 else value[:index]


def _replace(value: str, rest: str, scope: Scope, nested: Nested) -> str | None:
    is_all = rest.startswith("//")
    body = rest[2 if is_all else 1 :]
    anchor = body[:1] if body[:1] in {"#", "%"} and not is_all else ""
    pattern, _, new = body[len(anchor) :].partition("/")
    old, new = nested(pattern, scope), nested(new, scope)
    if not old or _GLOB & set(old):
        return None
    if anchor == "#":
        return new + value.removeprefix(old) if value.startswith(old) else value
    if anchor == "%":
        return value.removesuffix(old) + new if value.endswith(old) else value
    if is_all and value.count(old) * len(new) > MAX_VALUE:
        scope.budget.hit("value")
        return None
    return value.replace(old, new, -1 if is_all else 1)
