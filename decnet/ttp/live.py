"""Rules that change while events are evaluated: each event meets one version of every rule, from start to end.

The large index of all rules takes its time to build, so a changed rule first goes into a small one beside it, in
milliseconds; what the large one says of that rule no longer counts. When edits pause, the large index is built anew in
the background. For the same reason a first start begins with a large index that needs no compiling, where an event
costs more; the fast one takes its place within seconds, and later starts find it in the cache. What is in force is one
immutable snapshot, replaced in one assignment.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING

from decnet.models.event import COMMAND, SESSION, STARTED, CommandPayload, SessionPayload
from decnet.ttp.emit import tags_of
from decnet.ttp.engine import Reading, RuleEngine, is_shell_line
from decnet.ttp.index import Hit
from decnet.ttp.lifter_engine import BoundRule, LifterEngine, LifterHit, bind_rule, lifted_tags
from decnet.ttp.lifters.base import Joins
from decnet.ttp.pack import CompiledEmit, Pack
from decnet.ttp.session_engine import SessionEngine, SessionHit
from decnet.ttp.sessions import ShellSessions, nothing_earlier
from decnet.ttp.store.filesystem import default_rules_folder
from decnet.ttp.tables import PackTables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from decnet.models.event import Event, Payload, SourceKind
    from decnet.models.finding import Finding
    from decnet.models.rule_state import RuleState
    from decnet.models.tag import TTPTag
    from decnet.shell import ShellState
    from decnet.ttp.engine import Findings
    from decnet.ttp.lifters.base import Seen, Tables
    from decnet.ttp.pack import CompiledRule
    from decnet.ttp.session_engine import SessionEvent
    from decnet.ttp.sessions import EarlierCommands
    from decnet.ttp.store.base import Changes, LoadedRules, RuleChange, RuleStore

log = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
"""Edits pause when none came for so long."""
MANY_RECENT = 64
"""Rules in the small index beyond which it is folded into the large one without waiting for a pause."""


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    """Everything that decides about an event. ``recent`` holds the rules of ``outdated`` that are still there."""

    rules: Mapping[str, CompiledRule]
    states: Mapping[str, RuleState]
    engine: RuleEngine
    sessions: SessionEngine
    lifters: LifterEngine
    outdated: frozenset[str] = frozenset()
    recent: RuleEngine | None = None

    def handles(self, kind: SourceKind) -> bool:
        return self.reads(kind) or self.lifters.handles(kind)

    def reads(self, kind: SourceKind) -> bool:
        """Whether any rule looks at texts of events of this kind."""
        return self.engine.handles(kind) or (self.recent is not None and self.recent.handles(kind))

    def read(self, text: str, state: ShellState) -> Reading:
        reading = self.engine.read(text, state)
        if not self.outdated and not self.states:
            return reading
        recent = self.recent.read(text, state).findings if self.recent is not None else []
        return reading._replace(findings=self._in_force(reading.findings, recent))

    def show(self, kind: SourceKind, payload: Payload) -> Findings:
        shown = self.engine.show(kind, payload)
        if not self.outdated and not self.states:
            return shown
        return self._in_force(shown, self.recent.show(kind, payload) if self.recent is not None else [])

    def _in_force(self, findings: Findings, recent: Findings) -> Findings:
        if self.outdated:
            findings = [found for found in findings if found[0].rule.rule_id not in self.outdated]
            findings = sorted(findings + recent, key=lambda found: found[0].rule.rule_id)
        if not self.states:
            return findings
        return [(hit, evidence) for found, evidence in findings if (hit := self._in_state(found)) is not None]

    def _in_state(self, hit: Hit) -> Hit | None:
        state = self.states.get(hit.rule.rule_id)
        if state is None:
            return hit
        emits = _emits_in(hit.emits, state)
        return Hit(hit.rule, emits, hit.proof) if emits else None

    def lifter_hits(self, seen: Seen) -> Sequence[LifterHit]:
        hits = self.lifters.hits(seen)
        if not hits or not self.states:
            return hits
        return [hit for found in hits if (hit := self._lifted_in_state(found)) is not None]

    def _lifted_in_state(self, hit: LifterHit) -> LifterHit | None:
        state = self.states.get(hit.rule.rule_id)
        if state is None:
            return hit
        return None if state.mode == "disabled" else hit._replace(emits=_emits_in(hit.emits, state))

    def session_hits(self, events: Iterable[SessionEvent]) -> list[SessionHit]:
        hits = self.sessions.hits(events)
        return [hit for found in hits if (hit := self._session_in_state(found)) is not None] if self.states else hits

    def _session_in_state(self, hit: SessionHit) -> SessionHit | None:
        state = self.states.get(hit.rule.rule_id)
        if state is None:
            return hit
        emits = _emits_in(hit.rule.emits, state)
        return SessionHit(replace(hit.rule, emits=emits), hit.proof) if emits else None


class LiveRules:
    """A tagger, and an evaluator of findings and sessions, by whatever rules are in force.

    ``tables`` are those that rules name (default: of the pack that ships), ``joins`` what lifters may ask besides. A
    term whose table cannot be used is left out with a line of log and stands in :attr:`faults`; the rest of its rule
    goes on.

    Threads that tag events take turns, and so do those that judge sessions; :meth:`apply` and :meth:`rebuild` may be
    called by others meanwhile. Tagging may wait for the database (``earlier_commands``), judging never does: it may be
    done within a transaction, while another thread tags.
    """

    def __init__(
        self,
        loaded: LoadedRules,
        *,
        earlier_commands: EarlierCommands = nothing_earlier,
        tables: Tables | None = None,
        joins: Joins | None = None,
    ) -> None:
        self._tables: Tables = tables or PackTables([default_rules_folder()])
        self._joins = joins or Joins()
        self._shells = ShellSessions(earlier_commands)
        self._turn = threading.Lock()
        self._tagging = threading.Lock()
        self._judging = threading.Lock()
        self._snapshot = _Snapshot(
            {rule.rule_id: rule for rule in loaded.pack.rules},
            {rule_id: state for rule_id, state in loaded.states.items() if state.mode != "enabled"},
            RuleEngine(loaded.pack, engine="ready"),
            SessionEngine(loaded.pack),
            LifterEngine(map(self._bound, filter(attrgetter("lifters"), loaded.pack.rules))),
        )

    @property
    def pack(self) -> Pack:
        """The rules in force now, whatever their states."""
        rules = self._snapshot.rules
        return _pack_of([rules[rule_id] for rule_id in sorted(rules)])

    @property
    def recent(self) -> int:
        """How many rules changed since the large index was built."""
        return len(self._snapshot.outdated)

    @property
    def is_provisional(self) -> bool:
        """Whether the large index is the one that was ready at the start; :meth:`rebuild` makes the fast one."""
        return self._snapshot.engine.is_provisional

    @property
    def kinds(self) -> frozenset[SourceKind]:
        """Kinds of events that session rules look at."""
        return self._snapshot.sessions.kinds

    def handles(self, kind: SourceKind) -> bool:
        """Whether any rule looks at events of this kind."""
        return self._snapshot.handles(kind)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with tables that rules in force name: ``file: term: what; way out``."""
        return self._snapshot.lifters.faults

    @property
    def lifted_rules(self) -> frozenset[str]:
        """The ids of rules of which a lifter decides something; a rule whose joins are absent is none of them."""
        return self._snapshot.lifters.rules

    @property
    def lifter_failures(self) -> Mapping[str, int]:
        """How often each lifter failed on what it was shown."""
        return self._snapshot.lifters.failures

    def tag(self, event: Event) -> list[TTPTag]:
        """The tags of every rule that fires on ``event``, by the rules and states in force when it was called."""
        snapshot = self._snapshot
        with self._tagging:
            tags = self._text_tags(event, snapshot)
        lifted = snapshot.lifter_hits(event)
        if not lifted:
            return tags
        known = {tag.uuid for tag in tags}
        return tags + [tag for tag in lifted_tags(event, lifted) if tag.uuid not in known]

    def tags_of_findings(self, findings: Iterable[Finding]) -> list[TTPTag]:
        """The tags of every rule that fires on one of ``findings``, each revision by itself."""
        snapshot = self._snapshot
        return [tag for finding in findings for tag in lifted_tags(finding, snapshot.lifter_hits(finding))]

    def lifter_hits(self, seen: Seen) -> Sequence[LifterHit]:
        """The rules that fire on ``seen`` by what lifters see, those that emit nothing too."""
        return self._snapshot.lifter_hits(seen)

    def _bound(self, rule: CompiledRule) -> BoundRule:
        bound = bind_rule(rule, self._tables, self._joins)
        for fault in bound.faults:
            log.warning("%s", fault)
        return bound

    def _text_tags(self, event: Event, snapshot: _Snapshot) -> list[TTPTag]:
        kind, payload = event.source_kind, event.payload
        if kind == SESSION and isinstance(payload, SessionPayload) and payload.action == STARTED:
            self._shells.begin(event)
        if not snapshot.reads(kind):
            return []
        if kind == COMMAND and isinstance(payload, CommandPayload) and is_shell_line(payload):
            reading = snapshot.read(payload.command_text, self._shells.before(event))
            self._shells.after(event, reading.state)
            findings = reading.findings
        else:
            findings = snapshot.show(kind, payload)
        return tags_of(event, findings) if findings else []

    def forget_sessions(self) -> None:
        """Rebuild what sessions know from what is stored, each when its next command comes."""
        with self._tagging:
            self._shells.forget()

    def hits(self, events: Iterable[SessionEvent]) -> list[SessionHit]:
        """The session rules that fire on ``events``, as :meth:`~decnet.ttp.session_engine.SessionEngine.hits`."""
        with self._judging:
            return self._snapshot.session_hits(events)

    def apply(self, change: RuleChange) -> None:
        """From the next event on, ``change`` holds. Applying it twice does no harm.

        A version whose lifter terms cannot be bound is reported, and the one before it stays in force.
        """
        with self._turn:
            old = self._snapshot
            states = {rule_id: state for rule_id, state in old.states.items() if rule_id != change.rule_id}
            if change.state.mode != "enabled":
                states[change.rule_id] = change.state
            before, after = old.rules.get(change.rule_id), change.rule
            bound = self._bound(after) if after is not before and after is not None and after.lifters else None
            if after is before or (bound is not None and bound.faults and before is not None):
                self._snapshot = replace(old, states=states)
                return
            rules = {rule_id: rule for rule_id, rule in old.rules.items() if rule_id != change.rule_id}
            if after is not None:
                rules[change.rule_id] = after
            has_session = any(rule is not None and rule.session is not None for rule in (before, after))
            sessions = SessionEngine(_pack_of(rules.values())) if has_session else old.sessions
            lifters = old.lifters.with_rule(change.rule_id, bound)
            outdated = old.outdated | {change.rule_id}
            self._snapshot = _Snapshot(rules, states, old.engine, sessions, lifters, outdated, _recent(rules, outdated))

    def rebuild(self) -> None:
        """Fold what changed into the large index; takes up to a second, while events go on being evaluated."""
        built = self._snapshot.rules
        engine = RuleEngine(_pack_of(built.values()))
        with self._turn:
            now = self._snapshot
            outdated = frozenset(
                rule_id
                for rule_id in built.keys() | now.rules.keys()
                if built.get(rule_id) is not now.rules.get(rule_id)
            )
            self._snapshot = replace(now, engine=engine, outdated=outdated, recent=_recent(now.rules, outdated))


@asynccontextmanager
async def watch_store(
    store: RuleStore,
    *,
    earlier_commands: EarlierCommands = nothing_earlier,
    tables: Tables | None = None,
    joins: Joins | None = None,
    on_change: Callable[[RuleChange], None] | None = None,
    pause_seconds: float = PAUSE_SECONDS,
) -> AsyncIterator[LiveRules]:
    """The rules of ``store``, kept up to date as long as the context lasts.

    ``on_change`` is called with each change once it is in force; the rest is as for :class:`LiveRules`.

    :raises RuleError: the store has no rules that can be used.
    """
    with store.subscribe_changes() as changes:
        loaded = await store.load_compiled()
        live = await asyncio.to_thread(LiveRules, loaded, earlier_commands=earlier_commands, tables=tables, joins=joins)
        async with asyncio.TaskGroup() as tasks:
            follower = tasks.create_task(_follow(changes, live, on_change, pause_seconds))
            try:
                yield live
            finally:
                follower.cancel()


async def _follow(
    changes: Changes, live: LiveRules, on_change: Callable[[RuleChange], None] | None, pause_seconds: float
) -> None:
    """Apply changes as they come; fold them into the large index when they pause, or are many."""
    rebuild = asyncio.create_task(asyncio.to_thread(live.rebuild)) if live.is_provisional else None
    try:
        while True:
            is_idle = rebuild is None or rebuild.done()
            change: RuleChange | None = None
            with suppress(TimeoutError):
                change = await asyncio.wait_for(anext(changes), pause_seconds if live.recent else None)
            if change is not None:
                if change.what == "state":
                    live.apply(change)  # no index is touched: at once
                else:
                    await asyncio.to_thread(live.apply, change)
                if on_change is not None:
                    on_change(change)
            if is_idle and live.recent and (change is None or live.recent > MANY_RECENT):
                rebuild = asyncio.create_task(asyncio.to_thread(live.rebuild))
    except StopAsyncIteration:
        return
    finally:
        if rebuild is not None:
            await rebuild


def _emits_in(emits: Iterable[CompiledEmit], state: RuleState) -> tuple[CompiledEmit, ...]:
    """What is left of ``emits`` in that state."""
    return tuple(
        CompiledEmit(item.emit.model_copy(update={"confidence": allowed}), item.when)
        for item in emits
        if (allowed := state.allowed(item.emit.confidence)) is not None
    )


def _recent(rules: Mapping[str, CompiledRule], outdated: Iterable[str]) -> RuleEngine | None:
    """A small engine for those of ``outdated`` that are there; RE2 alone is ready at once, and finds the same."""
    changed = [rules[rule_id] for rule_id in sorted(outdated) if rule_id in rules]
    return RuleEngine(_pack_of(changed), engine="re2") if changed else None


def _pack_of(rules: Iterable[CompiledRule]) -> Pack:
    ordered = tuple(sorted(rules, key=lambda rule: rule.rule_id))
    names = "\n".join(f"{rule.rule_id} {rule.rule.rule_version} {id(rule)}" for rule in ordered)
    return Pack(ordered, sha256(names.encode()).hexdigest())
