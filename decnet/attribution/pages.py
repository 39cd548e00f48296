"""Large states in pages: what a busy attacker's day or service grows by is stored, and not all of it again.

A state that holds many times or credentials is stored as its head, without the lists that grow, and the lists apart, in
pages of :data:`PAGE` items. As long as a list grows at its end alone, only its last pages change.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from decnet.attribution.arrivals import NOT_MOVED
from decnet.attribution.guessing import Attempts, Failure, sorted_failures
from decnet.attribution.states import Credential, DayState, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from decnet.attribution.arrivals import Arrivals

T = TypeVar("T")

PAGE = 64
LARGE = 256
"""Items from which on a state is stored in pages: as many as fill some four kilobytes."""

PageNumber = tuple[int, int]
"""A list of a state, and a page of it."""
_unpacked_credentials = msgspec.msgpack.Decoder(list[Credential]).decode
_unpacked_times = msgspec.msgpack.Decoder(list[int]).decode
_unpacked_failures = msgspec.msgpack.Decoder(list[Failure]).decode


class Paged(NamedTuple):
    """A large state: what is small of it, what grows, and from where on each of these lists has moved."""

    head: DayState | Attempts
    lists: Sequence[list[Any]]
    moved_from: Sequence[int]

    @property
    def counts(self) -> list[int]:
        """How long the lists are."""
        return self.head.paged

    def pages_since(self, counts: Sequence[int]) -> Iterator[tuple[PageNumber, bytes]]:
        """The pages that have changed since the lists were written, when they were so long."""
        for number, (items, moved_from) in enumerate(zip(self.lists, self.moved_from, strict=True)):
            same = min(counts[number], moved_from) if number < len(counts) else 0
            if same < len(items):
                for page in range(same // PAGE, -(-len(items) // PAGE)):
                    yield (number, page), packed(items[page * PAGE : (page + 1) * PAGE])


def paged_day(day: DayState) -> Paged | None:
    """``day`` if it is large; its lists count as not moved from now on."""
    arrivals = _arrivals_of(day)
    moved_from = [one.moved_from for one in arrivals]
    for one in arrivals:
        one.moved_from = NOT_MOVED
    if len(day.credentials) + len(day.arrivals.times) < LARGE:
        return None
    lists: list[list[Any]] = [day.credentials, *(one.times for one in arrivals)]
    head = replace(
        day,
        arrivals=_without_times(day.arrivals),
        contacts={key: replace(one, arrivals=_without_times(one.arrivals)) for key, one in day.contacts.items()},
        credentials=[],
        paged=list(map(len, lists)),
    )
    return Paged(head, lists, [NOT_MOVED, *moved_from])


def paged_attempts(attempts: Attempts) -> Paged | None:
    """``attempts`` if they are many, as :func:`paged_day`."""
    moved_from, attempts.moved_from = attempts.moved_from, NOT_MOVED
    if len(attempts.failures) < LARGE:
        return None
    head = replace(attempts, failures=[], paged=[len(attempts.failures)])
    return Paged(head, [attempts.failures], [moved_from])


def page_numbers(counts: Sequence[int]) -> Iterator[PageNumber]:
    """The pages of lists that are so long."""
    for number, count in enumerate(counts):
        for page in range(-(-count // PAGE)):
            yield number, page


def whole_day(head: DayState, pages: Sequence[bytes | None]) -> tuple[DayState, bool]:
    """The day whose ``head`` was stored, and its ``pages`` in the order of :func:`page_numbers`; whether they fit.

    They do not where pages were purged, or where two processes wrote the same day: then it is what can be made of them.
    """
    parts = _by_list(head.paged, pages)
    credentials = _joined(_unpacked_credentials, parts[0])
    day = replace(head, credentials=list(dict.fromkeys(credentials)), paged=[])
    read: list[list[Any]] = [credentials]
    for arrivals, part in zip(_arrivals_of(day), parts[1:], strict=True):
        times = _joined(_unpacked_times, part)
        arrivals.put_back(times)
        read.append(times)
    whole = [day.credentials, *(arrivals.times for arrivals in _arrivals_of(day))]
    return day, whole == read and list(map(len, read)) == head.paged


def credentials_in(head_counts: Sequence[int], pages: Sequence[bytes | None]) -> list[Credential]:
    """The credentials of a day whose lists are so long, and whose first ``pages`` these are."""
    return _joined(_unpacked_credentials, _by_list(head_counts[:1], pages)[0])


def whole_attempts(head: Attempts, pages: Sequence[bytes | None]) -> tuple[Attempts, bool]:
    """The same of attempts."""
    failures = _joined(_unpacked_failures, pages)
    attempts = replace(head, failures=sorted_failures(failures), paged=[])
    attempts.slide_anew()
    return attempts, attempts.failures == failures and [len(failures)] == head.paged


def _arrivals_of(day: DayState) -> list[Arrivals]:
    return [day.arrivals, *(one.arrivals for one in day.contacts.values())]


def _without_times(arrivals: Arrivals) -> Arrivals:
    return replace(arrivals, times=[])


def _by_list(counts: Sequence[int], pages: Sequence[bytes | None]) -> list[Sequence[bytes | None]]:
    """``pages`` of lists that are so long, list by list."""
    found = []
    start = 0
    for count in counts:
        end = start - (-count // PAGE)
        found.append(pages[start:end])
        start = end
    return found


def _joined(unpacked: Callable[[bytes], list[T]], pages: Iterable[bytes | None]) -> list[T]:
    return list(chain.from_iterable(unpacked(page) for page in pages if page is not None))
