"""Sessions that pass by from their start to their end within one run: their rules need nothing from the database.

What is found holds only if nothing else is stored of the session, which whoever stores it has to check: by the number
of its events. Of the others, the stored events are read.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.db.events import Ended
from decnet.models.event import ENDED, SESSION, STARTED
from decnet.models.event_batch import EventBatch
from decnet.ttp.session_engine import EndedSession, session_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.models.actor import SessionUuid
    from decnet.models.event_batch import EventRow, Place
    from decnet.models.tag import TTPTag
    from decnet.ttp.session_engine import SessionRules

REMEMBERED = 4_096
"""Open sessions that are remembered."""
MAX_EVENTS = 500
"""A session with more events is left to the database."""


class _Action(msgspec.Struct):
    """As much of a :class:`~decnet.models.event.SessionPayload` as is asked for here."""

    action: str


_action_in = msgspec.json.Decoder(_Action).decode


class Passed(NamedTuple):
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
    """An open session: where it is, the ids of its events, and those events that rules look at."""

    __slots__ = ("ids", "place", "rows", "started_at")

    def __init__(self, place: Place, started_at: int) -> None:
        self.place = place
        self.started_at = started_at
        self.ids: set[bytes] = set()
        self.rows: dict[bytes, EventRow] = {}


class PassingSessions:
    """The open sessions of one run. ``rules`` are asked about each that ends."""

    def __init__(self, rules: SessionRules) -> None:
        self._rules = rules
        self._open: OrderedDict[SessionUuid, _Seen] = OrderedDict()

    def evaluate(self, batch: EventBatch) -> list[Passed]:
        """Take in the events of a batch, in their order; returns the sessions that ended in it."""
        if not self._rules.kinds:
            return []
        ended = list(dict.fromkeys(self._take_in(batch)))
        found = [(uuid, self._open.pop(uuid, None)) for uuid in ended]
        return [self._passed(uuid, seen) for uuid, seen in found if seen is not None]

    def _take_in(self, batch: EventBatch) -> Iterator[SessionUuid]:
        kinds, open_now = self._rules.kinds, self._open
        uuids = [place.session_id for place in batch.places]
        for row in batch.rows:
            key, place, at, seq, kind, payload = row
            uuid = uuids[place]
            action = _action_in(payload).action if kind == SESSION else ""
            seen = open_now.get(uuid)
            if seen is None:
                if action != STARTED:
                    continue
                seen = open_now[uuid] = _Seen(batch.places[place], at)
                if len(open_now) > REMEMBERED:
                    open_now.popitem(last=False)
            seen.ids.add(key)
            if kind in kinds:
                seen.rows[key] = (key, 0, at, seq, kind, payload)
            if len(seen.ids) > MAX_EVENTS:
                del open_now[uuid]
            elif action == ENDED:
                yield uuid

    def _passed(self, uuid: SessionUuid, seen: _Seen) -> Passed:
        if not seen.rows:
            return Passed(uuid, len(seen.ids), seen.started_at, [])
        events = EventBatch(len(seen.rows), [seen.place], list(seen.rows.values())).events()
        in_order = sorted(events, key=lambda event: (event.observed_at, event.seq))
        session = EndedSession(uuid, seen.started_at, seen.place.src_ip, seen.place.decky_id)
        return Passed(uuid, len(seen.ids), seen.started_at, session_tags(session, self._rules.hits(in_order)))
