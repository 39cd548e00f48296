"""Rules that ask lifters: what several events show, or one event shows to more than a look at its text.

A rule is evaluated as a whole, its text terms included, on each struct that one of its lifter terms looks at; what
texts alone decide stays with the text engine. Rules are found by the type of what an event or finding holds, so one
that no lifter looks at costs a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from decnet.errors import RuleError, StorageUnavailable
from decnet.models.event import EMAIL, PAYLOAD_TYPES, Event, SourceKind
from decnet.models.rule import DEFAULT_FIELDS
from decnet.models.tag import evidence_keys
from decnet.ttp.condition import LIFTER, Condition, Leaf, condition_of, decidable, evaluate, finder_of
from decnet.ttp.emit import evidence_of, rule_tags, subject_of_event, subject_of_finding
from decnet.ttp.engine import text_fields
from decnet.ttp.lifters.registry import PREDICATES, owner_of
from decnet.ttp.pack import CompiledEmit
from decnet.ttp.tagger import Failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from decnet.models.rule import Term
    from decnet.models.tag import TTPTag
    from decnet.ttp.condition import Found, Proof
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Predicate, Seen, Sight, Tables
    from decnet.ttp.pack import CompiledRule

EMAIL_PARTS = frozenset(map(SourceKind, ("email_header", "email_body", "email_attachment")))
"""A mail is one event; a rule about one of its parts looks at that event, and its tags are of the part."""
_CONFIDENCE_DIGITS = 4
_finder = lru_cache(1_024)(finder_of)


class LifterHit(NamedTuple):
    """A rule that fired on what a lifter looks at: the emits that apply, what shows it, and what was seen.

    A rule that emits nothing is here too: what it finds changes how others are seen. ``kind`` is that of the tags. The
    confidences are the rule's; what was seen may lower them in the tags.
    """

    rule: CompiledRule
    emits: tuple[CompiledEmit, ...]
    kind: SourceKind
    evidence: Mapping[str, object]
    sights: Sequence[Sight]


class _Bound(NamedTuple):
    """A lifter term, bound: whose it is, what it looks at, and the function."""

    owner: str
    looks_at: tuple[type, ...]
    look: Look


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """A rule as one struct sees it. ``kinds``: kind of what is seen → kind of the tags."""

    rule: CompiledRule
    kinds: Mapping[SourceKind, SourceKind]
    match: Condition
    whens: tuple[Condition | None, ...]
    bound: Mapping[str, _Bound]
    denied: frozenset[str]
    """Paths of lifter terms under a ``not``: where one of them fails, nothing follows from its silence."""
    gates: tuple[tuple[str, Look], ...]
    """Lifter terms of which one is true whenever ``match`` is; none where that cannot be said."""


class TermFault(NamedTuple):
    """A term that cannot be bound: the rule file, the path of the term in it, and what is wrong with its way out."""

    file: Path
    term: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.term}: {self.message}"


@dataclass(frozen=True, slots=True, eq=False)
class BoundRule:
    """A rule with its lifter terms bound, per struct that they look at; ``faults`` are of terms that could not be."""

    rule_id: str
    questions: Mapping[type, _Question] = field(default_factory=dict)
    faults: tuple[TermFault, ...] = ()


def bind_rule(
    rule: CompiledRule, tables: Tables, joins: Joins, predicates: Mapping[str, Predicate] = PREDICATES
) -> BoundRule:
    """``rule`` with every term bound that can be; a term of a lifter that is not there waits."""
    bound: dict[str, _Bound] = {}
    faults: list[TermFault] = []
    for term in rule.lifters:
        predicate = predicates.get(term.predicate)
        if predicate is None:
            continue
        try:
            look = predicate.bind(term.parameters, tables, joins)
        except RuleError as error:
            faults += [TermFault(rule.path, term.path, fault) for fault in error.faults]
            continue
        if lost := _lost(rule, predicate, term.parameters, tables):
            faults += [TermFault(rule.path, term.path, fault) for fault in lost]
            continue
        if look is not None:
            bound[term.path] = _Bound(owner_of(term.predicate), predicate.looks_at, look)
    shapes = {shape for one in bound.values() for shape in one.looks_at}
    questions = {shape: question for shape in shapes if (question := _question(rule, shape, bound)) is not None}
    return BoundRule(rule.rule_id, questions, tuple(faults))


def _lost(rule: CompiledRule, predicate: Predicate, parameters: Parameters, tables: Tables) -> list[str]:
    """The techniques that a table can name and the rule does not emit."""
    if predicate.shows is None:
        return []
    emitted = {(item.emit.technique_id, item.emit.sub_technique_id) for item in rule.emits}
    names = sorted(sub or technique for technique, sub in predicate.shows(parameters, tables) - emitted)
    return [f"the table names {name}, which the rule does not emit; add it to emits" for name in names]


class LifterEngine:
    """The questions of all rules. Immutable but for the counts of failures; made anew when a rule changes."""

    def __init__(self, rules: Iterable[BoundRule], failures: dict[str, Failures] | None = None) -> None:
        self._rules = {rule.rule_id: rule for rule in rules}
        self._failures: dict[str, Failures] = {} if failures is None else failures
        self._asked: dict[tuple[type, SourceKind], list[tuple[_Question, SourceKind]]] = {}
        for _, rule in sorted(self._rules.items()):
            for shape, question in rule.questions.items():
                for seen, tagged in question.kinds.items():
                    self._asked.setdefault((shape, seen), []).append((question, tagged))
        self._kinds = {kind for _, kind in self._asked}

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each lifter failed; those that never did are not in it."""
        return {lifter: failures.count for lifter, failures in self._failures.items()}

    @property
    def rules(self) -> frozenset[str]:
        """The ids of the rules that something can be asked of."""
        return frozenset(rule_id for rule_id, rule in self._rules.items() if rule.questions)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with tables and parameters, in order of rule id: ``file: term: what; way out``."""
        return tuple(str(fault) for _, rule in sorted(self._rules.items()) for fault in rule.faults)

    def handles(self, kind: SourceKind) -> bool:
        """Whether any lifter looks at events or findings of this kind."""
        return kind in self._kinds

    def with_rule(self, rule_id: str, bound: BoundRule | None) -> LifterEngine:
        """The same with ``bound`` in place of what that rule was."""
        if bound is None and rule_id not in self._rules:
            return self
        others = (rule for name, rule in self._rules.items() if name != rule_id)
        return LifterEngine([*others, *([bound] if bound is not None else [])], self._failures)

    def hits(self, seen: Seen) -> Sequence[LifterHit]:
        """The rules that fire on ``seen``, in order of id. A lifter that fails costs its own hits, and is counted."""
        shape = type(seen.payload if isinstance(seen, Event) else seen.figures)
        asked = self._asked.get((shape, seen.source_kind))
        if asked is None:
            return ()
        found = []
        for question, kind in asked:
            answers = self._answers(question, seen)
            if answers is not None and (hit := self._hit(question, answers, seen, kind)) is not None:
                found.append(hit)
        return found

    def _hit(self, question: _Question, answers: _Answers, seen: Seen, kind: SourceKind) -> LifterHit | None:
        proof: Proof = {}
        if not evaluate(question.match, answers.truth, proof):
            return None
        emits = question.rule.emits
        if question.whens:
            pairs = zip(emits, question.whens, strict=True)
            emits = tuple(emit for emit, when in pairs if when is None or evaluate(when, answers.truth, proof))
        if answers.is_doubtful:
            return None
        sights = [sight for path in proof if (sight := answers.sights.get(path)) is not None]
        evidence = self._evidence(question, seen, kind, proof, sights)
        return None if evidence is None else LifterHit(question.rule, emits, kind, evidence, sights)

    def _answers(self, question: _Question, seen: Seen) -> _Answers | None:
        """Who answers for the terms; None where no gate is open, which is what most events come to."""
        for path, look in question.gates:
            try:
                sight = look(seen)
            except Exception:  # noqa: BLE001 - asked again below, where it is counted
                return _Answers(question, seen, self._failures)
            if sight is not None:
                return _Answers(question, seen, self._failures, {path: sight})
        return None if question.gates else _Answers(question, seen, self._failures)

    def _evidence(
        self, question: _Question, seen: Seen, kind: SourceKind, proof: Proof, sights: Sequence[Sight]
    ) -> Mapping[str, object] | None:
        """What the tags carry; None where a lifter gives a key that the kind does not declare."""
        evidence: dict[str, object] = {}
        texts = {path: found for path, found in proof.items() if path not in question.bound}
        if texts and isinstance(seen, Event):
            evidence.update(evidence_of(kind, texts, text_fields(seen.payload)))
        for sight in reversed(sights):  # what was seen first says what stands in a key of several
            evidence.update(sight.evidence)
        if evidence.keys() <= evidence_keys(kind):
            return evidence
        unknown = ", ".join(sorted(evidence.keys() - evidence_keys(kind)))
        error = TypeError(f"{question.rule.rule_id}: evidence of {kind} has no key {unknown}")
        for owner in sorted({question.bound[path].owner for path in proof if path in question.bound}):
            _failures_of(owner, self._failures).note(error, kind, _source_id(seen))
        return None


class _Answers:
    """What is true of one event or finding, each term asked at most once."""

    def __init__(
        self,
        question: _Question,
        seen: Seen,
        failures: dict[str, Failures],
        sights: dict[str, Sight] | None = None,
    ) -> None:
        self._question = question
        self._seen = seen
        self._failures = failures
        self._fields: dict[str, str] | None = None
        self.sights = sights or {}
        self._asked = dict.fromkeys(self.sights, True)
        self.is_doubtful = False

    def truth(self, condition: Condition) -> Found | None:
        """The leaf of ``condition`` where it is true."""
        leaf = condition.leaf
        if not isinstance(leaf, Leaf):
            return None
        if leaf.operator == LIFTER:
            known = self._asked.get(condition.path)
            if known is None:
                known = self._asked[condition.path] = self._ask(condition.path)
            return leaf if known else None
        if self._fields is None:
            self._fields = text_fields(self._seen.payload) if isinstance(self._seen, Event) else {}
        text = self._fields.get(leaf.field)
        return leaf if text and _finder(leaf)(text.encode()) is not None else None

    def _ask(self, path: str) -> bool:
        bound = self._question.bound[path]
        try:
            sight = bound.look(self._seen)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a tagger's boundary: what is seen is untrusted, other tags stand
            _failures_of(bound.owner, self._failures).note(error, self._seen.source_kind, _source_id(self._seen))
            self.is_doubtful |= path in self._question.denied
            return False
        if sight is None:
            return False
        self.sights[path] = sight
        return True


def lifted_tags(seen: Seen, hits: Iterable[LifterHit]) -> list[TTPTag]:
    """One tag per emit of each hit, with the confidence that what was seen leaves it."""
    tags: list[TTPTag] = []
    for hit in hits:
        subject = subject_of_event(seen, hit.kind) if isinstance(seen, Event) else subject_of_finding(seen, hit.kind)
        tags += rule_tags(subject, hit.rule, emits_shown(hit), hit.evidence)
    return tags


def _question(rule: CompiledRule, shape: type, bound: Mapping[str, _Bound]) -> _Question | None:
    """``rule`` as ``shape`` sees it; None where no lifter has a part in that."""
    own = {path: one for path, one in bound.items() if shape in one.looks_at}
    event_kind = next((kind for kind, payload in PAYLOAD_TYPES.items() if payload is shape), None)
    fields = PAYLOAD_TYPES[event_kind].__struct_fields__ if event_kind is not None else ()

    def can_decide(condition: Condition) -> bool:
        leaf = condition.leaf
        if not isinstance(leaf, Leaf):
            return False  # no lifter looks at shell text
        return condition.path in own if leaf.operator == LIFTER else leaf.field in fields

    def decided(term: Term, path: str) -> Condition | None:
        return decidable(condition_of(term, DEFAULT_FIELDS.get(event_kind or "", ""), path), can_decide)

    whens = tuple(
        None if emit.emit.when is None else decided(emit.emit.when, f"emits[{number}].when") or _never(number)
        for number, emit in enumerate(rule.emits)
    )
    asks_in_when = any(when is not None and set(_paths(when)) & own.keys() for when in whens)
    match = decided(rule.rule.match, "match")
    if match is not None and not asks_in_when:
        match = _of_lifters(match, own)
    if match is None:
        return None
    kinds = {SourceKind(kind): SourceKind(kind) for kind in rule.rule.applies_to}
    part = next((kind for kind in kinds if kind in EMAIL_PARTS), None)
    if part is not None:
        kinds.setdefault(EMAIL, part)
    denied = frozenset(path for tree in (match, *whens) if tree is not None for path in _denied(tree))
    needs_whens = any(when is not None for when in whens)
    gates = tuple((path, own[path].look) for path in _gates(match, own) or ())
    return _Question(rule, kinds, match, whens if needs_whens else (), own, denied, gates)


def _gates(condition: Condition, own: Mapping[str, _Bound]) -> tuple[str, ...] | None:
    """Paths of lifter terms of which one is true whenever ``condition`` is; None where a text or a ``not`` may do."""
    if condition.leaf is not None:
        return (condition.path,) if condition.path in own else None
    if condition.operator == "not":
        return None
    parts = [_gates(part, own) for part in condition.parts]
    known = [part for part in parts if part is not None]
    if condition.operator == "all":
        return min(known, key=len, default=None)
    return tuple(path for part in known for path in part) if len(known) == len(parts) else None


def _of_lifters(condition: Condition, own: Mapping[str, _Bound]) -> Condition | None:
    """What of an outermost ``any`` a lifter has a part in: the text engine fires on the rest."""
    parts = condition.parts if condition.operator == "any" else (condition,)
    asking = tuple(part for part in parts if set(_paths(part)) & own.keys())
    if not asking:
        return None
    return asking[0] if len(asking) == 1 else replace(condition, parts=asking)


def _never(number: int) -> Condition:
    """The condition of an emit that this struct cannot bring about."""
    return Condition("any", f"emits[{number}].when")


def _paths(condition: Condition) -> Iterator[str]:
    if condition.leaf is not None:
        yield condition.path
    for part in condition.parts:
        yield from _paths(part)


def _denied(condition: Condition) -> Iterator[str]:
    """The leaves below every ``not``."""
    for part in condition.parts:
        yield from _paths(part) if condition.operator == "not" else _denied(part)


def emits_shown(hit: LifterHit) -> Iterator[CompiledEmit]:
    """The emits of ``hit`` with the confidence that what was seen leaves them."""
    factor = 1.0
    for sight in hit.sights:
        factor *= min(sight.factor, 1.0)
    choices = [sight.confidences for sight in hit.sights if sight.confidences is not None]
    for item in hit.emits:
        emit = item.emit
        technique = (emit.technique_id, emit.sub_technique_id)
        if choices and not any(technique in choice for choice in choices):
            continue
        most = min((choice[technique] for choice in choices if technique in choice), default=1.0)
        confidence = round(min(emit.confidence, most) * factor, _CONFIDENCE_DIGITS)
        yield item if confidence == emit.confidence else _weaker(item, confidence)


def _weaker(item: CompiledEmit, confidence: float) -> CompiledEmit:
    return CompiledEmit(item.emit.model_copy(update={"confidence": confidence}), item.when)


def _source_id(seen: Seen) -> str:
    return seen.id.hex() if isinstance(seen, Event) else seen.source_id


def _failures_of(owner: str, failures: dict[str, Failures]) -> Failures:
    return failures.setdefault(owner, Failures(f"lifter {owner}"))
