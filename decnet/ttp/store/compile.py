"""Rule files become a pack, or a list of every fault in them: ``rules/ttp/R0012.yaml:14: what; way out``."""

from __future__ import annotations

from difflib import get_close_matches
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from decnet.errors import CatalogueError, RuleError
from decnet.models.event import PAYLOAD_TYPES, SESSION, SourceKind
from decnet.models.rule import COMMAND_KINDS, DEFAULT_FIELDS, SESSION_OPERATORS, Case, Count, Emit, Exec, Rule, Term
from decnet.ttp.condition import condition_of
from decnet.ttp.exec_term import PATTERN_PARTS
from decnet.ttp.pack import CompiledEmit, CompiledRule, Pack
from decnet.ttp.session_condition import DEFAULT_KIND, session_condition_of
from decnet.ttp.store.pattern import pattern_fault
from decnet.ttp.store.yaml_file import YamlFile, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from decnet.attack.catalog import Catalog
    from decnet.ttp.condition import Condition

    CatalogLoader = Callable[[str], Catalog]

RuleFile = tuple["Path", str]
"""Where a rule file stands and its text."""

Location = tuple[str | int, ...]
"""The keys and places that lead to something in a rule file: ``("emits", 0, "tactic")``."""

_KEYS: dict[str, tuple[str, ...]] = {
    model.__name__: tuple(field.alias or name for name, field in model.model_fields.items())
    for model in (Rule, Emit, Term, Count, Exec, Case)
}


def compile_pack(files: Iterable[RuleFile], catalog_of: CatalogLoader) -> Pack:
    """The pack that ``files`` describe, rules in order of id.

    :raises RuleError: with every fault of every file, in order of file and line.
    """
    faults: list[str] = []
    rules: list[CompiledRule] = []
    digest = sha256()
    for path, text in sorted(files):
        digest.update(f"{path.name}\0{text}\0".encode())
        rule, found = compile_rule(path, text, catalog_of)
        faults += found
        if rule is not None:
            rules.append(rule)
    faults += _pack_faults(rules)
    if faults:
        raise RuleError(faults)
    return Pack(tuple(sorted(rules, key=lambda rule: rule.rule_id)), digest.hexdigest())


def compile_rule(path: Path, text: str, catalog_of: CatalogLoader) -> tuple[CompiledRule | None, list[str]]:
    """The rule in one file, or None and what is wrong with it."""
    source = read_yaml(text)
    if source.faults:
        return None, [f"{path}:{fault.line}: {fault.message}" for fault in source.faults]
    try:
        rule = Rule.model_validate(source.value)
    except ValidationError as error:
        return None, [f"{path}:{line}: {message}" for line, message in schema_faults(error, source)]
    faults = [f"{path}:{source.line_of(where)}: {message}" for where, message in _meaning_faults(rule, catalog_of)]
    if path.stem != rule.rule_id:
        faults.insert(0, f"{path}:{source.line_of(('rule_id',))}: rule_id {rule.rule_id!r} is not the file's name")
    return (None, faults) if faults else (_compiled(rule, path), [])


def schema_faults(error: ValidationError, source: YamlFile) -> list[tuple[int, str]]:
    """Line and sentence of each thing that the schema refuses."""
    found = error.errors()
    places = [fault["loc"] for fault in found]
    causes = [fault for fault in found if not (fault["type"] == "too_short" and _has_inner(fault["loc"], places))]
    return sorted((source.line_of(_yaml_path(fault)), _sentence(fault)) for fault in causes)


def _has_inner(place: Location, places: Iterable[Location]) -> bool:
    """Whether another fault stands inside ``place``: a list is not too short when its items were refused."""
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def _compiled(rule: Rule, path: Path) -> CompiledRule:
    if rule.phase == "session_end":
        emits = tuple(CompiledEmit(emit, None) for emit in rule.emits)
        return CompiledRule(rule, path, {}, emits, session_condition_of(rule.match))
    conditions = {kind: condition_of(rule.match, DEFAULT_FIELDS[kind]) for kind in rule.applies_to}
    emits = tuple(
        CompiledEmit(emit, _when(emit, number, rule.applies_to) if emit.when else None)
        for number, emit in enumerate(rule.emits)
    )
    return CompiledRule(rule, path, conditions, emits)


def _when(emit: Emit, number: int, kinds: Iterable[str]) -> dict[str, Condition]:
    assert emit.when is not None  # noqa: S101 - the caller asked
    return {kind: condition_of(emit.when, DEFAULT_FIELDS[kind], f"emits[{number}].when") for kind in kinds}


def _meaning_faults(rule: Rule, catalog_of: CatalogLoader) -> Iterator[tuple[Location, str]]:
    """What the schema cannot see: kinds, fields, patterns, techniques."""
    if rule.phase == "session_end":
        yield from _session_faults(rule)
    else:
        yield from _event_faults(rule)
    try:
        catalog = catalog_of(rule.attack_release)
    except CatalogueError as error:
        yield ("attack_release",), f"attack_release: {error}"
        return
    seen: set[tuple[str, str | None]] = set()
    for number, emit in enumerate(rule.emits):
        where = ("emits", number)
        if (fault := catalog.check_pair(emit.tactic, emit.technique_id, emit.sub_technique_id)) is not None:
            yield where, f"emits[{number}]: {fault}"
        if (emit.technique_id, emit.sub_technique_id) in seen:
            yield where, f"emits[{number}]: {emit.sub_technique_id or emit.technique_id} is emitted twice; keep one"
        seen.add((emit.technique_id, emit.sub_technique_id))


def _event_faults(rule: Rule) -> Iterator[tuple[Location, str]]:
    """What is wrong with the terms of a rule about single events."""
    kinds = [kind for kind in rule.applies_to if kind in DEFAULT_FIELDS]
    for number, kind in enumerate(rule.applies_to):
        if kind not in DEFAULT_FIELDS:
            yield (
                ("applies_to", number),
                f"no rule text can look at kind {kind!r}; use one of {_listed(DEFAULT_FIELDS)}",
            )
    yield from _term_faults(rule.match, ("match",), kinds)
    for number, emit in enumerate(rule.emits):
        if emit.when is not None:
            yield from _term_faults(emit.when, ("emits", number, "when"), kinds)


def _session_faults(rule: Rule) -> Iterator[tuple[Location, str]]:
    """What is wrong with the terms of a rule about whole sessions."""
    if rule.applies_to != (SESSION,):
        yield ("applies_to",), "a rule with phase session_end applies to [session]; kinds of events are told by 'kind'"
    for number, emit in enumerate(rule.emits):
        if emit.when is not None:
            yield ("emits", number, "when"), "an emit of a session rule takes no 'when'; write a rule of its own"
    yield from _session_term_faults(rule.match, ("match",))


def _session_term_faults(term: Term, path: Location) -> Iterator[tuple[Location, str]]:
    operator = term.operator
    here = (*path, operator)
    if term.not_ is not None:
        yield from _session_term_faults(term.not_, here)
    elif operator in {"all", "any"}:
        for number, part in enumerate(getattr(term, operator)):
            yield from _session_term_faults(part, (*here, number))
    elif term.sequence is not None:
        for number, part in enumerate(term.sequence):
            yield from _step_faults(part, (*here, number))
    elif term.count is not None:
        yield from _step_faults(term.count.term, (*here, "term"), term.count.distinct)
    else:
        yield from _step_faults(term, path)


def _step_faults(term: Term, path: Location, distinct: str | None = None) -> Iterator[tuple[Location, str]]:
    """What is wrong with a term about one event of a session."""
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
    elif term.not_ is not None:
        yield from _term_faults(term.not_, here, kinds)
    elif term.exec is not None:
        yield from _exec_faults(term.exec, here, kinds)
    elif operator in {"all", "any"}:
        for number, part in enumerate(getattr(term, operator)):
            yield from _term_faults(part, (*here, number), kinds)
    else:
        yield from _leaf_faults(term, path, kinds)


def _leaf_faults(term: Term, path: Location, kinds: Sequence[str]) -> Iterator[tuple[Location, str]]:
    fields = sorted({name for kind in kinds for name in PAYLOAD_TYPES[SourceKind(kind)].__struct_fields__})
    if term.field is not None and kinds and term.field not in fields:
        yield (*path, "field"), f"no field {term.field!r} in {_listed(kinds)}{_meant(term.field, fields)}"
    for kind in kinds:
        if term.field is None and kind not in DEFAULT_FIELDS:
            known = PAYLOAD_TYPES[SourceKind(kind)].__struct_fields__
            yield path, f"no field is the usual one of {kind!r}; name one with 'field': {_listed(known)}"
    if term.pattern is not None and (fault := pattern_fault(term.pattern)) is not None:
        yield (*path, "pattern"), fault


def _exec_faults(exec_: Exec, here: Location, kinds: Sequence[str]) -> Iterator[tuple[Location, str]]:
    if kinds and COMMAND_KINDS.isdisjoint(kinds):
        yield here, f"exec looks at shell commands, and {_listed(kinds)} has none; use it for {_listed(COMMAND_KINDS)}"
    for part in PATTERN_PARTS:
        pattern = getattr(exec_, part)
        if pattern is not None and (fault := pattern_fault(pattern)) is not None:
            yield (*here, part), fault


def _pack_faults(rules: Sequence[CompiledRule]) -> Iterator[str]:
    """What only the whole pack shows: releases of one domain that differ, names used twice."""
    releases: dict[str, CompiledRule] = {}
    names: dict[str, CompiledRule] = {}
    for rule in rules:
        domain = rule.rule.attack_release.partition("-")[0]
        first = releases.setdefault(domain, rule)
        if first.rule.attack_release != rule.rule.attack_release:
            yield (
                f"{rule.path}:1: attack_release {rule.rule.attack_release} differs from {first.rule.attack_release} in "
                f"{first.path.name}; a pack holds one release per domain"
            )
        other = names.setdefault(rule.rule.name, rule)
        if other is not rule:
            yield f"{rule.path}:1: name {rule.rule.name!r} is also that of {other.path.name}; rename one"


def _yaml_path(fault: ErrorDetails) -> Location:
    return tuple("not" if part == "not_" else part for part in fault["loc"])


def _sentence(fault: ErrorDetails) -> str:
    """What the schema found, in the words of the rule language."""
    where = _dotted(_yaml_path(fault))
    if fault["type"] == "extra_forbidden":
        key = str(fault["loc"][-1])
        known = _KEYS[_model_at(fault["loc"][:-1])]
        return f"{where}: unknown key{_meant(key, known) or f'; the keys here are {_listed(known)}'}"
    if fault["type"] == "missing":
        return f"{where}: this key is missing"
    if fault["type"] == "model_type":
        return f"{where or 'file'}: must be a mapping of keys to values"
    message = fault["msg"].removeprefix("Value error, ")
    value = fault["input"]
    return f"{where or 'file'}: {message}" + (f", not {value!r}"[:200] if isinstance(value, str | int | float) else "")


def _model_at(location: Location) -> str:
    names = [part for part in location if isinstance(part, str)]
    if not names:
        return Rule.__name__
    if names[-1] in {"exec", "count"}:
        return Exec.__name__ if names[-1] == "exec" else Count.__name__
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
        return schema_faults(error, source)
    return []
