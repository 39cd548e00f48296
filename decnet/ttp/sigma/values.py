"""The values of Sigma conditions as our patterns."""

from __future__ import annotations

from typing import NamedTuple

from sigma.types import SigmaNumber, SigmaRegularExpression, SigmaString, SigmaType, SpecialChars

from decnet.errors import DecnetError

_SPECIAL = frozenset("\\.+*?()|[]{}^$")


class CannotMap(DecnetError):
    """A Sigma construct that our terms cannot say, with the reason."""


class Wild(NamedTuple):
    """A text with wildcards: literal parts and, between and around them, anything (None) or one character (``?``)."""

    parts: tuple[str | None, ...]

    @property
    def starts_open(self) -> bool:
        """Whether anything may stand before it."""
        return self.parts[:1] == (None,)

    @property
    def ends_open(self) -> bool:
        """Whether anything may stand behind it."""
        return self.parts[-1:] == (None,)

    @property
    def inner(self) -> tuple[str | None, ...]:
        """Without the wildcards around it."""
        parts = self.parts[1:] if self.starts_open else self.parts
        return parts[:-1] if parts[-1:] == (None,) else parts

    @property
    def literal(self) -> str | None:
        """The text, where there are no wildcards but around it."""
        inner = self.inner
        return inner[0] if len(inner) == 1 else None

    def pattern(self, *, before: str = "^", behind: str = "$") -> str:
        """RE2 for it; ``before`` and ``behind`` are used where nothing else may stand there."""
        body = "".join(".*" if part is None else quoted(part) for part in self.inner)
        return ("" if self.starts_open else before) + body + ("" if self.ends_open else behind)


ONE = "\0"
"""Stands for one character of any kind in the literal parts of a :class:`Wild`."""


def quoted(text: str) -> str:
    """``text`` as a pattern that matches it."""
    return "".join("." if char == ONE else f"\\{char}" if char in _SPECIAL else char for char in text)


def wild(value: SigmaType) -> Wild:
    """``value`` as a text with wildcards.

    :raises CannotMap: it is no text, or empty.
    """
    if isinstance(value, SigmaNumber):
        return Wild((str(value),))
    if not isinstance(value, SigmaString):
        raise CannotMap(f"a value of type {type(value).__name__.removeprefix('Sigma')} is not one that text can have")
    parts: list[str | None] = []
    for part in value.s:
        if isinstance(part, str):
            parts[-1:] = [parts[-1] + part] if parts and parts[-1] is not None else [*parts[-1:], part]
        elif part is SpecialChars.WILDCARD_MULTI:
            parts.append(None)
        elif part is SpecialChars.WILDCARD_SINGLE:
            parts[-1:] = [parts[-1] + ONE] if parts and parts[-1] is not None else [*parts[-1:], ONE]
        else:
            raise CannotMap("a placeholder has no value of its own")
    found = Wild(tuple(parts))
    if not any(part for part in found.inner):
        raise CannotMap("a condition that is true of every text says nothing")
    return found


def expression(value: SigmaRegularExpression) -> str:
    """The regular expression of ``value`` with its flags in front."""
    flags = "".join(sorted(flag.name[0].lower() for flag in value.flags))
    return (f"(?{flags})" if flags else "") + str(value.to_plain())


def folded(pattern: str) -> str:
    """Sigma compares without regard to case."""
    return f"(?i){pattern}" if pattern.lower() != pattern.upper() else pattern
