"""Events in the form in which they are stored: what is the same for all events of a session is there once.

A batch travels between processes like that, and most often nobody has to make events of it again.
"""

from __future__ import annotations

from itertools import starmap
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.models.actor import SessionUuid  # noqa: TC001 - a batch is read back by its types
from decnet.models.event import PAYLOAD_TYPES, Event, EventId, SourceKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

_encode = msgspec.json.Encoder().encode
_payload_in = {kind: msgspec.json.Decoder(payload).decode for kind, payload in PAYLOAD_TYPES.items()}


class Place(NamedTuple):
    """What the events of a session have in common."""

    sensor: str
    decky_id: str
    protocol: str
    src_ip: str
    src_port: int | None
    session_id: SessionUuid
    native_session: str


EventRow = tuple[EventId, int, int, int, SourceKind, str]
"""An event: id, number of its place, observed_at, seq, source_kind, and its payload as JSON. No class of its own: they
are made a hundred thousand times a second, in two processes."""


class FirstEvent(NamedTuple):
    """When and where the first event of a place was."""

    sensor: str
    decky_id: str
    protocol: str
    src_ip: str
    src_port: int | None
    session_id: SessionUuid
    native_session: str
    observed_at: int


_place_of = attrgetter(*Place._fields)


class EventBatch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Events, each once and in the order given; ``given`` counts those that came twice as well."""

    given: int
    places: list[Place]
    rows: list[EventRow]

    @classmethod
    def of(cls, events: Sequence[Event]) -> EventBatch:
        """``events`` as a batch."""
        numbers: dict[tuple[object, ...], int] = {}
        rows = [
            (
                event.id,
                numbers.setdefault(_place_of(event), len(numbers)),
                event.observed_at,
                event.seq,
                event.source_kind,
                _encode(event.payload).decode(),
            )
            for event in {event.id: event for event in events}.values()
        ]
        return cls(len(events), list(starmap(Place, numbers)), rows)

    def events(self) -> list[Event]:
        """The events as they were given, each once."""
        places = self.places
        return [
            Event(key, at, *places[place], kind, _payload_in[kind](payload), seq)
            for key, place, at, seq, kind, payload in self.rows
        ]

    def of_kind(self, kind: SourceKind) -> list[Event]:
        """Those of one kind."""
        rows = [row for row in self.rows if row[4] == kind]
        return EventBatch(len(rows), self.places, rows).events() if rows else []

    def only(self, ids: AbstractSet[EventId]) -> EventBatch:
        """Those with one of ``ids``."""
        return EventBatch.of([event for event in self.events() if event.id in ids])

    def ids(self) -> set[EventId]:
        """Of all events."""
        return set(map(itemgetter(0), self.rows))

    def first_events(self) -> list[FirstEvent]:
        """The first event of each place, in the order given."""
        times: dict[int, int] = {}
        for _, place, at, _, _, _ in self.rows:
            if place not in times:
                times[place] = at
        return [FirstEvent(*self.places[place], at) for place, at in times.items()]

    def latest(self) -> dict[str, int]:
        """The time of the latest event of each sensor, µs UTC."""
        ends: dict[int, int] = {}
        for _, place, at, _, _, _ in self.rows:
            if at > ends.get(place, -1):
                ends[place] = at
        found: dict[str, int] = {}
        for place, at in ends.items():
            sensor = self.places[place].sensor
            found[sensor] = max(at, found.get(sensor, at))
        return found
