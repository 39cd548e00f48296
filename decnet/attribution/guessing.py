"""Log-in attempts of one attacker at one service of a decoy: how many fail in five minutes, what a success follows.

Both figures are functions of *which* attempts there were and only grow with each, so they do not depend on the order in
which attempts become known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.attribution.arrivals import NOT_MOVED
from decnet.models.actor import SessionUuid  # noqa: TC001 - a stored state is read back by its types
from decnet.models.finding import BUCKET_US, Guessing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from decnet.models.event import AuthPayload, Event

BEFORE_SUCCESS_US = 30 * 60 * 1_000_000
"""How long before a success a failure belongs to it."""
RETAINED_US = 60 * 60 * 1_000_000
"""How far behind the newest attempt the older ones are kept: twice what a figure looks back."""
RETAINED_MOST = 2_000
"""Attempts that are kept at most, or twice as many for a while: figures stop there, far beyond what a rule asks."""
MAX_ACCOUNT_CHARS = 64


class Failure(NamedTuple):
    """A failed attempt, in the order of events: time, then id."""

    at: int
    id: bytes
    account: str
    secret: str


class Success(NamedTuple):
    """A successful one."""

    at: int
    id: bytes
    session: SessionUuid


class BucketFigures(msgspec.Struct, omit_defaults=True):
    """What is known of one bucket, and how often that has changed."""

    failures: int = 0
    passwords: int = 0
    revision: int = 0

    def raise_to(self, failures: int, passwords: int) -> bool:
        """Take the greater of each; returns whether anything changed."""
        if failures <= self.failures and passwords <= self.passwords:
            return False
        self.failures = max(self.failures, failures)
        self.passwords = max(self.passwords, passwords)
        self.revision += 1
        return True

    @property
    def figures(self) -> Guessing:
        """As they are announced."""
        return Guessing(self.failures, self.passwords)


class Attempts(msgspec.Struct, omit_defaults=True):
    """The attempts of the last hour of event time, sorted, and the figures of their buckets.

    ``window_start``, ``secrets`` belong to the five minutes that end with the newest failure: where they begin among
    ``failures``, and how often each secret was tried on each account. ``moved_from`` is that of ``failures``, as in
    :class:`~decnet.attribution.arrivals.Arrivals`, and ``paged`` as in :class:`~decnet.attribution.states.DayState`.
    """

    failures: list[Failure] = []
    successes: list[Success] = []
    buckets: dict[int, BucketFigures] = {}
    window_start: int = 0
    secrets: dict[str, dict[str, int]] = {}
    kept_from: int = 0
    moved_from: int = NOT_MOVED
    paged: list[int] = []

    def add_failure(self, failure: Failure) -> Sequence[int]:
        """Take in a failed attempt; returns the buckets whose figures it changed."""
        failures = self.failures
        if failures and failure <= failures[-1]:
            position = bisect_left(failures, failure)
            failures.insert(position, failure)
            self.moved_from = min(self.moved_from, position)
            return self._again(failure)
        failures.append(failure)
        at = failure[0]
        changed = (at // BUCKET_US,) if self._advance(failure) else ()
        if at - failures[0][0] > 2 * RETAINED_US or len(failures) > 2 * RETAINED_MOST:
            self._forget(at)
        return changed

    def _advance(self, newest: Failure) -> bool:
        """Slide the window to its new end."""
        failures, secrets = self.failures, self.secrets
        start = self.window_start
        oldest = newest[0] - BUCKET_US
        while failures[start][0] <= oldest:
            _take_out(secrets, failures[start])
            start += 1
        self.window_start = start
        tried = secrets.get(newest.account)
        if tried is None:
            tried = secrets[newest.account] = {}
        tried[newest.secret] = tried.get(newest.secret, 0) + 1
        bucket = newest.at // BUCKET_US
        figures = self.buckets.get(bucket)
        if figures is None:
            figures = self.buckets[bucket] = BucketFigures()
        return figures.raise_to(len(failures) - start, len(tried) - ("" in tried))

    def _again(self, late: Failure) -> Sequence[int]:
        """Run the windows that hold ``late`` again, in order, and find the window's start anew."""
        changed = set()
        for bucket, failures, passwords in windows_with(self.failures, late):
            if self.buckets.setdefault(bucket, BucketFigures()).raise_to(failures, passwords):
                changed.add(bucket)
        self.slide_anew()
        return sorted(changed)

    def slide_anew(self) -> None:
        """Find the window that ends with the newest failure, and what was tried in it, from the failures alone."""
        self.window_start = 0
        self.secrets = {}
        if self.failures:
            self.window_start = bisect_right(self.failures, self.failures[-1].at - BUCKET_US, key=_time)
        for failure in self.failures[self.window_start :]:
            _put_in(self.secrets, failure)

    def add_success(self, success: Success) -> int:
        """Take in a successful attempt; returns how many failures it follows."""
        insort(self.successes, success)
        return self.failures_before(success)

    def failures_before(self, success: Success) -> int:
        """Failures in the 30 minutes before ``success``."""
        end = bisect_left(self.failures, (success.at, success.id))
        return end - bisect_left(self.failures, success.at - BEFORE_SUCCESS_US, 0, end, key=_time)

    def successes_after(self, failure: Failure) -> list[Success]:
        """Successes that ``failure`` belongs to; none unless it is late."""
        successes = self.successes
        if not successes or failure.at > successes[-1].at:
            return []
        start = bisect_left(successes, (failure.at, failure.id))
        end = bisect_right(successes, failure.at + BEFORE_SUCCESS_US, key=_time)
        return successes[start:end]

    def _forget(self, now: int) -> None:
        """Drop what is older than an hour, and what is too much."""
        failures = self.failures
        cut = max(bisect_left(failures, now - RETAINED_US, key=_time), len(failures) - RETAINED_MOST)
        for failure in failures[self.window_start : cut]:
            _take_out(self.secrets, failure)
        # No window that holds what comes late after that reaches back to what is dropped.
        self.kept_from = min(failures[cut].at, failures[cut - 1].at + BEFORE_SUCCESS_US + 1)
        del failures[:cut]
        self.moved_from = 0
        self.window_start = max(0, self.window_start - cut)
        del self.successes[: bisect_left(self.successes, self.kept_from, key=_time)]
        for bucket in [known for known in self.buckets if known < self.kept_from // BUCKET_US]:
            del self.buckets[bucket]


def windows_with(failures: list[Failure], late: Failure) -> Iterator[tuple[int, int, int]]:
    """Every five minutes of ``failures`` that hold ``late``: bucket, failures, passwords on the last one's account."""
    first = bisect_right(failures, late.at - BUCKET_US, key=_time)
    last = bisect_left(failures, late.at + BUCKET_US, key=_time)
    affected = bisect_left(failures, late)
    secrets: dict[str, dict[str, int]] = {}
    start = first
    for number in range(first, last):
        failure = failures[number]
        while failures[start].at <= failure.at - BUCKET_US:
            _take_out(secrets, failures[start])
            start += 1
        _put_in(secrets, failure)
        if number >= affected:
            tried = secrets[failure.account]
            yield failure.at // BUCKET_US, number + 1 - start, len(tried) - ("" in tried)


def failure_of(event: Event, payload: AuthPayload) -> Failure:
    """A failed attempt as it is kept; whoever reads failures from stored events makes them with this."""
    return Failure(event.observed_at, event.id, short_account(payload.username), payload.secret)


def short_account(name: str) -> str:
    """``name``, or its beginning and a hash where it is longer than any account's."""
    if len(name) <= MAX_ACCOUNT_CHARS:
        return name
    return f"{name[: MAX_ACCOUNT_CHARS // 2]}~{blake2b(name.encode(), digest_size=15).hexdigest()}"


def sorted_failures(failures: Iterable[Failure]) -> list[Failure]:
    """Each of ``failures`` once, in the order of events."""
    return sorted(set(failures))


def _time(attempt: Failure | Success) -> int:
    return attempt[0]


def _put_in(secrets: dict[str, dict[str, int]], failure: Failure) -> None:
    tried = secrets.setdefault(failure.account, {})
    tried[failure.secret] = tried.get(failure.secret, 0) + 1


def _take_out(secrets: dict[str, dict[str, int]], failure: Failure) -> None:
    tried = secrets[failure.account]
    if tried[failure.secret] > 1:
        tried[failure.secret] -= 1
        return
    del tried[failure.secret]
    if not tried:
        del secrets[failure.account]
