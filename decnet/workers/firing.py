"""What is announced of new tags, and how often: a noisy attacker costs rows, not messages."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from decnet.bus.topics import RULE_FIRED, RULE_SUPPRESSED, TAGGED
from decnet.models.announcement import RuleSuppressed, owner_of, packed_announcement, rule_fired, tagged
from decnet.models.message import bulk_messages, partition_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from decnet.models.message import Message
    from decnet.models.tag import TTPTag

MOST_FIRED = 5
"""How often per window a rule is announced to have fired on one attacker."""
WINDOW_US = 60_000_000

_Key = tuple[str, bytes]
"""A rule and the owner (attacker or identity) on whom it fired."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Since ``since`` (µs) so many were announced, and so many were not."""

    since: int
    announced: int = 0
    held: int = 0

    def is_over(self, now: int) -> bool:
        return now >= self.since + WINDOW_US


class Verdict(NamedTuple):
    """``fired`` are the tags to announce one by one; ``noted`` what to :meth:`FiredLimit.note` after the commit."""

    fired: list[TTPTag]
    noted: Mapping[_Key, tuple[int, int]]


class FiredLimit:
    """Counts per rule and owner, in windows that begin with the first tag.

    A verdict changes nothing until it is noted, so that a transaction may be rolled back. Safe to share between
    threads. Counts live in this process: what is not announced when it is killed never is.
    """

    def __init__(self, most: int = MOST_FIRED) -> None:
        self._most = most
        self._windows: dict[_Key, _Window] = {}
        self._over: list[RuleSuppressed] = []
        self._turn = threading.Lock()

    def judge(self, tags: Iterable[TTPTag], now: int) -> Verdict:
        """Which of ``tags``, all new, are announced at ``now``."""
        fired: list[TTPTag] = []
        noted: dict[_Key, tuple[int, int]] = {}
        with self._turn:
            for tag in tags:
                key = tag.rule_id, owner_of(tag)
                window = self._windows.get(key)
                before = window.announced if window is not None and not window.is_over(now) else 0
                announced, held = noted.get(key, (0, 0))
                if before + announced < self._most:
                    fired.append(tag)
                    noted[key] = announced + 1, held
                else:
                    noted[key] = announced, held + 1
        return Verdict(fired, noted)

    def note(self, verdict: Verdict, now: int) -> None:
        """The transaction of ``verdict`` is committed."""
        with self._turn:
            for key, (announced, held) in verdict.noted.items():
                window = self._windows.get(key)
                if window is not None and window.is_over(now):
                    self._end(key, now)
                    window = None
                known = window or _Window(now)
                counts = replace(known, announced=known.announced + announced, held=known.held + held)
                self._windows[key] = counts

    def take_suppressed(self, now: int, *, also_open: bool = False) -> list[RuleSuppressed]:
        """What windows that are over held back, each once; with ``also_open`` every window ends ``now``."""
        with self._turn:
            for key in [key for key, window in self._windows.items() if also_open or window.is_over(now)]:
                self._end(key, now)
            over, self._over = self._over, []
        return over

    def put_back(self, suppressed: Sequence[RuleSuppressed]) -> None:
        """These could not be announced; they are taken again next time."""
        with self._turn:
            self._over[:0] = suppressed

    def _end(self, key: _Key, now: int) -> None:
        window = self._windows.pop(key)
        if window.held:
            until = min(now, window.since + WINDOW_US)
            self._over.append(RuleSuppressed(*key, window.held, window.since, until))


def new_tag_messages(new: Iterable[TTPTag], fired: Iterable[TTPTag]) -> Iterator[Message]:
    """``ttp.tagged`` for all of ``new``, ``ttp.rule.fired.*`` for each of ``fired``; nothing for nothing."""
    items: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for group in tagged(new):
        owner = group.attacker_uuid or group.identity_uuid or b""
        items[TAGGED.pattern, partition_of(owner)].append(packed_announcement(group))
    for tag in fired:
        topic = RULE_FIRED.name(technique=tag.technique_id)
        items[topic, partition_of(owner_of(tag))].append(packed_announcement(rule_fired(tag)))
    return _messages(items)


def suppressed_messages(suppressed: Iterable[RuleSuppressed]) -> Iterator[Message]:
    """``ttp.rule.suppressed`` for each."""
    items: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for one in suppressed:
        items[RULE_SUPPRESSED.pattern, partition_of(one.owner_uuid)].append(packed_announcement(one))
    return _messages(items)


def _messages(items: Mapping[tuple[str, int], Sequence[bytes]]) -> Iterator[Message]:
    for (topic, partition), bodies in sorted(items.items()):
        yield from bulk_messages(topic, partition, bodies)
