"""Brace lists: ``{wget,http://x}`` is two words, ``10.0.0.{1..5}`` is five."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .limits import MAX_BRACE_WORDS

if TYPE_CHECKING:
    from .limits import Budget

_MARK: Final = re.compile(r"\\.|\$\{|'[^']*+'|[{},\"]", re.DOTALL)
_LONGEST_NUMBER: Final = 9
_CHARACTERS_PER_STEP: Final = 8  # of the words that come out: each is expanded in turn


def braces(raw: str, budget: Budget) -> list[str]:
    """The words of a brace list, ``[raw]`` when it is none; what is over the limit is left out and recorded."""
    words = [""]
    pos = 0
    while pos < len(raw):
        start, choices, end = _next_list(raw, pos, budget)
        literal = raw[pos:start]
        words = [word + literal for word in words]
        if not choices:
            break
        affordable = budget.steps * _CHARACTERS_PER_STEP // len(raw)
        room = min(MAX_BRACE_WORDS, budget.braces, affordable) // len(words)
        if room <= 1:
            budget.hit("braces")
            words = [word + raw[start:] for word in words]
            break
        if len(choices) > room:
            budget.hit("braces")
        words = [word + choice for word in words for choice in choices[:room]]
        pos = end
    if len(words) <= 1:
        return [raw]
    budget.steps -= len(words) * len(raw) // _CHARACTERS_PER_STEP
    budget.braces -= len(words)
    return words


def _next_list(raw: str, pos: int, budget: Budget) -> tuple[int, list[str], int]:  # noqa: C901 (one branch per mark)
    """The next list outside quotes: where it begins, its choices, and where it ends."""
    opened: list[int] = []  # positions behind the open brackets; -1 for ${, which is no list
    cuts: list[int] = []  # commas of the outermost list
    is_quoted = False
    for mark in _MARK.finditer(raw, pos):
        if not budget.step():
            break
        text, at = mark[0], mark.start()
        if text == '"':
            is_quoted = not is_quoted
        elif text == "${":
            opened.append(-1)
        elif is_quoted and text != "}":
            continue
        elif text == "{":
            opened.append(at + 1)
        elif text == "," and len(opened) == 1:
            cuts.append(at)
        elif text == "}" and opened:
            begin = opened.pop()
            if opened or begin < 0:
                continue
            choices = _choices(raw, begin, at, cuts, budget)
            if choices:
                return begin - 1, choices, at + 1
            cuts = []
    return len(raw), [], len(raw)


def _choices(raw: str, begin: int, end: int, cuts: list[int], budget: Budget) -> list[str]:
    if not cuts:
        return _span(raw[begin:end], budget)
    edges = [begin, *(cut + 1 for cut in cuts)]
    return [raw[low:high] for low, high in zip(edges, [*cuts, end], strict=True)]


def _span(inner: str, budget: Budget) -> list[str]:
    """The choices of ``1..5`` or ``a..e``."""
    first, dots, last = inner.partition("..")
    if not dots:
        return []
    if len(first) == 1 and len(last) == 1 and first.isascii() and last.isascii() and first.isalpha() and first <= last:
        return [chr(code) for code in range(ord(first), ord(last) + 1)]
    if not (first.isdecimal() and last.isdecimal()) or len(first) + len(last) > _LONGEST_NUMBER:
        return []
    low, high = int(first), int(last)
    numbers = range(low, high + 1) if low <= high else range(low, high - 1, -1)
    if len(numbers) > MAX_BRACE_WORDS:
        budget.hit("braces")
    return [str(value) for value in numbers[:MAX_BRACE_WORDS]]
