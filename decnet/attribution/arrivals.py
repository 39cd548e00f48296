"""How things follow each other in time: mean interval, its variation, and the class of behaviour that they show.

All sums are whole numbers, so the same arrivals give the same figures in whatever order they became known.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.models.finding import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from decnet.models.finding import BehaviourClass

_LOW_BITS = 60
_LOW = 2**_LOW_BITS - 1
KEPT = 2_048
"""Arrivals of a day that are kept one by one. What is older is only counted: by then every class that an attacker's
day can show has long been reached."""

NOT_MOVED = 2**31
"""Beyond every position."""

RUN_AGAIN = 512
"""Arrivals after a late one that are looked at again."""


class Rhythm(NamedTuple):
    """``events`` arrivals: their mean interval in seconds, and its variation (standard deviation / mean)."""

    events: int
    interval_seconds: float
    variation: float


Figures = tuple[int, float, float]
"""What a :class:`Rhythm` holds; to make one takes longer than to work out what is in it."""


class Arrivals(msgspec.Struct, omit_defaults=True):
    """The times (µs) of what arrived, sorted, and the sum of the squares of the intervals between them.

    That sum may have more than the 64 bits of a stored number, so it is kept as ``high`` times 2**60 and ``low``.
    ``moved_from`` is the first position at which a time has moved since whoever stores them last set it to
    :data:`NOT_MOVED`; else the list only grows at its end.
    """

    times: list[int] = []
    high: int = 0
    low: int = 0
    dropped: int = 0
    dropped_span: int = 0
    dropped_high: int = 0
    dropped_low: int = 0
    moved_from: int = NOT_MOVED

    @property
    def squares(self) -> int:
        """Of all intervals, in µs²."""
        return (self.high << _LOW_BITS) + self.low

    def add(self, at: int) -> int:
        """Take in an arrival; returns its position among :attr:`times`, which is the last unless it is late.

        -1: older than everything that is kept, and only counted.
        """
        times = self.times
        if not times or at >= times[-1]:
            if times:
                low = self.low + (at - times[-1]) ** 2
                if low <= _LOW:
                    self.low = low
                else:
                    self._grow(low - self.low)
            times.append(at)
            if len(times) >= 2 * KEPT:
                self._drop()
            return len(times) - 1
        if self.dropped and at < times[0]:
            self.dropped += 1
            return -1
        position = bisect_right(times, at)
        insort(times, at)
        self.moved_from = min(self.moved_from, position)
        after = times[position + 1]
        more = (after - at) ** 2
        if position:
            before = times[position - 1]
            more += (at - before) ** 2 - (after - before) ** 2
        self._grow(more)
        return position

    def _grow(self, squares: int) -> None:
        low = self.low + squares
        if low >> _LOW_BITS:
            self.high += low >> _LOW_BITS
            low &= _LOW
        self.low = low

    def _drop(self) -> None:
        """Keep the newest :data:`KEPT`; the interval that leads to the first of them counts as dropped."""
        times = self.times
        cut = len(times) - KEPT
        dropped = self._squares_until(cut)
        self.dropped_high, self.dropped_low = dropped >> _LOW_BITS, dropped & _LOW
        self.dropped_span += times[cut] - times[0]
        self.dropped += cut
        del times[:cut]
        self.moved_from = 0

    def _squares_until(self, position: int) -> int:
        """The squares of the intervals up to ``position``, summed from the nearer end."""
        times = self.times
        if position > len(times) // 2:
            return self.squares - sum((times[n] - times[n - 1]) ** 2 for n in range(position + 1, len(times)))
        dropped = (self.dropped_high << _LOW_BITS) + self.dropped_low
        return dropped + sum((times[n] - times[n - 1]) ** 2 for n in range(1, position + 1))

    def put_back(self, times: Sequence[int]) -> None:
        """These are the times that are kept, whatever was known of them."""
        self.times = sorted(times)
        dropped = (self.dropped_high << _LOW_BITS) + self.dropped_low
        self.high = self.low = 0
        self._grow(dropped + sum((after - before) ** 2 for before, after in pairwise(self.times)))

    def rhythm(self) -> Rhythm:
        """Of all arrivals."""
        return Rhythm(*self.figures())

    def figures(self) -> Figures:
        """The same; it is asked for with every event."""
        times = self.times
        squares = (self.high << _LOW_BITS) + self.low
        return _figures(len(times) + self.dropped, times[-1] - times[0] + self.dropped_span, squares)

    def figures_from(self, position: int) -> Iterator[Figures]:
        """Of the arrivals up to each one from ``position`` on, :data:`RUN_AGAIN` at most: what each one showed."""
        times = self.times
        squares, span = self._squares_until(position), self.dropped_span
        for number in range(position, min(len(times), position + RUN_AGAIN)):
            if number > position:
                squares += (times[number] - times[number - 1]) ** 2
            yield _figures(number + 1 + self.dropped, times[number] - times[0] + span, squares)


def _figures(events: int, span: int, squares: int) -> Figures:
    if events < 2 or not span:  # noqa: PLR2004 - one arrival has no interval
        return events, 0.0, 0.0
    mean = span / (events - 1)
    variance = squares / (events - 1) - mean * mean
    return events, mean / SECOND_US, sqrt(variance) / mean if variance > 0 else 0.0


def behaviour_of(figures: Figures, services: int) -> BehaviourClass:  # noqa: PLR0911 - a table of classes, first wins
    """The class of an attacker whose events follow each other like that, over so many distinct services."""
    events, interval, variation = figures
    if events < 3:  # noqa: PLR2004 - the figures here define the classes
        return "unknown"
    if services >= 2 and interval >= 10 and events >= 4:  # noqa: PLR2004
        return "slow_scan"
    if (services >= 3 and interval < 10) or (services >= 2 and interval < 2):  # noqa: PLR2004
        return "scanning"
    if services == 1 and events >= 8 and interval < 5 and variation < 0.6:  # noqa: PLR2004
        return "brute_force"
    if variation < 0.35 and interval >= 5 and events >= 4:  # noqa: PLR2004
        return "beaconing"
    if variation >= 0.5 and interval < 5 and events >= 6:  # noqa: PLR2004
        return "interactive"
    return "mixed"
