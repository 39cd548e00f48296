"""Rules about whole sessions: all events of a session that has ended, through the steps of those rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from decnet.models.actor import attacker_uuid
from decnet.models.event import COMMAND, SESSION, CommandPayload, SourceKind
from decnet.models.ids import uuid_text
from decnet.shell import EMPTY, unroll
from decnet.ttp.condition import CommandFound, finder_of
from decnet.ttp.emit import Subject, evidence_of, rule_tags
from decnet.ttp.engine import (
    COMMAND_TEXT,
    MAX_REMEMBERED_CHARS,
    REMEMBERED_TEXTS,
    AskedFields,
    is_shell_line,
    text_fields,
)
from decnet.ttp.index import RuleIndex
from decnet.ttp.memory import Memory
from decnet.ttp.pack import CompiledEmit, Pack
from decnet.ttp.scan_cache import ScanCache
from decnet.ttp.session_condition import Place, SessionProof, Sighting, Step, holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from decnet.models.actor import SessionUuid
    from decnet.models.event import Payload
    from decnet.models.tag import TTPTag
    from decnet.shell import ShellState
    from decnet.ttp.condition import Found
    from decnet.ttp.index import Hit
    from decnet.ttp.pack import CompiledRule
    from decnet.ttp.session_condition import SessionCondition

MAX_EVENTS = 10_000
"""Events of one session that are looked at; what a longer session does after them shows in its earlier ones."""
MAX_SIGHTINGS = 2_000
"""Sightings of one step that are kept."""
PlacedHit = tuple["Hit", int]
"""A step that an event made true, and where in the event's text."""

MAX_QUOTED = 5
"""Sightings that evidence quotes."""


class SessionEvent(Protocol):
    """What is looked at of an event of a session; an :class:`~decnet.models.event.Event` has it, a stored row too."""

    @property
    def id(self) -> bytes:
        """The event's id."""

    @property
    def observed_at(self) -> int:
        """µs UTC."""

    @property
    def seq(self) -> int:
        """Breaks ties of ``observed_at``."""

    @property
    def source_kind(self) -> SourceKind:
        """Tells the type of ``payload``."""

    @property
    def payload(self) -> Payload:
        """What happened."""


class EndedSession(NamedTuple):
    """A session whose rules are due; ``started_at`` is frozen since its first row, so its tags keep their ids."""

    uuid: SessionUuid
    started_at: int
    src_ip: str
    decky_id: str


@dataclass(frozen=True, slots=True)
class SessionHit:
    """A session rule that fired, and what proves it."""

    rule: CompiledRule
    proof: SessionProof


class SessionRules(Protocol):
    """Whatever evaluates rules about whole sessions."""

    @property
    def kinds(self) -> frozenset[SourceKind]:
        """Kinds of events that these rules look at; a session without any of them shows nothing."""

    def hits(self, events: Iterable[SessionEvent]) -> list[SessionHit]:
        """The rules that fire on a session with ``events``, which are in order of (observed_at, seq)."""


class SessionEngine:
    """Evaluates the rules with ``phase: session_end`` of one pack."""

    def __init__(self, pack: Pack) -> None:
        self._rules: list[tuple[CompiledRule, SessionCondition]] = [
            (rule, rule.session) for rule in pack.rules if rule.session is not None
        ]
        self._steps: dict[CompiledRule, Step] = {}
        for rule, condition in self._rules:
            for step in condition.all_steps():
                self._steps[_rule_of_step(rule, step)] = step
        self._readings: Memory[tuple[list[PlacedHit], ShellState]] = Memory(REMEMBERED_TEXTS)
        self._index = RuleIndex(Pack(tuple(self._steps), pack.digest), cache=ScanCache())
        self._asked = AskedFields(self._index)
        self._shown: Memory[list[PlacedHit]] = Memory(REMEMBERED_TEXTS)
        self._kinds = frozenset(SourceKind(step.kind) for step in self._steps.values())

    @property
    def kinds(self) -> frozenset[SourceKind]:
        """Kinds of events that session rules look at; a session without any of them shows nothing."""
        return self._kinds

    def hits(self, events: Iterable[SessionEvent]) -> list[SessionHit]:
        """The rules that fire on a session with ``events``, which are in order of (observed_at, seq)."""
        sightings: dict[Step, list[Sighting]] = {}
        for step, sighting in self._sightings(events):
            seen = sightings.setdefault(step, [])
            if len(seen) < MAX_SIGHTINGS:
                seen.append(sighting)
        hits = []
        for rule, condition in self._rules:
            proof: SessionProof = {}
            if sightings and holds(condition, sightings, proof):
                hits.append(SessionHit(rule, proof))
        return hits

    def _sightings(self, events: Iterable[SessionEvent]) -> Iterator[tuple[Step, Sighting]]:
        state = EMPTY
        for event in islice(events, MAX_EVENTS):
            kind, payload = event.source_kind, event.payload
            if kind not in self._kinds:
                continue
            if kind == COMMAND and isinstance(payload, CommandPayload) and is_shell_line(payload):
                fields = {COMMAND_TEXT: payload.command_text}
                found, state = self._read(payload.command_text, state)
            else:
                found = self._show(kind, payload)
                fields = text_fields(payload) if found else {}
            for hit, offset in found:
                step = self._steps[hit.rule]
                place = Place(event.observed_at, event.seq, offset)
                value = fields.get(step.distinct, "") if step.distinct else ""
                yield step, Sighting(place, event.id, value, hit.proof, fields)

    def _show(self, kind: SourceKind, payload: Payload) -> list[PlacedHit]:
        key = self._asked.key(kind, payload)
        known = self._shown.get(key) if key is not None else None
        if known is None:
            fields = text_fields(payload)
            known = _placed(self._index.match(kind, fields), fields)
            if key is not None:
                self._shown.put(key, known)
        return known

    def _read(self, text: str, state: ShellState) -> tuple[list[PlacedHit], ShellState]:
        key = (text, state.digest)
        known = self._readings.get(key)
        if known is None:
            unrolled = unroll(text, state)
            fields = {COMMAND_TEXT: text}
            known = _placed(self._index.match(COMMAND, fields, unrolled.commands), fields), unrolled.state
            if len(text) <= MAX_REMEMBERED_CHARS:
                self._readings.put(key, known)
        return known


def session_tags(session: EndedSession, hits: Iterable[SessionHit]) -> list[TTPTag]:
    """One tag per emit of each hit, on the session as a whole."""
    source_id = f"session:{uuid_text(session.uuid)}"
    attacker = attacker_uuid(session.src_ip)
    subject = Subject(SESSION, source_id, session.started_at, attacker, None, session.uuid, session.decky_id)
    return [tag for hit in hits for tag in rule_tags(subject, hit.rule, hit.rule.emits, _evidence_of(hit))]


def _evidence_of(hit: SessionHit) -> dict[str, object]:
    """The events that prove it, in their order, with the first few quoted."""
    seen = sorted({sighting for found in hit.proof.values() for sighting in found}, key=lambda sighting: sighting.place)
    return {
        "terms": list(hit.proof),
        "events": [sighting.event.hex() for sighting in seen[:MAX_QUOTED]],
        "matched": [_quoted(sighting) for sighting in seen[:MAX_QUOTED]],
        "count": len(seen),
        "first": seen[0].place.observed_at if seen else 0,
        "last": seen[-1].place.observed_at if seen else 0,
    }


def _quoted(sighting: Sighting) -> str:
    return str(evidence_of(COMMAND, sighting.proof, sighting.fields)["matched"])


def _rule_of_step(rule: CompiledRule, step: Step) -> CompiledRule:
    """``rule`` narrowed to one step, in the form that the index takes."""
    emits = (CompiledEmit(rule.rule.emits[0], None),)
    return replace(rule, conditions={step.kind: step.condition}, emits=emits, session=None)


def _placed(hits: Iterable[Hit], fields: Mapping[str, str]) -> list[PlacedHit]:
    """Each hit with where in its text it was first seen; 0 where that cannot be said."""
    return [(hit, min((_start(found, fields) for found in hit.proof.values()), default=0)) for hit in hits]


def _start(found: Found, fields: Mapping[str, str]) -> int:
    if isinstance(found, CommandFound):
        return found.command.start
    span = finder_of(found)(fields[found.field].encode())
    return span[0] if span else 0
