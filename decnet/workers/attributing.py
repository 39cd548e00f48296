"""Attribution as it is stored: what records bring is computed from known states, and written with everything it led to.

Computing comes first and holds nothing; writing is a short transaction of as many partitions as there are. What the
states of a partition were is kept in memory in between, until somebody calls :meth:`Attributions.forget`.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from decnet.attribution.engine import Attribution
from decnet.attribution.guessing import Attempts, Failure, short_account
from decnet.attribution.pages import page_numbers, paged_attempts, paged_day, whole_attempts, whole_day
from decnet.attribution.states import (
    DayState,
    SessionState,
    packed,
    unpacked_attempts,
    unpacked_day,
    unpacked_session,
)
from decnet.db.clocks import sensor_times
from decnet.db.findings import (
    Scope,
    SeenItems,
    StoredSession,
    StoredState,
    attempts_between,
    day_key,
    end_sessions,
    figures_of,
    known_attackers,
    open_everywhere,
    open_states,
    page_keys,
    read_pages,
    read_states,
    seen_items,
    service_key,
    session_states,
    write_findings,
    write_seen,
    write_session_states,
    write_states,
)
from decnet.db.traits import write_traits
from decnet.models.actor import SessionUuid, attacker_uuid
from decnet.models.event import Event
from decnet.models.finding import DAY_US, Guessing
from decnet.models.message import partition_of
from decnet.models.record import unpacked_record
from decnet.workers.sightings import first_met

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.attribution.engine import Outcome
    from decnet.attribution.pages import Paged
    from decnet.attribution.states import DayKey, ServiceKey
    from decnet.db.engine import Database
    from decnet.db.findings import Attempt
    from decnet.models.actor import AttackerUuid
    from decnet.models.record import Record
    from decnet.models.sighting import AttackerObserved

Large = TypeVar("Large", DayState, Attempts)
"""What is stored in pages once it is large."""

REMEMBERED = 20_000
"""States of a partition that are kept in memory; beyond, those of two hours ago are let go."""
_RELEASED_US = 2 * 3_600_000_000
_DIGEST_BYTES = 8
_PAGES_OF = {Scope.DAY: Scope.DAY_PAGE, Scope.SERVICE: Scope.SERVICE_PAGE}


class Arrived(NamedTuple):
    """Packed records of one partition in their order. ``hold`` is as in :class:`~decnet.bus.base.Delivery`."""

    partition: int
    hold: int
    items: Sequence[bytes]


class Brought(NamedTuple):
    """What records brought, ready to be written: the states that have changed, and where sessions end now."""

    outcome: Outcome
    sessions: list[StoredSession]
    states: list[StoredState]
    ends: list[tuple[SessionUuid, int | None]]


class Taken(NamedTuple):
    """What records of a partition brought, and the attackers that were met for the first time."""

    partition: int
    brought: Brought
    seen: SeenItems
    met: list[AttackerObserved]


class Attributions:
    """The running attribution of some partitions of ``database``. One thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stored = StoredStates(database.read)
        self._partitions: dict[int, _Partition] = {}

    def take_in(self, arrived: Sequence[Arrived]) -> list[Taken]:
        """What the records bring that were not taken in before. Write it next, or :meth:`forget` these partitions.

        :raises msgspec.MsgspecError: an item is no record of this version.
        :raises StorageError: the database cannot be read.
        """
        records = [_records_in(one.items) for one in arrived]
        self._database.read(partial(self._prepare, arrived=arrived, records=records))
        found = [self._partitions[one.partition].take_in(batch) for one, batch in zip(arrived, records, strict=True)]
        return [taken for taken in found if taken is not None]

    def forget(self, partitions: Iterable[int]) -> None:
        """What was taken in of these partitions was not written: their states are read anew."""
        for number in partitions:
            self._partitions.pop(number, None)

    def _prepare(
        self, connection: Connection, arrived: Sequence[Arrived], records: Sequence[Mapping[bytes, Record]]
    ) -> None:
        """Open the partitions that are new to us, and read the states that ``records`` will ask for."""
        for one in arrived:
            known = self._partitions.get(one.partition)
            if known is None or known.hold != one.hold:
                self._partitions[one.partition] = _Partition(connection, one.partition, one.hold, self._stored)
        wanted = Wanted.nothing()
        for one, batch in zip(arrived, records, strict=True):
            self._partitions[one.partition].ask_for(batch.values(), wanted)
        self._stored.prepare(connection, wanted)
        self._stored.look_for_unmet(connection, wanted)


def brought_by(attribution: Attribution, outcome: Outcome, stored: StoredStates) -> Brought:
    """What is to be written of a batch that ``attribution`` has taken in, and that is not ``stored``."""
    touched = outcome.touched
    states: list[StoredState] = []
    for day_of in touched.days:
        day = attribution.days[day_of]
        states += stored.changed(Scope.DAY, day_key(*day_of), day_of[0], day, paged_day(day))
    for service in touched.services:
        attempts = attribution.services[service]
        states += stored.changed(Scope.SERVICE, service_key(*service), service[0], attempts, paged_attempts(attempts))
    return Brought(outcome, list(_sessions(attribution, outcome)), states, list(_ends(attribution, outcome)))


def write_brought(
    connection: Connection, brought: Sequence[Brought], numbers: Mapping[SessionUuid, int] | None = None
) -> None:
    """Store states, findings, and ends of sessions with their traits.

    ``numbers`` are the integers of sessions that need not be looked up.
    """
    write_session_states(connection, chain.from_iterable(one.sessions for one in brought), numbers)
    write_states(connection, chain.from_iterable(one.states for one in brought))
    write_findings(connection, chain.from_iterable(one.outcome.findings for one in brought), numbers)
    end_sessions(connection, chain.from_iterable(one.ends for one in brought))
    ended = chain.from_iterable(one.outcome.ended for one in brought)
    newest = {traits.session_id: traits for traits in sorted(ended, key=lambda traits: traits.revision)}
    write_traits(connection, {uuid: packed(traits) for uuid, traits in newest.items()}, numbers)


def write_taken(connection: Connection, taken: Sequence[Taken]) -> None:
    """Store what was brought, and what was seen."""
    write_brought(connection, [one.brought for one in taken])
    write_seen(connection, [one.seen for one in taken])


def _sessions(attribution: Attribution, outcome: Outcome) -> Iterator[StoredSession]:
    """The states of sessions that a batch has changed, each in the partition of its attacker."""
    for uuid in outcome.touched.sessions:
        session = attribution.sessions[uuid]
        yield StoredSession(uuid, partition_of(session.attacker), session.ended_at is None, packed(session))


def _ends(attribution: Attribution, outcome: Outcome) -> Iterator[tuple[SessionUuid, int | None]]:
    """Ends by silence, and sessions that go on after one; those that were recorded are written with the events."""
    for uuid in outcome.touched.sessions:
        session = attribution.sessions[uuid]
        if session.by_silence or (session.ended_at is None and session.revision):
            yield uuid, session.ended_at


class _Partition:
    """The running attribution of one partition, from where its stored states left it."""

    def __init__(self, connection: Connection, number: int, hold: int, stored: StoredStates) -> None:
        self.hold = hold
        self._number = number
        self._stored = stored
        self._attribution = Attribution(stored)
        self._seen: dict[bytes, None] = {}
        self._next = 1
        for seen in seen_items(connection, number):
            self._next = seen.number + 1
            self._seen.update(dict.fromkeys(_digests_in(seen.digests)))
        own = read_states(connection, Scope.PARTITION, [number.to_bytes(2, "big")])
        for body in own.values():
            self._attribution.clocks.update(msgspec.msgpack.decode(body, type=dict[str, int]))
        still_open = [(SessionUuid(key), unpacked_session(body)) for key, body in open_states(connection, number)]
        self._attribution.adopt(still_open)

    def ask_for(self, records: Iterable[Record], wanted: Wanted) -> None:
        """Add to ``wanted`` the states that ``records`` are about and that are not in memory."""
        wanted.ask_for(self._attribution, records)

    def take_in(self, records: Mapping[bytes, Record]) -> Taken | None:
        """What those of ``records``, by digest, bring that were not taken in before; None when all of them were."""
        fresh = {digest: record for digest, record in records.items() if digest not in self._seen}
        if not fresh:
            return None
        outcome = self._attribution.apply(fresh.values())
        brought = brought_by(self._attribution, outcome, self._stored)
        clocks, number = packed(self._attribution.clocks), self._number
        key = number.to_bytes(2, "big")
        brought.states.append(StoredState(Scope.PARTITION, key, number, None, clocks))
        seen = SeenItems(number, self._next, b"".join(fresh))
        met = list(first_met(self._stored.unmet, fresh.values()))
        self._next += 1
        self._seen.update(dict.fromkeys(fresh))
        self._shrink()
        return Taken(number, brought, seen, met)

    def _shrink(self) -> None:
        of = self._attribution
        if len(of.sessions) + len(of.days) + len(of.services) > REMEMBERED and of.clocks:
            of.release(max(of.clocks.values()) - _RELEASED_US)
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]


def opened(connection: Connection, stored: StoredStates, *, traits: bool = True) -> Attribution:
    """The running attribution of all partitions as they are stored: sessions that are open can be ended by silence.

    ``traits`` is as in :class:`~decnet.attribution.engine.Attribution`.
    """
    attribution = Attribution(stored, traits=traits)
    attribution.clocks.update({one.sensor: max(one.heard_at, one.told_at) for one in sensor_times(connection)})
    still_open = open_everywhere(connection)
    attribution.adopt((SessionUuid(key), unpacked_session(body)) for key, body in still_open)
    return attribution


class Wanted(NamedTuple):
    """States that are about to be asked for."""

    sessions: set[SessionUuid]
    days: set[DayKey]
    services: set[ServiceKey]

    @classmethod
    def nothing(cls) -> Wanted:
        """No state yet."""
        return cls(set(), set(), set())

    def ask_for(self, attribution: Attribution, records: Iterable[Record]) -> None:
        """Add the states that ``records`` are about and that ``attribution`` has not in memory.

        The first event of a session tells them; a day that begins amid it is read when it is asked for.
        """
        told: set[SessionUuid] = set()
        days: set[tuple[str, int]] = set()
        services: set[tuple[str, str, str]] = set()
        for event in records:
            if type(event) is not Event or event.session_id in told:
                continue
            told.add(event.session_id)
            days.add((event.src_ip, event.observed_at // DAY_US))
            services.add((event.src_ip, event.decky_id, event.protocol))
        self.sessions.update(told - attribution.sessions.keys())
        self.days.update({(attacker_uuid(address), day) for address, day in days} - attribution.days.keys())
        asked = {(attacker_uuid(address), decoy, service) for address, decoy, service in services}
        self.services.update(asked - attribution.services.keys())


class StoredStates:
    """States as they are stored: read in one go for what is to be taken in, one by one what was not foreseen.

    ``read`` calls a function with a connection. :attr:`unmet` are the attackers of whom nothing was known when it was
    last looked for them. Of large states it is remembered how much is stored, from when they are asked for: whoever
    cannot store what :meth:`changed` gave has to ask again.
    """

    def __init__(self, read: Callable[[Callable[[Connection], Any]], Any]) -> None:
        self._read_with = read
        self._sessions: dict[SessionUuid, bytes | None] = {}
        self._read: dict[tuple[Scope, bytes], bytes | None] = {}
        self._written: dict[tuple[Scope, bytes], Sequence[int]] = {}
        self.unmet: set[AttackerUuid] = set()

    def prepare(self, connection: Connection, wanted: Wanted) -> None:
        """Read what is ``wanted``, and forget what was before."""
        self._read = {}
        known = session_states(connection, sorted(wanted.sessions))
        self._sessions = {uuid: known.get(uuid) for uuid in wanted.sessions}
        for scope, keys in (
            (Scope.DAY, sorted(day_key(*key) for key in wanted.days)),
            (Scope.SERVICE, sorted(service_key(*key) for key in wanted.services)),
        ):
            found = read_states(connection, scope, keys)
            self._read.update({(scope, key): found.get(key) for key in keys})

    def look_for_unmet(self, connection: Connection, wanted: Wanted) -> None:
        """Whom of what was ``wanted``, and is prepared, nobody has met."""
        begun = {day[0] for day in wanted.days if self._read[Scope.DAY, day_key(*day)] is None}
        self.unmet = begun - known_attackers(connection, begun) if begun else begun

    def session(self, uuid: SessionUuid) -> SessionState | None:
        """The state of a session, if it has one."""
        if uuid not in self._sessions:
            self._sessions[uuid] = self._read_with(partial(session_states, sessions=[uuid])).get(uuid)
        body = self._sessions[uuid]
        return unpacked_session(body) if body else None

    def day(self, key: DayKey) -> DayState | None:
        """The state of an attacker's day, if it has one."""
        return self._state(Scope.DAY, day_key(*key), unpacked_day, whole_day)

    def attempts(self, key: ServiceKey) -> Attempts | None:
        """The latest attempts at a service, if there were any."""
        return self._state(Scope.SERVICE, service_key(*key), unpacked_attempts, whole_attempts)

    def changed(
        self, scope: Scope, key: bytes, who: AttackerUuid, state: DayState | Attempts, paged: Paged | None
    ) -> Iterator[StoredState]:
        """What is to be written of a day or of attempts at a service that have changed."""
        partition = partition_of(who)
        body = packed(state if paged is None else paged.head)
        yield StoredState(scope, key, partition, who, body)
        written = self._written.pop((scope, key), ())
        if paged is None:
            return
        pages = list(paged.pages_since(written))
        for name, (_, body) in zip(page_keys(key, [number for number, _ in pages]), pages, strict=True):
            yield StoredState(_PAGES_OF[scope], name, partition, who, body)
        self._remember(scope, key, paged.counts)

    def _remember(self, scope: Scope, key: bytes, counts: Sequence[int]) -> None:
        """So much of a large state is stored; of those that were not written for long it is forgotten."""
        self._written[scope, key] = counts
        if len(self._written) > REMEMBERED:
            del self._written[next(iter(self._written))]

    def _state(
        self,
        scope: Scope,
        key: bytes,
        unpacked: Callable[[bytes], Large],
        whole: Callable[[Large, Sequence[bytes | None]], tuple[Large, bool]],
    ) -> Large | None:
        """A state that may be large, with its pages."""
        body = self._body(scope, key)
        self._written.pop((scope, key), None)
        if body is None:
            return None
        state = unpacked(body)
        if not state.paged:
            return state
        numbers = list(page_numbers(state.paged))
        pages = self._read_with(partial(read_pages, scope=_PAGES_OF[scope], key=key, numbers=numbers))
        found, fits = whole(state, pages)
        if fits:
            self._remember(scope, key, state.paged)
        return found

    def earlier_failures(self, key: ServiceKey, since: int, until: int) -> Iterable[Failure]:
        """Failed attempts in ``[since, until)`` from the stored events."""
        found = self.attempts_between(key, since, until)
        return [Failure(one.at, one.id, short_account(one.account), one.secret) for one in found if not one.success]

    def logins_between(self, key: ServiceKey, since: int, until: int) -> Iterable[SessionUuid]:
        """Sessions with a success in ``[since, until)``, from the stored events."""
        return {one.session for one in self.attempts_between(key, since, until) if one.success}

    def revision(self, source_id: str, at: int) -> tuple[int, int, int]:
        """What was last announced of an old bucket: failures, passwords, revision; zeros for never."""
        known = self._read_with(partial(figures_of, source_id=source_id, at=at))
        if known is None or not isinstance(known[0], Guessing):
            return 0, 0, 0
        return known[0].failures, known[0].passwords, known[1]

    def attempts_between(self, key: ServiceKey, since: int, until: int) -> list[Attempt]:
        """The stored attempts in ``[since, until)``."""
        who, decoy, service = key
        look = partial(attempts_between, who=who, decoy=decoy, service=service, since=since, until=until)
        found: list[Attempt] = self._read_with(look)
        return found

    def _body(self, scope: Scope, key: bytes) -> bytes | None:
        if (scope, key) not in self._read:
            self._read[scope, key] = self._read_with(partial(read_states, scope=scope, keys=[key])).get(key)
        return self._read[scope, key]


def _records_in(items: Iterable[bytes]) -> dict[bytes, Record]:
    """The records, each once, by the digest of its item."""
    digests = {blake2b(item, digest_size=_DIGEST_BYTES).digest(): item for item in items}
    return {digest: unpacked_record(item) for digest, item in digests.items()}


def _digests_in(items: bytes) -> Iterator[bytes]:
    for start in range(0, len(items), _DIGEST_BYTES):
        yield items[start : start + _DIGEST_BYTES]
