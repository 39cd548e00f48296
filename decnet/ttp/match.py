"""Match operators: when a leaf term of a rule is true on the bytes of a field, and where.

A field is matched as the UTF-8 bytes of its canonical text. A ``pattern`` is RE2 over Latin-1, so that ``.`` is one
byte and every input has one meaning; RE2 takes linear time on any input, which is why nothing else may touch
attacker text here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2
from re2 import _re2  # the wrapper around it makes a Python object per match: 1.6 µs a search against 0.65

from decnet.errors import DecnetError

Span = tuple[int, int]
"""Byte offsets of what matched, end excluded."""
Finder = Callable[[bytes], Span | None]

PATTERN_MEMORY_BYTES = 8 << 20
"""What RE2 may spend on one pattern; a pattern beyond it is refused when the rule is loaded."""
REMEMBERED_PATTERNS = 16_384

_ANYWHERE = _re2.RE2.Anchor.UNANCHORED


class PatternRefused(DecnetError):
    """An engine does not take this pattern."""


@lru_cache(maxsize=1)
def re2_options() -> re2.Options:
    """How every pattern is read: bytes as Latin-1, groups for grouping only, nothing on standard error."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = PATTERN_MEMORY_BYTES
    options.log_errors = False
    options.never_capture = True
    return options


@lru_cache(maxsize=REMEMBERED_PATTERNS)
def find_pattern(pattern: str) -> Finder:
    """True where the RE2 ``pattern`` is found.

    :raises PatternRefused: RE2 cannot compile it (look-around, back-references, syntax), with RE2's own reason.
    """
    compiled = _re2.RE2(pattern.encode(), re2_options())
    if not compiled.ok():
        reason = compiled.error()
        raise PatternRefused(reason.decode() if isinstance(reason, bytes) else str(reason))
    match = compiled.Match

    def find(data: bytes) -> Span | None:
        span: Span = match(_ANYWHERE, data, 0, len(data))[0]
        return span if span[0] >= 0 else None

    return find


def find_contains(text: str) -> Finder:
    """True where ``text`` stands literally."""
    needle = text.encode()

    def find(data: bytes) -> Span | None:
        start = data.find(needle)
        return (start, start + len(needle)) if start >= 0 else None

    return find


def find_in_set(*texts: str) -> Finder:
    """True where the whole field is one of ``texts``."""
    wanted = frozenset(text.encode() for text in texts)
    return lambda data: (0, len(data)) if data in wanted else None


def find_startswith(text: str) -> Finder:
    """True where the field begins with ``text``."""
    head = text.encode()
    return lambda data: (0, len(head)) if data.startswith(head) else None


def find_endswith(text: str) -> Finder:
    """True where the field ends with ``text``."""
    tail = text.encode()
    return lambda data: (len(data) - len(tail), len(data)) if data.endswith(tail) else None


FINDERS: dict[str, Callable[..., Finder]] = {
    "pattern": find_pattern,
    "contains": find_contains,
    "equals": find_in_set,
    "in_set": find_in_set,
    "startswith": find_startswith,
    "endswith": find_endswith,
}
"""Every operator that looks at a field; a rule that names another one is refused when it is loaded."""
