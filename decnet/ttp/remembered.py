"""Functions of a pattern whose results are kept, and can be put back when a program starts again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from decnet.ttp.match import REMEMBERED_PATTERNS

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Remembered(Generic[T]):
    """``work`` on a pattern, done once for each of the last :data:`~decnet.ttp.match.REMEMBERED_PATTERNS` ones.

    What ``work`` raises is not kept. Safe to use from several threads, which may do the same work twice.
    """

    def __init__(self, work: Callable[[str], T]) -> None:
        self._work = work
        self._known: dict[str, T] = {}
        self.__doc__ = work.__doc__

    def __call__(self, pattern: str) -> T:
        """What ``work`` gives for ``pattern``."""
        try:
            return self._known[pattern]
        except KeyError:
            result = self._work(pattern)
        self.put(pattern, result)
        return result

    def put(self, pattern: str, result: T) -> None:
        """``work`` is known to give ``result`` for ``pattern``."""
        if len(self._known) >= REMEMBERED_PATTERNS:
            self._known.pop(next(iter(self._known)), None)
        self._known[pattern] = result
