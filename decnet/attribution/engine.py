"""Events in, findings and ended sessions out: the incremental heart of attribution. Pure; a worker applies it.

Events are taken one by one in the order in which they arrive, so that it makes no difference how they were cut into
batches. What a late event changes is computed from the times that are kept: figures are those of the window with the
event in its place, and a finding that was made stays.

What a worker has to do, in the one transaction that stores a batch:

1. ``apply`` the *new* events (a replay brings none) of its partition in their stored order, with a
   :class:`~decnet.attribution.states.Stored` that reads the states of their scopes; and every sensor's clock records.
2. Write what :attr:`Outcome.findings` and :attr:`Outcome.ended` say, and announce it.
3. Store the states named by :attr:`Outcome.touched` (``packed``; large ones in pages, see
   :mod:`decnet.attribution.pages`), and :attr:`Attribution.clocks`.
4. If the transaction fails, throw the :class:`Attribution` away: it has seen events that are not stored.

When a worker takes over a partition it hands the open sessions to :meth:`Attribution.adopt`; nothing else has to be
read ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import msgspec

from decnet.attribution.arrivals import Arrivals, behaviour_of
from decnet.attribution.guessing import (
    BEFORE_SUCCESS_US,
    Attempts,
    BucketFigures,
    Failure,
    Success,
    short_account,
    sorted_failures,
    windows_with,
)
from decnet.attribution.script import commands_in
from decnet.attribution.sessions import CLOSINGS, SessionTraits, close_session, traits_of
from decnet.attribution.states import (
    MAX_DISTINCT,
    MAX_OF_SESSION,
    Amount,
    Contacts,
    DayState,
    LoginSeen,
    NothingStored,
    ScanState,
    SessionState,
    ToolState,
)
from decnet.attribution.tools import MIN_CONTACTS, named_tool, tools_of_rhythm
from decnet.models.actor import attacker_uuid
from decnet.models.canary import BROWSER_IDENTITY
from decnet.models.event import (
    AUTH_ATTEMPT,
    ENDED,
    SCAN,
    SESSION,
    AuthPayload,
    CommandPayload,
    FilePayload,
    FingerprintPayload,
    HttpPayload,
    IntelPayload,
    ScanPayload,
    SessionPayload,
)
from decnet.models.finding import (
    BUCKET_US,
    DAY_US,
    SECOND_US,
    Beacon,
    Behaviour,
    Clock,
    Finding,
    Guessing,
    Scan,
    ToolGuess,
    ValidAccount,
    Volume,
    auth_source_id,
    beacon_source_id,
    behaviour_source_id,
    login_source_id,
    scan_source_id,
    session_source_id,
    tool_source_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from decnet.attribution.states import Credential, DayKey, ServiceKey, Stored
    from decnet.attribution.tools import Tool
    from decnet.models.actor import AttackerUuid, SessionUuid
    from decnet.models.event import Event
    from decnet.models.finding import BehaviourClass, Measure

IDLE_US = 15 * 60 * SECOND_US
"""After that much silence, in its sensor's event time, a session is over."""
REGULAR_ENOUGH, SLOW_ENOUGH = 0.5, 1.0
"""Beacons are announced up to this variation and from this interval (seconds) on: what is beyond no rule could mean."""
SERVICES = "services"
"""The signature of an attacker who touched several services in a day."""
WIDE_DECOYS = 3
_CLASSES = 6  # a day can reach: all but unknown
_BANNERS = frozenset({"ssh_client_version", "client_version", "user_agent"})
_FINGERPRINTS = frozenset({"hassh", "ja3", "ja4", BROWSER_IDENTITY})


@dataclass(slots=True)
class Touched:
    """The scopes whose states a batch has changed."""

    sessions: set[SessionUuid] = field(default_factory=set)
    days: set[DayKey] = field(default_factory=set)
    services: set[ServiceKey] = field(default_factory=set)


@dataclass(slots=True)
class Outcome:
    """What a batch brought. ``findings`` are in the order of time, id, revision.

    ``started`` and ``closed`` are sessions; one that ended twice in the batch is there once. ``ended`` are the traits
    of those that are closed, as they are now. ``reached`` are the behaviour classes that an attacker's day fitted for
    the first time.
    """

    findings: list[Finding] = field(default_factory=list)
    started: list[SessionUuid] = field(default_factory=list)
    closed: list[SessionUuid] = field(default_factory=list)
    ended: list[SessionTraits] = field(default_factory=list)
    reached: list[tuple[DayKey, BehaviourClass]] = field(default_factory=list)
    touched: Touched = field(default_factory=Touched)


class _Place:
    """Where the events of a session go, for as long as they come in their order, from one address, within a day.

    ``session`` is None where it is another sensor's or attacker's. ``credentials`` are the day's, to look them up.
    ``attempts`` are those at its service, once there
    are any. ``last_at`` and ``day_ends_at`` are µs UTC.
    """

    __slots__ = (
        *("sensor", "src_ip", "decky_id", "protocol", "attacker"),
        *("session", "day", "day_key", "credentials", "last_at", "day_ends_at", "attempts", "service_key"),
    )

    def __init__(
        self,
        event: Event,
        attacker: AttackerUuid,
        session: SessionState | None,
        day: DayState,
        day_key: DayKey,
        credentials: set[Credential],
    ) -> None:
        self.sensor = event.sensor
        self.src_ip = event.src_ip
        self.decky_id = event.decky_id
        self.protocol = event.protocol
        self.attacker = attacker
        self.session = session
        self.day = day
        self.day_key = day_key
        self.credentials = credentials
        self.last_at = event.observed_at
        self.day_ends_at = (day_key[1] + 1) * DAY_US
        self.attempts: Attempts | None = None
        self.service_key: ServiceKey = (attacker, event.decky_id, event.protocol)

    def takes(self, event: Event) -> bool:
        """Whether ``event`` goes here, and not before what went here last."""
        return (
            self.last_at <= event.observed_at < self.day_ends_at
            and event.src_ip == self.src_ip
            and event.sensor == self.sensor
            and event.decky_id == self.decky_id
            and event.protocol == self.protocol
        )


class Attribution:
    """The running figures of one partition. Not safe for threads.

    ``traits`` are left out where somebody else works them out of the states.
    """

    def __init__(self, stored: Stored | None = None, *, idle_us: int = IDLE_US, traits: bool = True) -> None:
        self.sessions: dict[SessionUuid, SessionState] = {}
        self.days: dict[DayKey, DayState] = {}
        self.services: dict[ServiceKey, Attempts] = {}
        self.clocks: dict[str, int] = {}
        self._stored: Stored = stored or NothingStored()
        self._idle_us = idle_us
        self._traits = traits
        self._credentials: dict[DayKey, set[Credential]] = {}
        self._due: dict[str, list[tuple[int, SessionUuid]]] = {}
        self._begin()

    def _begin(self) -> None:
        self._outcome = Outcome()
        self._touched = self._outcome.touched
        self._last: dict[str, Finding] = {}
        self._every: list[Finding] = []
        self._buckets: dict[tuple[ServiceKey, int], BucketFigures] = {}
        self._volumes: dict[tuple[SessionUuid, Measure], Amount] = {}
        self._ended: dict[SessionUuid, None] = {}
        self._guessers: dict[DayKey, DayState] = {}
        self._places: dict[SessionUuid, _Place] = {}

    # --- what a worker calls

    def apply(self, records: Iterable[Event | Clock]) -> Outcome:
        """Take in new events and clock records, in the order in which they arrived."""
        self._begin()
        for record in records:
            if type(record) is Clock:
                self._advance_clock(record.sensor, max(record.observed_at, self.clocks.get(record.sensor, 0)))
            else:
                self._add(record)  # type: ignore[arg-type] # what is no clock is an event
        return self._finished()

    def adopt(self, sessions: Iterable[tuple[SessionUuid, SessionState]]) -> None:
        """Know sessions that are open, so that silence can end them."""
        for uuid, state in sessions:
            self.sessions[uuid] = state
            if state.ended_at is None:
                self._watch(uuid, state)

    def release(self, before: int) -> None:
        """Forget states in which nothing happened since ``before`` (µs); once stored, they come back when needed."""
        day = before // DAY_US
        for uuid in [
            uuid for uuid, state in self.sessions.items() if state.ended_at is not None and state.last_at < before
        ]:
            del self.sessions[uuid]
        for key in [key for key in self.days if key[1] < day]:
            del self.days[key]
            self._credentials.pop(key, None)
        for service in [key for key, state in self.services.items() if _newest(state) < before]:
            del self.services[service]

    # --- one event

    def _add(self, event: Event) -> None:
        at, sensor, payload = event.observed_at, event.sensor, event.payload
        if at > self.clocks.get(sensor, -1):
            self.clocks[sensor] = at
            due = self._due.get(sensor)
            if due and due[0][0] <= at:
                self._advance_clock(sensor, at)
        shape = type(payload)
        if shape is IntelPayload:
            return  # what a third party said is nothing that the attacker did
        place = self._places.get(event.session_id)
        if place is None or not place.takes(event):
            place = self._places[event.session_id] = self._place(event)
        place.last_at = at
        self._add_arrival(at, place.day, place.day_key)
        session = place.session
        if session is None:
            return
        add = _ADD.get(shape)
        if add is not None:
            add(self, place, session, event, payload)
        self._follow(event, session)

    def _place(self, event: Event) -> _Place:
        """Where ``event`` goes, and what others after it need not say again: decoy, service, session."""
        attacker = attacker_uuid(event.src_ip)
        day_key = (attacker, event.observed_at // DAY_US)
        day = self.days.get(day_key)
        if day is None:
            day = self.days[day_key] = self._stored.day(day_key) or DayState(Arrivals())
        self._touched.days.add(day_key)
        session = self._session(event, attacker, day, day_key)
        self._add_to_day(event, day, day_key)
        credentials = self._credentials.get(day_key)
        if credentials is None:
            credentials = self._credentials[day_key] = set(day.credentials)
        return _Place(event, attacker, session, day, day_key, credentials)

    def _session(self, event: Event, attacker: AttackerUuid, day: DayState, day_key: DayKey) -> SessionState | None:
        """The session of ``event``, begun if it is the first; None where it is another sensor's or attacker's."""
        uuid = event.session_id
        state = self.sessions.get(uuid)
        if state is None:
            state = self._stored.session(uuid)
            if state is None:
                at = event.observed_at
                state = SessionState(attacker, event.sensor, event.decky_id, event.protocol, at, at)
                self._outcome.started.append(uuid)
                self._add_contact(event, day, day_key)
            self.sessions[uuid] = state
            if state.ended_at is None:
                self._watch(uuid, state)
        if state.sensor != event.sensor or state.attacker != attacker:
            return None
        self._touched.sessions.add(uuid)
        return state

    def _follow(self, event: Event, session: SessionState) -> None:
        """What every event does to its session: count, last sign of life, and its end where it has one."""
        at, payload = event.observed_at, event.payload
        session.events += 1
        action = payload.action if type(payload) is SessionPayload else ""
        if action not in CLOSINGS and (moment := (at, event.id)) > session.last_action:
            session.last_action = moment
            if session.logins:
                self._judge_login(event.session_id, session)
        was_last = session.last_at
        if at > was_last:
            session.last_at = at
        if action == ENDED:
            session.ended_at, session.by_silence = at, False
        elif session.ended_at is None:
            return
        elif session.by_silence and at > was_last:
            session.ended_at, session.by_silence = None, False
            self._watch(event.session_id, session)
            return
        self._end(event.session_id, session)

    def _end(self, uuid: SessionUuid, session: SessionState) -> None:
        session.revision += 1
        self._ended[uuid] = None
        self._find(close_session(uuid, session))

    # --- time

    def _advance_clock(self, sensor: str, at: int) -> None:
        """End the sessions of ``sensor`` that have been silent for too long at ``at``."""
        self.clocks[sensor] = at
        due = self._due.get(sensor)
        while due and due[0][0] <= at:
            uuid = heappop(due)[1]
            session = self.sessions.get(uuid)
            if session is None or session.ended_at is not None:
                continue
            if session.last_at + self._idle_us > at:
                self._watch(uuid, session)
                continue
            session.ended_at, session.by_silence = session.last_at, True
            self._touched.sessions.add(uuid)
            self._end(uuid, session)

    def _watch(self, uuid: SessionUuid, session: SessionState) -> None:
        heappush(self._due.setdefault(session.sensor, []), (session.last_at + self._idle_us, uuid))

    # --- the attacker's day

    def _add_to_day(self, event: Event, day: DayState, key: DayKey) -> None:
        at, service = event.observed_at, event.protocol
        first = day.services.get(service)
        if first is None or at < first:
            day.services[service] = at
        is_new_decoy = event.decky_id not in day.decoys
        if is_new_decoy:
            day.decoys.add(event.decky_id)
        if len(day.services) > 1 and (first is None or is_new_decoy):
            self._add_probe(SERVICES, "", day, key)

    def _add_arrival(self, at: int, day: DayState, key: DayKey) -> None:
        arrivals = day.arrivals
        position = arrivals.add(at)
        if len(day.reached) == _CLASSES or position < 0:
            return
        if position == len(arrivals.times) - 1:
            figures, services = arrivals.figures(), len(day.services)
            behaviour = behaviour_of(figures, services)
            if behaviour not in day.reached and behaviour != "unknown":
                self._reach(Behaviour(behaviour, *figures, services), day, key)
            return
        firsts = sorted(day.services.values())
        for number, figures in enumerate(arrivals.figures_from(position), position):
            services = sum(first <= arrivals.times[number] for first in firsts)
            behaviour = behaviour_of(figures, services)
            if behaviour not in day.reached and behaviour != "unknown":
                self._reach(Behaviour(behaviour, *figures, services), day, key)

    def _reach(self, figures: Behaviour, day: DayState, key: DayKey) -> None:
        """An attacker's day fits a class for the first time."""
        behaviour = figures.behaviour
        day.reached.add(behaviour)
        self._outcome.reached.append((key, behaviour))
        if behaviour == "brute_force":
            day.guessing = figures
            self._guess_again(day, key)
            return
        attacker, number = key
        source_id = behaviour_source_id(attacker, behaviour, number)
        self._find(Finding(source_id, SESSION, number * DAY_US, 1, figures, attacker))

    def _guess_again(self, day: DayState, key: DayKey) -> None:
        """Guessing goes on, in the rhythm of guessing."""
        day.guessing_revision += 1
        self._guessers[key] = day

    def _add_contact(self, event: Event, day: DayState, key: DayKey) -> None:
        """A session began, or a request came within one: the beats of which a rhythm is made."""
        place = (event.decky_id, event.protocol)
        contacts = day.contacts.get(place)
        if contacts is None:
            contacts = day.contacts[place] = Contacts(Arrivals())
        contacts.arrivals.add(event.observed_at)
        rhythm = contacts.arrivals.rhythm()
        if rhythm.events < MIN_CONTACTS or rhythm.variation > REGULAR_ENOUGH or rhythm.interval_seconds < SLOW_ENOUGH:
            return
        for tool in tools_of_rhythm(rhythm):
            self._guess(tool, "cadence", day, key)
        contacts.revision += 1
        attacker, number = key
        self._every.append(
            Finding(
                beacon_source_id(attacker, *place, number),
                SESSION,
                number * DAY_US,
                contacts.revision,
                Beacon(*rhythm),
                attacker,
                decky_id=event.decky_id,
            )
        )

    def _guess(self, tool: Tool, basis: str, day: DayState, key: DayKey) -> None:
        state = day.tools.get(tool.name)
        if state is None:
            state = day.tools[tool.name] = ToolState(tool.purpose)
        if basis in state.basis:
            return
        state.basis.add(basis)
        state.revision += 1
        attacker, number = key
        figures = ToolGuess(tool.name, tool.purpose, tuple(sorted(state.basis)))
        source_id = tool_source_id(attacker, tool.name, number)
        self._find(Finding(source_id, SESSION, number * DAY_US, state.revision, figures, attacker))

    def _add_probe(self, signature: str, decoy: str, day: DayState, key: DayKey) -> None:
        """A probe, or (:data:`SERVICES`) one more service or decoy of an attacker who uses several."""
        state = day.scans.get(signature)
        if state is None:
            if len(day.scans) >= MAX_DISTINCT:
                return
            state = day.scans[signature] = ScanState()
        before = len(state.decoys)
        state.decoys |= day.decoys if signature == SERVICES else {decoy}
        services = len(day.services) if signature == SERVICES else 0
        if len(state.decoys) == before and services <= state.services:
            return
        state.services = services
        attacker, number = key
        figures = Scan(signature, len(state.decoys), state.services)
        state.revision += 1
        narrow = scan_source_id(attacker, signature, 1, number)
        self._find(Finding(narrow, SCAN, number * DAY_US, state.revision, figures, attacker))
        if len(state.decoys) >= WIDE_DECOYS:
            state.wide_revision += 1
            wide = scan_source_id(attacker, signature, 3, number)
            self._find(Finding(wide, SCAN, number * DAY_US, state.wide_revision, figures, attacker))

    # --- log-ins

    def _add_attempt(self, place: _Place, session: SessionState, event: Event, payload: AuthPayload) -> None:
        day, key = place.day, place.service_key
        account, secret = short_account(payload.username), payload.secret or payload.key_fingerprint
        if secret:
            credential = (secret, account, event.decky_id, event.protocol)
            if credential not in place.credentials and len(day.credentials) < MAX_DISTINCT:
                place.credentials.add(credential)
                day.credentials.append(credential)
            if len(session.credentials) < MAX_OF_SESSION:
                session.credentials.add((secret, account))
        attempts = place.attempts
        if attempts is None:
            attempts = place.attempts = self._attempts(key)
        if payload.success:
            session.logins_succeeded += 1
            self._add_success(event, key, attempts, session)
            return
        session.logins_failed += 1
        day.failures += 1
        if day.guessing is not None:
            self._guess_again(day, place.day_key)
        failure = Failure(event.observed_at, event.id, account, payload.secret)  # as failure_of makes it
        if failure.at < attempts.kept_from:
            self._add_old_failure(failure, key)
            return
        for bucket in attempts.add_failure(failure):
            self._buckets[key, bucket] = attempts.buckets[bucket]
        for success in attempts.successes_after(failure):
            self._raise_failures(success.session, success.id, attempts.failures_before(success))

    def _attempts(self, key: ServiceKey) -> Attempts:
        """The latest attempts at a service, one more of which has come."""
        attempts = self.services.get(key)
        if attempts is None:
            attempts = self.services[key] = self._stored.attempts(key) or Attempts()
        self._touched.services.add(key)
        return attempts

    def _add_success(self, event: Event, key: ServiceKey, attempts: Attempts, session: SessionState) -> None:
        success = Success(event.observed_at, event.id, event.session_id)
        if success.at - BEFORE_SUCCESS_US < attempts.kept_from:
            stored = self._stored.earlier_failures(key, success.at - BEFORE_SUCCESS_US, success.at)
            known = sorted_failures([*stored, *attempts.failures])
            failures = Attempts(failures=known).failures_before(success)
            if success.at >= attempts.kept_from:
                attempts.add_success(success)
        else:
            failures = attempts.add_success(success)
        if len(session.logins) < MAX_OF_SESSION:
            session.logins.append(LoginSeen(event.observed_at, event.id, failures))
            self._judge_login(event.session_id, session)

    def _add_old_failure(self, failure: Failure, key: ServiceKey) -> None:
        """A failure that is hours late: its windows are read again from the stored events."""
        near = self._stored.earlier_failures(key, failure.at - BUCKET_US, failure.at + BUCKET_US)
        for bucket, failures, passwords in windows_with(sorted_failures([*near, failure]), failure):
            figures = self._buckets.get((key, bucket))
            if figures is None:
                known = self._stored.revision(auth_source_id(*key, bucket), bucket * BUCKET_US)
                figures = BucketFigures(*known)
            if figures.raise_to(failures, passwords):
                self._buckets[key, bucket] = figures
        for uuid in self._stored.logins_between(key, failure.at, failure.at + BEFORE_SUCCESS_US):
            session = self.sessions.get(uuid) or self._stored.session(uuid)
            if session is None:
                continue
            self.sessions[uuid] = session
            for login in session.logins:
                if failure.at <= login.at < failure.at + BEFORE_SUCCESS_US:
                    self._raise_failures(uuid, login.id, login.failures + 1)

    def _raise_failures(self, uuid: SessionUuid, success: bytes, failures: int) -> None:
        """One more failure turned out to stand before a success."""
        session = self.sessions.get(uuid) or self._stored.session(uuid)
        if session is None:
            return
        self.sessions[uuid] = session
        for login in session.logins:
            if login.id == success:
                login.failures = failures
        self._touched.sessions.add(uuid)
        self._judge_login(uuid, session)

    def _judge_login(self, uuid: SessionUuid, session: SessionState) -> None:
        """Announce the use of an account when a success followed failures and was itself followed by something."""
        failures = session.login_failures
        for login in session.logins:
            if login.failures > failures and session.last_action > (login.at, login.id):
                failures = login.failures
        if failures == session.login_failures:
            return
        session.login_failures = failures
        session.login_revision += 1
        self._find(
            Finding(
                login_source_id(uuid),
                AUTH_ATTEMPT,
                session.started_at,
                session.login_revision,
                ValidAccount(failures),
                session.attacker,
                session_id=uuid,
                decky_id=session.decky_id,
            )
        )

    # --- what a session shows

    def _add_command(self, _place: _Place, session: SessionState, _event: Event, payload: CommandPayload) -> None:
        session.commands += 1
        if len(session.script) < MAX_OF_SESSION:
            session.script |= commands_in(payload.command_text)

    def _add_fingerprint(
        self, place: _Place, session: SessionState, _event: Event, payload: FingerprintPayload
    ) -> None:
        metric, value = payload.metric, payload.value
        if metric in _BANNERS and (tool := named_tool(value)):
            self._guess(tool, "banner", place.day, place.day_key)
        elif metric in _FINGERPRINTS and value and len(session.fingerprints) < MAX_OF_SESSION:
            session.fingerprints.add((metric, value))

    def _add_file(self, _place: _Place, session: SessionState, event: Event, payload: FilePayload) -> None:
        session.files += payload.action != "failed"
        if payload.sha256 and len(session.payloads) < MAX_OF_SESSION:
            session.payloads.add(payload.sha256)
        if payload.url and len(session.endpoints) < MAX_OF_SESSION and (endpoint := endpoint_in(payload.url)):
            session.endpoints.add(endpoint)
        if payload.action == "sent":
            self._move("bytes_out", payload.size_bytes or len(payload.text.encode()), event, session)

    def _add_request(self, place: _Place, session: SessionState, event: Event, payload: HttpPayload) -> None:
        if session.events:
            self._add_contact(event, place.day, place.day_key)
        if tool := named_tool(payload.user_agent):
            self._guess(tool, "user_agent", place.day, place.day_key)
        self._move("requests", 1, event, session)

    def _add_scan(self, place: _Place, _session: SessionState, event: Event, payload: ScanPayload) -> None:
        self._add_probe(payload.signature, event.decky_id, place.day, place.day_key)

    def _add_note(self, _place: _Place, session: SessionState, event: Event, payload: SessionPayload) -> None:
        if payload.action == "forward_request":
            self._move("requests_out", 1, event, session)
        elif payload.action == "forward_data":
            self._move("bytes_out", payload.size_bytes or len(payload.text.encode()), event, session)
        elif payload.action == "read":
            self._move("bytes_read", payload.size_bytes or 0, event, session)
            self._move("rows_read", payload.rows or 0, event, session)

    def _move(self, measure: Measure, amount: int, event: Event, session: SessionState) -> None:
        if amount <= 0:
            return
        volume = session.volumes.get(measure)
        if volume is None:
            volume = session.volumes[measure] = Amount()
        volume.value += amount
        volume.revision += 1
        self._volumes[event.session_id, measure] = volume

    # --- what comes out

    def _find(self, finding: Finding) -> None:
        """Announce a figure that can only grow: the last revision of a batch says it all."""
        self._last[finding.source_id] = finding

    def _finished(self) -> Outcome:
        outcome = self._outcome
        for (service, bucket), figures in self._buckets.items():
            self._find(_guessing(service, bucket, figures))
        for key, day in self._guessers.items():
            self._find(_brute_force(key, day))
        for (uuid, measure), volume in self._volumes.items():
            self._find(_volume(uuid, self.sessions[uuid], measure, volume))
        outcome.closed = list(self._ended)
        if self._traits:
            outcome.ended = [traits_of(uuid, self.sessions[uuid]) for uuid in self._ended]
        outcome.findings = sorted(
            [*self._every, *self._last.values()],
            key=lambda finding: (finding.observed_at, finding.source_id, finding.revision),
        )
        return outcome


_ADD: dict[type, Callable[[Attribution, _Place, SessionState, Event, Any], None]] = {
    CommandPayload: Attribution._add_command,  # noqa: SLF001 - the table of this class's own methods
    AuthPayload: Attribution._add_attempt,  # noqa: SLF001
    FingerprintPayload: Attribution._add_fingerprint,  # noqa: SLF001
    FilePayload: Attribution._add_file,  # noqa: SLF001
    HttpPayload: Attribution._add_request,  # noqa: SLF001
    ScanPayload: Attribution._add_scan,  # noqa: SLF001
    SessionPayload: Attribution._add_note,  # noqa: SLF001
}


def _guessing(service: ServiceKey, bucket: int, figures: BucketFigures) -> Finding:
    attacker, decoy, _ = service
    said = Guessing(figures.failures, figures.passwords)
    source_id = auth_source_id(*service, bucket)
    return Finding(source_id, AUTH_ATTEMPT, bucket * BUCKET_US, figures.revision, said, attacker, decky_id=decoy)


def _brute_force(key: DayKey, day: DayState) -> Finding:
    attacker, number = key
    assert day.guessing is not None  # noqa: S101 - only such days are collected
    said = msgspec.structs.replace(day.guessing, failures=day.failures)
    source_id = behaviour_source_id(attacker, "brute_force", number)
    return Finding(source_id, SESSION, number * DAY_US, day.guessing_revision, said, attacker)


def _volume(uuid: SessionUuid, session: SessionState, measure: Measure, volume: Amount) -> Finding:
    return Finding(
        session_source_id(uuid, measure),
        SESSION,
        session.started_at,
        volume.revision,
        Volume(measure, volume.value),
        session.attacker,
        session_id=uuid,
        decky_id=session.decky_id,
    )


def _newest(attempts: Attempts) -> int:
    newest = attempts.failures[-1].at if attempts.failures else 0
    return max(newest, attempts.successes[-1].at if attempts.successes else 0)


def endpoint_in(url: str) -> str:
    """``host`` or ``host:port`` of a URL, in lower case; empty where there is none."""
    _, found, rest = url.partition("://")
    authority = rest if found else ""
    for end in "/?#\\":
        authority = authority.partition(end)[0]
    return authority.rpartition("@")[2].lower()[:255]
