"""Sessions that pass by from their start to their end within one run: their rules need nothing from the database.

What is found holds only if nothing else is stored of the session, which whoever stores it has to check: by the number
of its events. Of the others, the stored events are read.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from decnet.db.events import Ended
from decnet.models.actor import SessionUuid
from decnet.models.event import ENDED, STARTED, Event, SessionPayload
from decnet.models.tag import TTPTag
from decnet.ttp.session_engine import EndedSession, session_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from decnet.ttp.session_engine import SessionRules

REMEMBERED = 4_096
"""Open sessions that are remembered."""
MAX_EVENTS = 500
"""A session with more events is left to the database."""


class Passed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A session that began and ended: the tags that it has as a whole if these ``events`` are all that is stored.

    ``started_at`` is the time of its first event, µs UTC.
    """

    session_id: SessionUuid
    events: int
    started_at: int
    tags: list[TTPTag]

    @property
    def extent(self) -> Ended:
        """What must be stored of the session, and nothing else."""
        return Ended(self.started_at, self.events)


class _Seen:
    """An open session: the ids of its events, and those events that rules look at."""

    __slots__ = ("events", "ids", "last", "started_at")

    def __init__(self, first: Event) -> None:
        self.started_at = first.observed_at
        self.last = first
        self.ids: set[bytes] = set()
        self.events: list[Event] = []


class PassingSessions:
    """The open sessions of one run. ``rules`` are asked about each that ends."""

    def __init__(self, rules: SessionRules) -> None:
        self._rules = rules
        self._open: OrderedDict[SessionUuid, _Seen] = OrderedDict()

    def evaluate(self, events: Iterable[Event]) -> list[Passed]:
        """Take in the events of a batch, in their order; returns the sessions that ended in it."""
        if not self._rules.kinds:
            return []
        ended = list(dict.fromkeys(self._take_in(events)))
        found = [(uuid, self._open.pop(uuid, None)) for uuid in ended]
        return [self._passed(uuid, seen) for uuid, seen in found if seen is not None]

    def _take_in(self, events: Iterable[Event]) -> Iterator[SessionUuid]:
        kinds, open_now = self._rules.kinds, self._open
        for event in events:
            payload, uuid = event.payload, event.session_id
            action = payload.action if isinstance(payload, SessionPayload) else ""
            seen = open_now.get(uuid)
            if seen is None:
                if action != STARTED:
                    continue
                seen = open_now[uuid] = _Seen(event)
                if len(open_now) > REMEMBERED:
                    open_now.popitem(last=False)
            seen.last = event
            seen.ids.add(event.id)
            if event.source_kind in kinds:
                seen.events.append(event)
            if len(seen.ids) > MAX_EVENTS:
                del open_now[uuid]
            elif action == ENDED:
                yield uuid

    def _passed(self, uuid: SessionUuid, seen: _Seen) -> Passed:
        unique = {event.id: event for event in seen.events}
        in_order = sorted(unique.values(), key=lambda event: (event.observed_at, event.seq))
        session = EndedSession(uuid, seen.started_at, seen.last.src_ip, seen.last.decky_id)
        tags = session_tags(session, self._rules.hits(in_order)) if in_order else []
        return Passed(uuid, len(seen.ids), seen.started_at, tags)
