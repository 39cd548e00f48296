"""Attribution ahead of storing: what a batch brings if every event in it turns out to be new, which is the rule.

Whoever reads ahead works it out, from states that it keeps in memory, and whoever stores writes it down. Where an event
was known after all, the one that stores does without and says so; the other then forgets what it knows and goes on from
what is stored, a few batches later.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from decnet.attribution.engine import Attribution, Outcome, Touched
from decnet.attribution.sessions import traits_of
from decnet.attribution.states import DayKey, unpacked_session
from decnet.db.events import any_stored
from decnet.db.findings import Attempt, StoredSession, StoredState
from decnet.models.actor import SessionUuid, attacker_uuid
from decnet.models.event import AuthPayload
from decnet.models.finding import Finding
from decnet.workers.attributing import Brought, StoredStates, Wanted, brought_by, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.attribution.states import ServiceKey
    from decnet.db.engine import Database
    from decnet.models.event import Event

REMEMBERED = 8_000
"""States that are kept in memory; beyond, those of two hours ago are let go, some 2 KB each."""
RESTING = 2
"""Batches that are left alone after one that was: to go on, all that is under way has to be stored first."""
_LOOKED_FOR = 16
"""Events of a batch of which it is asked whether they are stored; all of what is read again are."""
_RELEASED_US = 2 * 3_600_000_000


class Foreseen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a batch brings if all its ``events``, each counted once, are new.

    ``basis`` is how often the one who stores had gone on alone, see :meth:`Foresight.forget`.
    """

    basis: int
    events: int
    findings: list[Finding]
    closed: list[SessionUuid]
    days: set[DayKey]
    sessions: list[StoredSession]
    states: list[StoredState]
    ends: list[tuple[SessionUuid, int | None]]

    def brought(self) -> Brought:
        """As it is written. Traits are worked out here: whoever stores has more time than whoever looks ahead."""
        bodies = {one.uuid: one.body for one in self.sessions}
        ended = [traits_of(uuid, unpacked_session(bodies[uuid])) for uuid in self.closed]
        outcome = Outcome(findings=self.findings, closed=self.closed, ended=ended, touched=Touched(days=self.days))
        return Brought(outcome, self.sessions, self.states, self.ends)


class _StatesAhead(StoredStates):
    """States as they are stored; ``batch`` stands in for what is about to be."""

    batch: Sequence[Event] = ()

    def attempts_between(self, key: ServiceKey, since: int, until: int) -> list[Attempt]:
        """The stored attempts in ``[since, until)``, and those of the batch."""
        return super().attempts_between(key, since, until) + [
            Attempt(event.observed_at, event.id, event.session_id, made.username, made.secret, made.success)
            for event in self.batch
            if isinstance(made := event.payload, AuthPayload)
            and since <= event.observed_at < until
            and (attacker_uuid(event.src_ip), event.decky_id, event.protocol) == key
        ]


class Foresight:
    """Attributes batches of ``database`` that somebody else is about to store, in their order.

    ``database`` shows what is stored once all batches before are, but for :meth:`~decnet.db.engine.Database.peek`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stored = _StatesAhead(database.read)
        self._attribution: Attribution | None = None
        self._released = False
        self._most = REMEMBERED
        self._basis = self._resting = 0

    def forget(self) -> None:
        """The one who stores has attributed something alone: what is known here is not what is stored."""
        self._basis += 1
        if self._attribution is not None:
            self._attribution, self._resting = None, RESTING

    def take_in(self, events: Sequence[Event]) -> Foreseen | None:
        """What ``events``, each there once, bring; None where that cannot be known before they are stored.

        :raises StorageError: the database cannot be read.
        """
        if self._resting or self._are_known(events):
            self._resting = max(0, self._resting - 1)
            return None
        if self._attribution is None:
            self._attribution = self._database.read(partial(opened, stored=self._stored, traits=False))
        return self._foresee(self._attribution, events)

    def _are_known(self, events: Sequence[Event]) -> bool:
        """Whether the batch looks like one that was stored before, by some of its events."""
        some = [event.id for event in events[:: max(1, len(events) // _LOOKED_FOR)]]
        return self._database.peek(partial(any_stored, ids=some))

    def _foresee(self, attribution: Attribution, events: Sequence[Event]) -> Foreseen:
        basis = self._basis  # it may rise while something is waited for, and then this does not hold
        wanted = Wanted.nothing()
        wanted.ask_for(attribution, events)
        # What is asked for was not met by this run, so batches that are on their way say nothing of it; unless it was
        # let go meanwhile.
        look = self._database.read if self._released else self._database.peek
        look(partial(self._stored.prepare, wanted=wanted))
        self._stored.batch = events
        outcome = attribution.apply(events)
        brought = brought_by(attribution, outcome, self._stored)
        self._shrink(attribution)
        return Foreseen(
            basis,
            len(events),
            outcome.findings,
            outcome.closed,
            outcome.touched.days,
            brought.sessions,
            brought.states,
            brought.ends,
        )

    def _shrink(self, attribution: Attribution) -> None:
        self._released = shrink(attribution, self._most)
        if self._released:
            self._most = max(REMEMBERED, 2 * _size(attribution))


def shrink(attribution: Attribution, most: int) -> bool:
    """Let go of what is two hours old where there are more states than ``most``; returns whether it was so."""
    if _size(attribution) <= most or not attribution.clocks:
        return False
    attribution.release(max(attribution.clocks.values()) - _RELEASED_US)
    return True


def _size(attribution: Attribution) -> int:
    return len(attribution.sessions) + len(attribution.days) + len(attribution.services)
