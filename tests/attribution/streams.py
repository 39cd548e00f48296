"""Streams of events for the tests of attribution, and a store that keeps states as a worker would: as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.attribution.engine import Attribution
from decnet.attribution.guessing import Attempts, Failure, failure_of
from decnet.attribution.states import (
    DayKey,
    DayState,
    ServiceKey,
    SessionState,
    packed,
    unpacked_attempts,
    unpacked_day,
    unpacked_session,
)
from decnet.models.actor import attacker_uuid
from decnet.models.event import (
    AUTH_ATTEMPT,
    SESSION,
    AuthPayload,
    Event,
    Payload,
    SessionPayload,
    SourceKind,
)
from decnet.models.finding import Clock, Guessing, auth_source_id
from tests.events import NOON, SECOND, an_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from decnet.attribution.engine import Outcome
    from decnet.models.actor import SessionUuid
    from decnet.models.finding import Finding

HOUR = 3_600 * SECOND
MIDNIGHT = NOON + 12 * HOUR
HOME = "198.51.100.7"


def seen(
    kind: SourceKind,
    payload: Payload,
    *,
    at: float = 0,
    src: str = HOME,
    session: str = "s1",
    sensor: str = "svr04",
    protocol: str = "ssh",
) -> Event:
    """An event ``at`` seconds after noon."""
    event = an_event(kind, payload, at=NOON + round(at * SECOND), src=src, session=session, sensor=sensor)
    return msgspec.structs.replace(event, protocol=protocol)


def tried(
    password: str,
    *,
    at: float = 0,
    user: str = "root",
    success: bool = False,
    src: str = HOME,
    session: str = "s1",
    sensor: str = "svr04",
    protocol: str = "ssh",
) -> Event:
    """One attempt to log in."""
    payload = AuthPayload(user, success, secret=password)
    return seen(AUTH_ATTEMPT, payload, at=at, src=src, session=session, sensor=sensor, protocol=protocol)


def noted(action: str, *, at: float = 0, session: str = "s1", sensor: str = "svr04", src: str = HOME) -> Event:
    """Something about a session: ``started``, ``ended``, a forward request."""
    return seen(SESSION, SessionPayload(action), at=at, session=session, sensor=sensor, src=src)


def outcomes(
    records: Iterable[Event | Clock], sizes: Sequence[int] = (), attribution: Attribution | None = None
) -> list[Outcome]:
    """``records`` in batches of ``sizes``, the rest in one."""
    attribution = attribution or Attribution()
    left = list(records)
    found = []
    for size in sizes:
        batch, left = left[:size], left[size:]
        found.append(attribution.apply(batch))
    found.append(attribution.apply(left))
    return found


def final(found: Iterable[Outcome]) -> dict[str, Finding]:
    """The last revision of each finding."""
    return {finding.source_id: finding for outcome in found for finding in outcome.findings}


def findings_of(records: Iterable[Event | Clock], prefix: str = "") -> list[Finding]:
    """The last revisions of the findings whose id starts with ``prefix``."""
    return [finding for source_id, finding in final(outcomes(records)).items() if source_id.startswith(prefix)]


class Bytes:
    """States as bytes, and the events, as a database would keep them."""

    def __init__(self) -> None:
        self.states: dict[object, bytes] = {}
        self.clocks: dict[str, int] = {}
        self.events: list[Event] = []
        self.findings: dict[str, Finding] = {}

    def apply(self, batch: Sequence[Event | Clock]) -> Outcome:
        """One batch, by a process that knows only what is stored, and forgets it again."""
        self.events.extend(record for record in batch if isinstance(record, Event))
        attribution = Attribution(self)
        attribution.clocks.update(self.clocks)
        sessions = [(key, unpacked_session(data)) for key, data in self.states.items() if isinstance(key, bytes)]
        attribution.adopt([(key, state) for key, state in sessions if state.ended_at is None])  # type: ignore[misc]
        outcome = attribution.apply(batch)
        self.clocks = attribution.clocks
        for session in outcome.touched.sessions:
            self.states[session] = packed(attribution.sessions[session])
        for day in outcome.touched.days:
            self.states[day] = packed(attribution.days[day])
        for service in outcome.touched.services:
            self.states[service] = packed(attribution.services[service])
        self.findings |= {finding.source_id: finding for finding in outcome.findings}
        return outcome

    def session(self, uuid: SessionUuid) -> SessionState | None:
        return unpacked_session(self.states[uuid]) if uuid in self.states else None

    def day(self, key: DayKey) -> DayState | None:
        return unpacked_day(self.states[key]) if key in self.states else None

    def attempts(self, key: ServiceKey) -> Attempts | None:
        return unpacked_attempts(self.states[key]) if key in self.states else None

    def earlier_failures(self, key: ServiceKey, since: int, until: int) -> Iterable[Failure]:
        for event in self._attempts(key, since, until, success=False):
            assert isinstance(event.payload, AuthPayload)
            yield failure_of(event, event.payload)

    def logins_between(self, key: ServiceKey, since: int, until: int) -> Iterable[SessionUuid]:
        for event in self._attempts(key, since, until, success=True):
            yield event.session_id

    def _attempts(self, key: ServiceKey, since: int, until: int, *, success: bool) -> Iterable[Event]:
        for event in self.events:
            place = (attacker_uuid(event.src_ip), event.decky_id, event.protocol)
            if place != key or not since <= event.observed_at < until or not isinstance(event.payload, AuthPayload):
                continue
            if event.payload.success == success:
                yield event

    def revision(self, source_id: str, _at: int) -> tuple[int, int, int]:
        known = self.findings.get(source_id)
        if known is None or not isinstance(known.figures, Guessing):
            return 0, 0, 0
        return known.figures.failures, known.figures.passwords, known.revision


def bucket_id(at_us: int, sensor: str = "svr04", src: str = HOME, service: str = "ssh") -> str:
    """The id of the failures of the five minutes that hold ``at_us``."""
    return auth_source_id(attacker_uuid(src), sensor, service, at_us // (300 * SECOND))
