"""What a store of rules is: the text of each rule as something that can be matched, and its state.

Stores know no bus: who announces a change is who reads it here.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

from decnet.models.rule_state import ENABLED, RuleState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from decnet.ttp.pack import CompiledRule, Pack

US_PER_SECOND = 1_000_000
LONGEST_SLEEP_SECONDS = 60.0
"""Clocks are set and machines sleep: a far moment is approached in steps."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)  # asyncio.run() writes out what it returns: 0.1 s of a start
class LoadedRules:
    """All that a store holds at one moment: the rules in force, states that are not plain *enabled*, and faults.

    ``faults`` has one ``file:line: what; way out`` each, of files that were left out.
    """

    pack: Pack
    states: Mapping[str, RuleState]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RuleChange:
    """What one rule has come to be: always its whole present, so that reading a change twice does no harm.

    ``rule`` is the version in force, None where there is none. ``what`` says what brought the change about: ``rule`` a
    new text (or its end), ``state`` an order or its expiry, ``fault`` a text that cannot be used; ``faults`` are then
    its sentences, and ``rule`` the last good version.
    """

    rule_id: str
    rule: CompiledRule | None
    state: RuleState
    what: Literal["rule", "state", "fault"]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One line of the audit trail: this state was given to that rule."""

    rule_id: str
    state: RuleState


class Clock(Protocol):
    """What time it is, and how to wait for another."""

    def now(self) -> int:
        """µs UTC."""

    async def until(self, moment: int) -> None:
        """Return once :meth:`now` is ``moment`` or later."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> int:
        """µs UTC."""
        return time.time_ns() // 1_000

    async def until(self, moment: int) -> None:
        """Return once :meth:`now` is ``moment`` or later, also where the clock was set meanwhile."""
        while (left := moment - self.now()) > 0:  # noqa: ASYNC110 - time passes without an event
            await asyncio.sleep(min(left / US_PER_SECOND, LONGEST_SLEEP_SECONDS))


class Changes:
    """The changes of a store from the moment that this was made, one per rule, oldest first; ends when closed.

    Guaranteed: the newest text and state of every rule that changed arrive. Not guaranteed: versions that were replaced
    before they were read; so a slow reader costs at most two entries per rule.
    """

    def __init__(self, forget: Callable[[Changes], None]) -> None:
        self._forget = forget
        self._waiting: OrderedDict[tuple[str, str], RuleChange] = OrderedDict()
        self._news = asyncio.Event()
        self._is_open = True
        self._failure: BaseException | None = None

    def put(self, change: RuleChange) -> None:
        """Add ``change``; for the store only, in its event loop."""
        key = (change.rule_id, "state" if change.what == "state" else "text")
        self._waiting[key] = change
        self._waiting.move_to_end(key)
        self._news.set()

    def fail(self, failure: BaseException) -> None:
        """The store cannot watch any longer; whoever reads on gets ``failure`` behind what was seen before it."""
        self._failure = failure
        self.close()

    def close(self) -> None:
        """No more changes are wanted; whoever waits for one is told that there is none."""
        if self._is_open:
            self._is_open = False
            self._forget(self)
            self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RuleChange:
        while not self._waiting:
            if not self._is_open:
                raise self._failure or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._waiting.popitem(last=False)[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RuleStore(Protocol):
    """Rules, their states, and what changes about them.

    Guaranteed by every store:

    - a rule's text is taken whole or not at all, and what is wrong with one rule changes no other one;
    - states and the audit trail survive a restart, also after ``kill -9``: the old state or the new one, never half;
    - a change made by another process on the same store arrives here too;
    - a state that expires is yielded as a change at that moment, also where nobody asks.
    """

    async def load_compiled(self) -> LoadedRules:
        """Every rule that can be used, states in force now, and what is wrong with the other files.

        :raises RuleError: there are no rules, releases of one domain are mixed, or an ATT&CK id is unknown, revoked or
            under another tactic; with every fault.
        """

    async def text_of(self, rule_id: str) -> str:
        """The text of the version in force when the store last looked.

        :raises RuleError: there is no such rule.
        """

    async def get_state(self, rule_id: str) -> RuleState:
        """The state in force now; ``ENABLED`` for a rule that nobody touched."""

    async def set_state(self, rule_id: str, state: RuleState) -> None:
        """Give ``rule_id`` that state, durably; on return it is stored, in the audit trail, and on its way to readers.

        :raises RuleError: there is no such rule, or the state has expired already.
        """

    async def history(self, rule_id: str | None = None) -> Sequence[StateRecord]:
        """The audit trail, oldest first: of one rule, or of all."""

    def subscribe_changes(self) -> Changes:
        """What changes from now on. Subscribe first, load then: nothing is lost in between, some things come twice.

        Needs a running event loop; close what it returns.
        """

    async def aclose(self) -> None:
        """Stop watching; open subscriptions end."""


def state_of(states: Mapping[str, RuleState], rule_id: str, now: int) -> RuleState:
    """What holds for ``rule_id`` at ``now``."""
    return states.get(rule_id, ENABLED).in_force(now)
