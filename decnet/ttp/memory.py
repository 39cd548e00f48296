"""What was worked out before, by what it depends on: a bounded memory that changes no result."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

Value = TypeVar("Value")


class MemoryFigures(NamedTuple):
    """How often the memory knew the answer, and how often not."""

    hits: int
    misses: int


class Memory(Generic[Value]):
    """The last ``size`` answers that were used; 0 remembers nothing."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[Hashable, Value] = OrderedDict()
        self._hits = self._misses = 0

    @property
    def figures(self) -> MemoryFigures:
        """How much the memory helped."""
        return MemoryFigures(self._hits, self._misses)

    def get(self, key: Hashable) -> Value | None:
        """The answer to ``key``, or None."""
        value = self._known.get(key)
        if value is None:
            self._misses += 1
            return None
        self._hits += 1
        self._known.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Value) -> None:
        """Remember ``value``; the one that was not used for longest is forgotten."""
        if self._size:
            self._known[key] = value
            if len(self._known) > self._size:
                self._known.popitem(last=False)
