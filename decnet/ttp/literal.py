"""How much plain text there is in a pattern: what makes it rare, and quick to look for."""

from __future__ import annotations

import re  # reads the patterns of rules here, never attacker text

_CLASS_ESCAPES = frozenset("dDsSwWpPC")
_ZERO_WIDTH = frozenset("bBAz")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d+)(?:,\d*)?\})\??")
_GROUP_HEAD = re.compile(r"\?(?:P?<\w+>|[imsU-]*:)")
_FLAGS = re.compile(r"\(\?[imsU-]+\)")
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]")
_HEX = re.compile(r"\\x(?:[0-9A-Fa-f]{2}|\{[0-9A-Fa-f]+\})")


def longest_literal(pattern: str) -> int:
    """The length of the longest plain text that some match of the RE2 ``pattern`` needs, as far as its spelling shows.

    Optional parts count as nothing, a class is no plain text; of alternatives the richest counts.
    """
    return _Reader(pattern).alternatives()


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def alternatives(self) -> int:
        most = self._sequence()
        while self._peek() == "|":
            self._at += 1
            most = max(most, self._sequence())
        return most

    def _sequence(self) -> int:
        best = run = 0
        while (char := self._peek()) and char not in "|)":
            inner = self._atom(char)
            is_literal = inner is None
            least = self._least_repeats()
            if is_literal:
                run += 1
                if least != 1:
                    best = max(best, run - (least == 0))
                    run = int(least > 1)
            elif inner is not None and inner >= 0:
                best, run = max(best, run, inner if least else 0), 0
        return max(best, run)

    def _atom(self, char: str) -> int | None:
        """Read one atom: None for one plain character, -1 for a place without width, else what it holds."""
        if (flags := _FLAGS.match(self._text, self._at)) is not None:
            self._at = flags.end()
            return -1
        if char == "(":
            return self._group()
        if char == "[" and (found := _CLASS.match(self._text, self._at)) is not None:
            self._at = found.end()
            return None if _is_one_character(found.group()) else 0
        if char == "\\":
            return self._escape()
        self._at += 1
        return -1 if char in "^$" else 0 if char == "." else None

    def _group(self) -> int:
        self._at += 1
        if (head := _GROUP_HEAD.match(self._text, self._at)) is not None:
            self._at = head.end()
        inner = self.alternatives()
        self._at += 1
        return inner

    def _escape(self) -> int | None:
        if (found := _HEX.match(self._text, self._at)) is not None:
            self._at = found.end()
            return None
        kind = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        return -1 if kind in _ZERO_WIDTH else 0 if kind in _CLASS_ESCAPES else None

    def _least_repeats(self) -> int:
        """How often the atom before has to be there."""
        found = _QUANTIFIER.match(self._text, self._at)
        if found is None:
            return 1
        self._at = found.end()
        if found.group(1) is not None:
            return int(found.group(1))
        return 2 if found.group().startswith("+") else 0

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]


def _is_one_character(text: str) -> bool:
    inner = text[1:-1]
    return len(inner) == 1 or (len(inner) == 2 and inner[0] == "\\" and inner[1] not in _CLASS_ESCAPES)  # noqa: PLR2004 - an escape
