"""What every store does with rules and states once it has them: keep the last good version, tell readers, end states.

Where texts and states come from is each store's own.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from decnet.errors import RuleError
from decnet.models.rule_state import ENABLED
from decnet.ttp.pack import Pack
from decnet.ttp.store.base import Changes, LoadedRules, RuleChange, SystemClock, state_of
from decnet.ttp.store.compile import clashes, compile_rule

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence
    from pathlib import Path

    from decnet.models.rule_state import RuleState
    from decnet.ttp.pack import CompiledRule
    from decnet.ttp.store.base import Clock, StateRecord
    from decnet.ttp.store.compile import CatalogLoader, Fault
    from decnet.ttp.store.parsed import Parsed

log = logging.getLogger(__name__)


class Slot(NamedTuple):
    """What is known of one rule: its last good version with its text, and what is wrong with the newest.

    ``digest`` and ``written_at`` tell one newest text from another; a rule without digest is gone.
    """

    digest: bytes = b""
    rule: CompiledRule | None = None
    text: str = ""
    faults: tuple[Fault, ...] = ()
    has_clash: bool = False
    written_at: tuple[int, ...] = ()

    @property
    def is_doubtful(self) -> bool:
        """Whether the text may be in the middle of being written."""
        return not self.digest or bool(self.faults)

    def is_settled_since(self, earlier: Slot) -> bool:
        """Whether the text is whole, or as it was at an earlier look."""
        return not self.is_doubtful or (self.digest, self.written_at) == (earlier.digest, earlier.written_at)


NOTHING = Slot()
"""What is known of a rule that nobody has heard of."""


class WatchedStore(ABC):
    """A :class:`~decnet.ttp.store.base.RuleStore` but for the place where texts and states are kept.

    Texts are compiled one at a time, in a thread.
    """

    def __init__(self, clock: Clock | None, catalog_of: CatalogLoader) -> None:
        self._clock: Clock = clock or SystemClock()
        self._catalog_of = catalog_of
        self._slots: dict[str, Slot] = {}
        self._states: dict[str, RuleState] = {}
        self._parsed: Parsed | None = None
        self._is_loaded = False
        self._turn = asyncio.Lock()
        self._states_turn = asyncio.Lock()
        self._subscribers: set[Changes] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._states_changed = asyncio.Event()

    async def load_compiled(self) -> LoadedRules:
        """Every rule that can be used, states in force now, and what is wrong with the other texts.

        :raises RuleError: there are no rules, releases of one domain are mixed, or an ATT&CK id is unknown, revoked or
            under another tactic; with every fault.
        """
        await self._look()
        faults = sorted(fault for rule_id in self._known_names() for fault in self._faults_of(rule_id))
        if any(fault.refuses for fault in faults):
            raise RuleError([str(fault) for fault in faults])
        slots = [slot for _, slot in sorted(self._slots.items())]
        rules = tuple(slot.rule for slot in slots if slot.rule is not None)
        if not rules:
            raise RuleError([str(fault) for fault in faults] or [self._emptiness()])
        digest = sha256(b"".join(slot.digest for slot in slots)).hexdigest()
        states = {name: state for name, state in self._states.items() if state.mode != "enabled"}
        return LoadedRules(Pack(rules, digest), states, tuple(map(str, faults)))

    async def text_of(self, rule_id: str) -> str:
        """The text of the version in force when the store last looked.

        :raises RuleError: there is no such rule.
        """
        slot = self._slots.get(rule_id, NOTHING)
        if slot.rule is None:
            raise RuleError([f"{rule_id}: no such rule in {self._place()}"])
        return slot.text

    async def get_state(self, rule_id: str) -> RuleState:
        """The state in force now; ``ENABLED`` for a rule that nobody touched."""
        states = await asyncio.to_thread(self._stored_states)
        return state_of(states, rule_id, self._clock.now())

    async def set_state(self, rule_id: str, state: RuleState) -> None:
        """Give ``rule_id`` that state, durably; on return it is stored, in the audit trail, and on its way to readers.

        :raises RuleError: there is no such rule, or the state has expired already.
        """
        if state.in_force(self._clock.now()) is not state:
            raise RuleError([f"{rule_id}: the state ends before it begins; choose a later end"])
        async with self._states_turn:
            self._take_states(await asyncio.to_thread(self._give_state, rule_id, state))

    async def history(self, rule_id: str | None = None) -> Sequence[StateRecord]:
        """The audit trail, oldest first: of one rule, or of all."""
        return await asyncio.to_thread(self._stored_history, rule_id)

    def subscribe_changes(self) -> Changes:
        """What changes from now on. Subscribe first, load then: nothing is lost in between, some things come twice."""
        changes = Changes(self._subscribers.discard)
        self._subscribers.add(changes)
        if not self._tasks:
            for work in (*self._watches(), self._watch_expiry()):
                task = asyncio.create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._tell_failure)
        return changes

    async def aclose(self) -> None:
        """Stop watching; open subscriptions end."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for changes in [*self._subscribers]:
            changes.close()

    @abstractmethod
    def has_rule(self, rule_id: str) -> bool:
        """Whether there is a text for ``rule_id``, good or not."""

    @abstractmethod
    async def _look(self) -> None:
        """Take in all texts and states as they are now, and tell of what that changes."""

    @abstractmethod
    async def _look_at_states(self) -> None:
        """Take in the states as they are now, and tell of what that changes."""

    @abstractmethod
    def _watches(self) -> Iterable[Coroutine[None, None, None]]:
        """What has to run for changes to be noticed."""

    @abstractmethod
    def _stored_states(self) -> Mapping[str, RuleState]:
        """The state of every rule that anybody touched; what has expired is still there."""

    @abstractmethod
    def _store_state(self, rule_id: str, state: RuleState) -> Mapping[str, RuleState]:
        """Keep ``state`` and a line in the audit trail, durably; what all states are then."""

    @abstractmethod
    def _stored_history(self, rule_id: str | None) -> Sequence[StateRecord]:
        """The audit trail, oldest first."""

    @abstractmethod
    async def _end_states(self) -> None:
        """States have fallen due: they are over, and written down as such."""

    @abstractmethod
    def _place(self) -> str:
        """Where rules are, for people."""

    @abstractmethod
    def _emptiness(self) -> str:
        """What to say where there are no rules."""

    def _known_names(self) -> set[str]:
        """Every rule of which there is something to say."""
        return set(self._slots)

    def _faults_of(self, rule_id: str) -> tuple[Fault, ...]:
        """What is wrong with the newest text of ``rule_id``."""
        return self._slots.get(rule_id, NOTHING).faults

    def _tell_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            for changes in [*self._subscribers]:
                changes.fail(failure)

    def _compiled(self, path: Path, text: str) -> tuple[CompiledRule | None, list[Fault], bool]:
        """The rule, or None and what is wrong with it; the last tells whether it only clashes with another one."""
        rule, faults = compile_rule(path, text, self._catalog_of, self._parsed)
        return (None, faults, False) if rule is None else self._beside_others(rule)

    def _beside_others(self, rule: CompiledRule) -> tuple[CompiledRule | None, list[Fault], bool]:
        others = (slot.rule for stem, slot in self._slots.items() if stem != rule.rule_id and slot.rule is not None)
        clash = clashes(rule, others)
        return (None, clash, True) if clash else (rule, [], False)

    def _give_state(self, rule_id: str, state: RuleState) -> Mapping[str, RuleState]:
        if not self.has_rule(rule_id):
            raise RuleError([f"{rule_id}: no such rule in {self._place()}"])
        return self._store_state(rule_id, state)

    def _take_states(self, stored: Mapping[str, RuleState]) -> None:
        """From now on the states are ``stored``; tells of what that changes."""
        now = self._clock.now()
        before, self._states = self._states, {name: state.in_force(now) for name, state in stored.items()}
        self._states_changed.set()
        for rule_id in sorted(before.keys() | self._states.keys()):
            if not _is_same(before.get(rule_id, ENABLED), self._states.get(rule_id, ENABLED)):
                self._tell(rule_id, is_state=True)

    async def _watch_expiry(self) -> None:
        """Wake at the moment that the next state falls due, and whenever states change."""
        while True:
            self._states_changed.clear()
            ends = [state.expires_at for state in self._states.values() if state.expires_at is not None]
            waits: set[asyncio.Future[object]] = {asyncio.ensure_future(self._states_changed.wait())}
            if ends:
                waits.add(asyncio.ensure_future(self._clock.until(min(ends))))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if any(end <= self._clock.now() for end in ends):
                await self._end_states()

    def _tell(self, rule_id: str, *, is_state: bool = False) -> None:
        """Readers learn what the rule has come to be: by a change of its state, else of its text."""
        faults = self._faults_of(rule_id)
        for fault in () if is_state else faults:
            log.warning("%s", fault)
        change = RuleChange(
            rule_id,
            self._slots.get(rule_id, NOTHING).rule,
            self._states.get(rule_id, ENABLED),
            "state" if is_state else "fault" if faults else "rule",
            tuple(map(str, faults)),
        )
        if self._is_loaded:
            for changes in self._subscribers:
                changes.put(change)


def _is_same(one: RuleState, other: RuleState) -> bool:
    return one == other or (one.mode == other.mode == "enabled")
