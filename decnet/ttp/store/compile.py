"""Rule files become a pack, or a list of every fault in them: ``rules/ttp/R0012.yaml:14: what; way out``."""

from __future__ import annotations

from difflib import get_close_matches
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from decnet.errors import CatalogueError, RuleError
from decnet.models.event import PAYLOAD_TYPES, SESSION, SourceKind
from decnet.models.rule import (
    COMMAND_KINDS,
    DEFAULT_FIELDS,
    SANDBOX_CONFIDENCE,
    SESSION_OPERATORS,
    Case,
    CaseEvent,
    Count,
    Emit,
    Exec,
    NOf,
    Rule,
    SessionCaseEvent,
    Term,
)
from decnet.ttp.condition import LIFTER, Condition, condition_of, decidable
from decnet.ttp.exec_term import PATTERN_PARTS, ExecTerm
from decnet.ttp.pack import CompiledEmit, CompiledRule, LifterTerm, Pack
from decnet.ttp.session_condition import DEFAULT_KIND, session_condition_of
from decnet.ttp.store.pattern import pattern_fault, program_size
from decnet.ttp.store.yaml_file import YamlFile, read_yaml
from decnet.ttp.tagger import KNOWN_SOURCE_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from decnet.attack.catalog import Catalog
    from decnet.ttp.store.parsed import Parsed

    CatalogLoader = Callable[[str], Catalog]

MAX_RULE_PROGRAM = 20_000
"""RE2 instructions of all patterns of a rule: what a file may cost to load. The largest of ours has 7,700."""

RuleFile = tuple["Path", str]
"""Where a rule file stands and its text."""


class Fault(NamedTuple):
    """What is wrong with a rule file, and on which line. ``refuses`` tells whether a program may start without it.

    A pack that names ids which ATT&CK does not have, or mixes releases, says something else than its author means.
    """

    path: Path
    line: int
    message: str
    refuses: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


Location = tuple[str | int, ...]
"""The keys and places that lead to something in a rule file: ``("emits", 0, "tactic")``."""

_KEYS: dict[str, tuple[str, ...]] = {
    model.__name__: tuple(field.alias or name for name, field in model.model_fields.items())
    for model in (Rule, Emit, Term, Count, NOf, Exec, Case, CaseEvent, SessionCaseEvent)
}
_NAMED_MODELS = {"exec": Exec.__name__, "count": Count.__name__, "n_of": NOf.__name__}
_KEYS["Term"] = tuple(key for key in _KEYS["Term"] if key != "parameters")


def compile_pack(files: Iterable[RuleFile], catalog_of: CatalogLoader, parsed: Parsed | None = None) -> Pack:
    """The pack that ``files`` describe, rules in order of id; ``parsed`` is what is known of them from earlier.

    :raises RuleError: with every fault of every file, in order of file and line.
    """
    faults: list[Fault] = []
    rules: list[CompiledRule] = []
    digest = sha256()
    for path, text in sorted(files):
        digest.update(f"{path.name}\0{text}\0".encode())
        rule, found = compile_rule(path, text, catalog_of, parsed)
        faults += found
        if rule is not None:
            rules.append(rule)
    faults += pack_faults(rules)
    if faults:
        raise RuleError([str(fault) for fault in faults])
    return Pack(tuple(sorted(rules, key=lambda rule: rule.rule_id)), digest.hexdigest())


def compile_rule(
    path: Path, text: str, catalog_of: CatalogLoader, parsed: Parsed | None = None
) -> tuple[CompiledRule | None, list[Fault]]:
    """The rule in one file, or None and what is wrong with it."""
    known = parsed.get(text) if parsed is not None else None
    source = read_yaml(text) if known is None else YamlFile(known, {}, ())
    rule, faults = _compile(path, source, catalog_of)
    if faults and known is not None:
        rule, faults = _compile(path, read_yaml(text), catalog_of)  # what is remembered has no lines
    elif rule is not None and parsed is not None:
        parsed.put(text, source.value, (pattern for pattern, _ in _patterns_of(rule.rule)))
    return rule, faults


def _compile(path: Path, source: YamlFile, catalog_of: CatalogLoader) -> tuple[CompiledRule | None, list[Fault]]:
    if source.faults:
        return None, [Fault(path, fault.line, fault.message) for fault in source.faults]
    try:
        rule = Rule.model_validate(source.value)
    except ValidationError as error:
        return None, [Fault(path, line, message) for line, message in schema_faults(error, source)]
    faults = [Fault(path, source.line_of(where), message) for where, message in _meaning_faults(rule)]
    faults += [Fault(path, source.line_of(where), message, True) for where, message in _attack_faults(rule, catalog_of)]
    if path.stem != rule.rule_id:
        message = f"rule_id {rule.rule_id!r} is not the file's name"
        faults.insert(0, Fault(path, source.line_of(("rule_id",)), message))
    return (None, faults) if faults else (_compiled(rule, path), [])


def schema_faults(error: ValidationError, source: YamlFile, root: str = Rule.__name__) -> list[tuple[int, str]]:
    """Line and sentence of each thing that the schema of ``root`` refuses."""
    found = error.errors()
    places = [fault["loc"] for fault in found]
    causes = [fault for fault in found if not (fault["type"] == "too_short" and _has_inner(fault["loc"], places))]
    return sorted((source.line_of(_yaml_path(fault)), _sentence(fault, root)) for fault in causes)


def _has_inner(place: Location, places: Iterable[Location]) -> bool:
    """Whether another fault stands inside ``place``: a list is not too short when its items were refused."""
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def _compiled(rule: Rule, path: Path) -> CompiledRule:
    given = tuple(map(_in_sandbox, rule.emits)) if rule.maturity == "sandbox" else rule.emits
    if rule.maturity == "deprecated":
        return CompiledRule(rule, path, {}, tuple(CompiledEmit(emit, None) for emit in given))
    if rule.phase == "session_end":
        emits = tuple(CompiledEmit(emit, None) for emit in given)
        return CompiledRule(rule, path, {}, emits, session_condition_of(rule.match))
    conditions = {
        kind: condition for kind in rule.applies_to if (condition := _decided(rule.match, "match", kind)) is not None
    }
    emits = tuple(
        CompiledEmit(emit, _when(emit.when, number, conditions) if emit.when else None)
        for number, emit in enumerate(given)
    )
    lifters = (term for root, where in _roots(rule) for term in _lifter_terms(root, where))
    return CompiledRule(rule, path, conditions, emits, lifters=tuple(lifters))


def _in_sandbox(emit: Emit) -> Emit:
    return emit.model_copy(update={"confidence": min(emit.confidence, SANDBOX_CONFIDENCE)})


def _when(term: Term, number: int, kinds: Iterable[str]) -> dict[str, Condition]:
    where = f"emits[{number}].when"
    return {kind: _decided(term, where, kind) or Condition("any", where) for kind in kinds}


def _decided(term: Term, path: str, kind: str) -> Condition | None:
    """What the texts of an event of ``kind`` can decide of ``term``; None where they cannot make it true."""

    def can_decide(condition: Condition) -> bool:
        if isinstance(condition.leaf, ExecTerm):
            return kind in COMMAND_KINDS
        leaf = condition.leaf
        return leaf is not None and leaf.operator != LIFTER and leaf.field in _fields_of(kind)

    return decidable(condition_of(term, DEFAULT_FIELDS.get(kind, ""), path), can_decide)


def _fields_of(kind: str) -> tuple[str, ...]:
    """The fields that events of ``kind`` have; none for a kind that only lifters look at."""
    payload = PAYLOAD_TYPES.get(SourceKind(kind))
    return payload.__struct_fields__ if payload else ()


def _roots(rule: Rule) -> Iterator[tuple[Term, str]]:
    yield rule.match, "match"
    for number, emit in enumerate(rule.emits):
        if emit.when is not None:
            yield emit.when, f"emits[{number}].when"


def _lifter_terms(term: Term, path: str) -> Iterator[LifterTerm]:
    if term.lifter is not None:
        yield LifterTerm(f"{path}.lifter", term.lifter, term.parameters)
    for where, part in term.parts():
        yield from _lifter_terms(part, f"{path}.{_dotted(where)}")


def _meaning_faults(rule: Rule) -> Iterator[tuple[Location, str]]:
    """What the schema cannot see: kinds, fields, patterns, a technique that stands twice."""
    if (place := _too_costly(rule)) is not None:
        yield place, f"the patterns up to here are more than one rule may cost ({MAX_RULE_PROGRAM:,}); split the rule"
        return
    yield from _session_faults(rule) if rule.phase == "session_end" else _event_faults(rule)
    seen: set[tuple[str, str | None]] = set()
    for number, emit in enumerate(rule.emits):
        if (emit.technique_id, emit.sub_technique_id) in seen:
            yield (
                ("emits", number),
                f"emits[{number}]: {emit.sub_technique_id or emit.technique_id} is emitted twice; keep one",
            )
        seen.add((emit.technique_id, emit.sub_technique_id))


def _too_costly(rule: Rule) -> Location | None:
    """Where the patterns of ``rule`` begin to cost too much; none behind that is compiled."""
    cost = 0
    for pattern, place in _patterns_of(rule):
        cost += program_size(pattern)
        if cost > MAX_RULE_PROGRAM:
            return place
    return None


def _patterns_of(rule: Rule) -> Iterator[tuple[str, Location]]:
    """Every pattern of ``rule``, with the place of its term."""
    roots: list[tuple[Term, Location]] = [(rule.match, ("match",))]
    roots += [(emit.when, ("emits", number, "when")) for number, emit in enumerate(rule.emits) if emit.when]
    for term, place in (leaf for root, where in roots for leaf in leaf_terms(root, where)):
        given = term.exec
        for pattern in (getattr(given, part) for part in PATTERN_PARTS) if given is not None else (term.pattern,):
            if pattern is not None:
                yield pattern, (*place, term.operator)


def leaf_terms(term: Term, place: Location) -> Iterator[tuple[Term, Location]]:
    """The terms below ``term`` that hold no others, each with its place."""
    parts = [*term.parts()]
    for number, step in enumerate(term.sequence or ()):
        parts.append((("sequence", number), step))
    if term.count is not None:
        parts.append((("count", "term"), term.count.term))
    if not parts:
        yield term, place
    for where, part in parts:
        yield from leaf_terms(part, (*place, *where))


def _attack_faults(rule: Rule, catalog_of: CatalogLoader) -> Iterator[tuple[Location, str]]:
    """What the catalogue of the rule's release does not accept."""
    try:
        catalog = catalog_of(rule.attack_release)
    except CatalogueError as error:
        yield ("attack_release",), f"attack_release: {error}"
        return
    for number, emit in enumerate(rule.emits):
        if (fault := catalog.check_pair(emit.tactic, emit.technique_id, emit.sub_technique_id)) is not None:
            yield ("emits", number), f"emits[{number}]: {fault}"


def _event_faults(rule: Rule) -> Iterator[tuple[Location, str]]:
    """What is wrong with the terms of a rule about single events."""
    kinds = [kind for kind in rule.applies_to if kind in KNOWN_SOURCE_KINDS]
    faults = [*_term_faults(rule.match, ("match",), kinds)]
    for number, emit in enumerate(rule.emits):
        if emit.when is not None:
            faults += _term_faults(emit.when, ("emits", number, "when"), kinds)
    has_lifter = any(rule.match.lifters())
    for number, kind in enumerate(rule.applies_to):
        where = ("applies_to", number)
        if kind not in KNOWN_SOURCE_KINDS:
            yield where, f"no event is of kind {kind!r}{_meant(kind, KNOWN_SOURCE_KINDS) or _known_kinds()}"
        elif not has_lifter and not faults and _decided(rule.match, "match", kind) is None:
            yield where, f"no event of kind {kind!r} can make 'match' true; leave the kind out, or add a term for it"
    yield from faults


def _known_kinds() -> str:
    return f"; use one of {_listed(sorted(KNOWN_SOURCE_KINDS))}"


def _session_faults(rule: Rule) -> Iterator[tuple[Location, str]]:
    """What is wrong with the terms of a rule about whole sessions."""
    if rule.applies_to != (SESSION,):
        yield ("applies_to",), "a rule with phase session_end applies to [session]; kinds of events are told by 'kind'"
    for number, emit in enumerate(rule.emits):
        if emit.when is not None:
            yield ("emits", number, "when"), "an emit of a session rule takes no 'when'; write a rule of its own"
    yield from _session_term_faults(rule.match, ("match",))


def _session_term_faults(term: Term, path: Location) -> Iterator[tuple[Location, str]]:
    here = (*path, term.operator)
    parts = [*term.parts()]
    for where, part in parts:
        yield from _session_term_faults(part, (*path, *where))
    if parts:
        return
    if term.sequence is not None:
        for number, part in enumerate(term.sequence):
            yield from _step_faults(part, (*here, number))
    elif term.count is not None:
        yield from _step_faults(term.count.term, (*here, "term"), term.count.distinct)
    else:
        yield from _step_faults(term, path)


def _step_faults(term: Term, path: Location, distinct: str | None = None) -> Iterator[tuple[Location, str]]:
    """What is wrong with a term about one event of a session."""
    if term.lifter is not None:
        yield (*path, "lifter"), "a lifter looks at findings, not at the events of a session; leave 'phase' out"
        return
    kind = term.kind or DEFAULT_KIND
    if kind not in PAYLOAD_TYPES:
        yield (*path, "kind"), f"no event is of kind {kind!r}; use one of {_listed(PAYLOAD_TYPES)}"
        return
    fields = PAYLOAD_TYPES[SourceKind(kind)].__struct_fields__
    if distinct is not None and distinct not in fields:
        yield (*path[:-1], "distinct"), f"no field {distinct!r} in {kind}{_meant(distinct, fields)}"
    yield from _term_faults(term.model_copy(update={"kind": None}), path, [kind])


def _term_faults(term: Term, path: Location, kinds: Sequence[str]) -> Iterator[tuple[Location, str]]:
    operator = term.operator
    here = (*path, operator)
    if term.kind is not None or operator in SESSION_OPERATORS:
        key = "kind" if term.kind is not None else operator
        yield (*path, key), f"{key!r} is for the terms of a session: for the outermost of a rule with phase session_end"
    elif parts := [*term.parts()]:
        for where, part in parts:
            yield from _term_faults(part, (*path, *where), kinds)
    elif term.lifter is not None:
        return
    elif term.exec is not None:
        yield from _exec_faults(term.exec, here, kinds)
    else:
        yield from _leaf_faults(term, path, kinds)


def _leaf_faults(term: Term, path: Location, kinds: Sequence[str]) -> Iterator[tuple[Location, str]]:
    fields = sorted({name for kind in kinds for name in _fields_of(kind)})
    if term.field is not None and kinds and term.field not in fields:
        yield (*path, "field"), f"no field {term.field!r} in {_listed(kinds)}{_meant(term.field, fields)}"
    if term.field is None and kinds and not any(kind in DEFAULT_FIELDS for kind in kinds):
        known = f"name one with 'field': {_listed(fields)}" if fields else "only a lifter can look at it"
        yield path, f"no field is the usual one of {' or '.join(map(repr, kinds))}; {known}"
    if term.pattern is not None and (fault := pattern_fault(term.pattern)) is not None:
        yield (*path, "pattern"), fault


def _exec_faults(exec_: Exec, here: Location, kinds: Sequence[str]) -> Iterator[tuple[Location, str]]:
    if kinds and COMMAND_KINDS.isdisjoint(kinds):
        yield here, f"exec looks at shell commands, and {_listed(kinds)} has none; use it for {_listed(COMMAND_KINDS)}"
    for part in PATTERN_PARTS:
        pattern = getattr(exec_, part)
        if pattern is not None and (fault := pattern_fault(pattern)) is not None:
            yield (*here, part), fault


def pack_faults(rules: Iterable[CompiledRule]) -> Iterator[Fault]:
    """What only the whole pack shows: releases of one domain that differ, ids and names used twice."""
    seen: dict[tuple[str, str], CompiledRule] = {}
    for rule in rules:
        for aspect in _unique_aspects(rule):
            first = seen.setdefault(aspect, rule)
            if first is not rule:
                yield from _clash(rule, first, aspect[0])


def clashes(rule: CompiledRule, others: Iterable[CompiledRule]) -> list[Fault]:
    """What keeps ``rule`` from being in one pack with ``others``."""
    aspects = _unique_aspects(rule)
    release, name, rule_id = rule.rule.attack_release, rule.rule.name, rule.rule.rule_id
    near = (
        other
        for other in others
        if other.rule.attack_release != release or other.rule.name == name or other.rule.rule_id == rule_id
    )
    return [
        fault
        for other in near
        for aspect in aspects
        if aspect in _unique_aspects(other)
        for fault in _clash(rule, other, aspect[0])
    ]


def _unique_aspects(rule: CompiledRule) -> tuple[tuple[str, str], ...]:
    """What two rules of a pack cannot share, and the domain, whose rules must share their release."""
    return (
        ("rule_id", rule.rule_id),
        ("name", rule.rule.name),
        ("attack_release", rule.rule.attack_release.partition("-")[0]),
    )


def _clash(rule: CompiledRule, other: CompiledRule, aspect: str) -> Iterator[Fault]:
    if aspect == "rule_id":
        yield Fault(rule.path, 1, f"rule_id {rule.rule_id!r} is also that of {other.path.name}; keep one file")
    elif aspect == "name" and rule.rule_id != other.rule_id:
        yield Fault(rule.path, 1, f"name {rule.rule.name!r} is also that of {other.path.name}; rename one")
    elif aspect == "attack_release" and rule.rule.attack_release != other.rule.attack_release:
        yield Fault(
            rule.path,
            1,
            f"attack_release {rule.rule.attack_release} differs from {other.rule.attack_release} in "
            f"{other.path.name}; a pack holds one release per domain",
            refuses=True,
        )


def _yaml_path(fault: ErrorDetails) -> Location:
    """The place in the file; the parameters of a lifter stand beside its name there."""
    return tuple("not" if part == "not_" else part for part in fault["loc"] if part != "parameters")


def _sentence(fault: ErrorDetails, root: str) -> str:
    """What the schema found, in the words of the rule language."""
    where = _dotted(_yaml_path(fault))
    if fault["type"] == "extra_forbidden":
        key = str(fault["loc"][-1])
        known = _KEYS[_model_at(fault["loc"][:-1], root)]
        return f"{where}: unknown key{_meant(key, known) or f'; the keys here are {_listed(known)}'}"
    if fault["type"] == "missing":
        return f"{where}: this key is missing"
    if fault["type"] == "model_type":
        return f"{where or 'file'}: must be a mapping of keys to values"
    message = fault["msg"].removeprefix("Value error, ")
    value = fault["input"]
    return f"{where or 'file'}: {message}" + (f", not {value!r}"[:200] if isinstance(value, str | int | float) else "")


def _model_at(location: Location, root: str) -> str:
    names = [part for part in location if isinstance(part, str)]
    if not names:
        return root
    if root == Case.__name__:
        return SessionCaseEvent.__name__ if names[0] == "session" else CaseEvent.__name__
    if names[-1] in _NAMED_MODELS:
        return _NAMED_MODELS[names[-1]]
    return Emit.__name__ if names == ["emits"] else Term.__name__


def _dotted(path: Location) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _meant(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def model_faults(model: type[BaseModel], value: Any, source: YamlFile) -> list[tuple[int, str]]:
    """Line and sentence of what ``model`` refuses in ``value``; empty when it is accepted."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return schema_faults(error, source, model.__name__)
    return []
