"""Requests of a connection → events: one session per connection and source, from its first request to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from decnet.models.actor import session_uuid
from decnet.models.event import ENDED, SESSION, STARTED, Event, SessionPayload, SourceKind, event_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from decnet.models.event import Payload

PROTOCOL = "http"
_US_PER_MS = 1_000


class Shown(NamedTuple):
    """What a request shows: a kind, its payload, and the fields that carry meaning, for the event's id."""

    kind: SourceKind
    payload: Payload
    meaning: tuple[str, ...]


class _Visit(NamedTuple):
    native: str
    started_at: int


class Visits:
    """The sessions of one connection: one, or behind a proxy one per source. Times are µs UTC."""

    def __init__(self, sensor: str, port: int | None) -> None:
        self._sensor = sensor
        self._port = port
        self._visits: dict[str, _Visit] = {}
        self._seq = 0

    def events(self, source: str, shown: Iterable[Shown], at: int) -> list[Event]:
        """The events of a request of ``source``; the first one begins its session."""
        visit = self._visits.get(source)
        events = []
        if visit is None:
            visit = self._visits[source] = _Visit(f"{source}-{self._port or 0}-{at}", at)
            events.append(self._event(source, visit, Shown(SESSION, SessionPayload(STARTED), (STARTED,)), at))
        return events + [self._event(source, visit, one, at) for one in shown]

    def ends(self, at: int) -> Iterator[Event]:
        """The end of every session, once the connection is closed."""
        for source, visit in self._visits.items():
            payload = SessionPayload(ENDED, duration_ms=max(at - visit.started_at, 0) // _US_PER_MS)
            yield self._event(source, visit, Shown(SESSION, payload, (ENDED,)), at)

    def _event(self, source: str, visit: _Visit, shown: Shown, at: int) -> Event:
        self._seq += 1
        return Event(
            id=event_id(at, self._sensor, visit.native, shown.kind, *shown.meaning),
            observed_at=at,
            sensor=self._sensor,
            decky_id=self._sensor,
            protocol=PROTOCOL,
            src_ip=source,
            src_port=self._port,
            session_id=session_uuid(self._sensor, visit.native),
            native_session=visit.native,
            source_kind=shown.kind,
            payload=shown.payload,
            seq=self._seq,
        )
