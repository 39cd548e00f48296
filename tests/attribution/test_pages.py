"""Large states in pages: read back as they were, and written only where they changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from decnet.attribution.engine import Attribution
from decnet.attribution.pages import (
    LARGE,
    PAGE,
    page_numbers,
    paged_attempts,
    paged_day,
    whole_attempts,
    whole_day,
)
from decnet.attribution.states import packed, unpacked_attempts, unpacked_day
from tests.attribution.streams import tried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.attribution.guessing import Attempts
    from decnet.attribution.pages import Paged, PageNumber
    from decnet.attribution.states import DayState, ServiceKey
    from decnet.models.event import Event


class Shelf:
    """A state as a database keeps it."""

    def __init__(self) -> None:
        self.head = b""
        self.pages: dict[PageNumber, bytes] = {}
        self.counts: Sequence[int] = ()
        self.written = 0

    def put(self, state: DayState | Attempts, paged: Paged | None) -> None:
        self.head = packed(state if paged is None else paged.head)
        changed = dict(paged.pages_since(self.counts)) if paged is not None else {}
        self.counts = paged.counts if paged is not None else ()
        self.pages |= changed
        self.written = len(changed)

    def pages_of(self, counts: Sequence[int]) -> list[bytes]:
        return [self.pages[number] for number in page_numbers(counts)]

    def day(self) -> DayState:
        head = unpacked_day(self.head)
        if not head.paged:
            return head
        whole, fits = whole_day(head, self.pages_of(head.paged))
        assert fits
        return whole

    def attempts(self) -> Attempts:
        head = unpacked_attempts(self.head)
        if not head.paged:
            return head
        whole, fits = whole_attempts(head, self.pages_of(head.paged))
        assert fits
        return whole


def guesses(count: int, start: int = 0, late: random.Random | None = None) -> list[Event]:
    """A guess every two seconds, from sessions of three each at several services; some come ``late``."""
    return [
        tried(
            f"guess{number % 1_700}",
            at=number * 2 - (late.choice((0, 0, 0, 5, 400)) if late else 0),
            session=f"s{number // 3}",
            protocol=("ssh", "telnet", "ftp")[number // 3 % 3] if number % 50 > 40 else "ssh",
            success=number % 997 == 996,
        )
        for number in range(start, start + count)
    ]


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_what_is_read_back_is_what_was_written_batch_by_batch(seed: int | None) -> None:
    late = random.Random(seed) if seed is not None else None  # noqa: S311 - lateness, not a secret
    days = Shelf()
    services: dict[ServiceKey, Shelf] = {}
    attribution = Attribution()
    sizes = [1, 60, 180, 20, 300, 7, 1_500, 64, 64, 900, 1_200, 3]  # beyond what a day and a service keep
    start = 0
    for size in sizes:
        outcome = attribution.apply(guesses(size, start, late))
        start += size
        (key,) = outcome.touched.days
        day = attribution.days[key]
        days.put(day, paged_day(day))
        assert days.day() == day
        for service in outcome.touched.services:
            shelf = services.setdefault(service, Shelf())
            attempts = attribution.services[service]
            shelf.put(attempts, paged_attempts(attempts))
            assert shelf.attempts() == attempts
    assert len(services) == 3
    assert days.counts


def test_only_what_has_grown_is_written() -> None:
    attribution, shelf = Attribution(), Shelf()
    (key,) = attribution.apply(guesses(1_000)).touched.days
    day = attribution.days[key]
    shelf.put(day, paged_day(day))
    assert shelf.written > 3 * 10  # pages of times, of contacts, and of credentials
    attribution.apply(guesses(2, start=1_000))
    shelf.put(day, paged_day(day))
    assert shelf.written <= 3
    attribution.apply([tried("late", at=10, session="s3")])
    shelf.put(day, paged_day(day))
    assert shelf.written > 1_000 // PAGE  # all times behind it have moved


def damaged(pages: list[bytes], how: str) -> list[bytes | None]:
    """Pages of which one is gone, or of which some are another process's."""
    if how == "gone":
        return [pages[0], None, *pages[2:]]
    return [pages[1], pages[0], *pages[2:]]


@pytest.mark.parametrize("how", ["gone", "mixed"])
def test_of_pages_that_do_not_fit_is_taken_what_can_be_and_all_is_written_again(how: str) -> None:
    attribution, shelf = Attribution(), Shelf()
    touched = attribution.apply(guesses(1_000)).touched
    (key,) = touched.days
    shelf.put(attribution.days[key], paged_day(attribution.days[key]))
    head = unpacked_day(shelf.head)
    day, fits = whole_day(head, damaged(shelf.pages_of(head.paged), how))
    assert fits is (how == "mixed")  # the first pages are credentials, whose order means nothing
    assert day.arrivals == attribution.days[key].arrivals
    for service in touched.services:
        attempts, shelf = attribution.services[service], Shelf()
        shelf.put(attempts, paged_attempts(attempts))
        stored = unpacked_attempts(shelf.head)
        if not stored.paged:
            continue
        whole, fits = whole_attempts(stored, damaged(shelf.pages_of(stored.paged), how))
        assert not fits
        assert whole.failures == sorted(whole.failures)
        again = Attribution()
        again.days[key], again.services[service] = day, whole
        assert again.apply(guesses(600, start=1_000)).findings  # nothing of it is out of place


def test_a_small_state_is_stored_as_one() -> None:
    attribution = Attribution()
    (key,) = attribution.apply(guesses(LARGE // 2 - 1)).touched.days
    day = attribution.days[key]
    assert paged_day(day) is None
    assert all(paged_attempts(attempts) is None for attempts in attribution.services.values())
