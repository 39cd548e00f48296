"""Which rules an event fires: one pass over each field for the terms of all rules, then only the rules they wake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from decnet.ttp.command_index import CommandIndex
from decnet.ttp.condition import CommandFound, Leaf, TextFound, evaluate, finder_of, numbered
from decnet.ttp.exec_term import ExecTerm
from decnet.ttp.scan import scanner_of
from decnet.ttp.trigger import is_whole_field, triggers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from decnet.ttp.condition import AnyLeaf, Condition, Found, Proof, Truth
    from decnet.ttp.exec_term import SimpleCommandView
    from decnet.ttp.match import Finder
    from decnet.ttp.pack import CompiledEmit, CompiledRule, Pack
    from decnet.ttp.scan import Engine, Scanner
    from decnet.ttp.scan_cache import ScanCache

Numbers = tuple[int, ...]

_LAST = ("\U0010ffff", True)
"""Sorts behind every field."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fired: the emits that apply, and what proves it."""

    rule: CompiledRule
    emits: tuple[CompiledEmit, ...]
    proof: Proof


class _Field(NamedTuple):
    """The leaves on one field. Those that are scanned have the numbers from ``first`` on, in the scanner's order."""

    name: str
    first: int
    scanner: Scanner | None
    wholes: dict[bytes, Numbers]


class _Rule(NamedTuple):
    """A rule as one source kind sees it, with numbered conditions."""

    rule: CompiledRule
    condition: Condition
    whens: tuple[Condition | None, ...]


class _Kind(NamedTuple):
    """The rules of one source kind; ``woken`` has, per leaf, the places in ``rules`` that it is a trigger of."""

    rules: tuple[_Rule, ...]
    fields: tuple[_Field, ...]
    woken: dict[int, Numbers]
    always: Numbers
    asks_commands: bool


class RuleIndex:
    """All rules of a pack, ready to match. Immutable: a changed pack means a new index, swapped in one assignment.

    Safe to use from several threads.
    """

    def __init__(self, pack: Pack, engine: Engine | None = None, cache: ScanCache | None = None) -> None:
        self.pack = pack
        leaves = _leaves_in_order(pack)
        self._numbers: dict[AnyLeaf, int] = {leaf: number for number, leaf in enumerate(leaves)}
        texts = [leaf for leaf in leaves if isinstance(leaf, Leaf)]
        self._fields = {name: self._field(name, texts, engine, cache) for name in {leaf.field: None for leaf in texts}}
        self._finders: tuple[Finder, ...] = tuple(map(finder_of, texts))
        self._first_exec = len(texts)
        self._commands = CommandIndex([leaf for leaf in leaves if isinstance(leaf, ExecTerm)], engine, cache)
        self._texts = tuple(texts)
        self._kinds = {kind: self._kind(kind) for rule in pack.rules for kind in rule.conditions}

    def handles(self, source_kind: str) -> bool:
        """Whether any rule looks at events of this kind."""
        return source_kind in self._kinds

    def match(
        self, source_kind: str, fields: Mapping[str, str], commands: Sequence[SimpleCommandView] = ()
    ) -> Sequence[Hit]:
        """The rules that fire, in order of rule id.

        ``fields`` is canonical text per field; ``commands`` what the text would run, in its order, where it is shell
        text.
        """
        kind = self._kinds.get(source_kind)
        if kind is None:
            return ()
        seen = _seen(kind.fields, fields)
        run = self._commands.find(commands) if commands and kind.asks_commands else None
        if not seen and not run and not kind.always:
            return ()
        if run:
            seen += [self._first_exec + number for number in run]
        woken = kind.woken
        places = {place for number in seen for place in woken.get(number, ())}
        places.update(kind.always)
        if not places:
            return ()
        truth: Truth = _Sight(self._texts, self._finders, fields, seen).truth
        if run:
            truth = _with_commands(truth, {self._first_exec + number: found for number, found in run.items()})
        return _fired([kind.rules[place] for place in sorted(places)], truth)

    def _field(self, name: str, texts: list[Leaf], engine: Engine | None, cache: ScanCache | None) -> _Field:
        own = [leaf for leaf in texts if leaf.field == name]
        scanned = [leaf for leaf in own if not is_whole_field(leaf)]
        wholes: dict[bytes, Numbers] = {}
        for leaf in own[len(scanned) :]:
            for value in set(leaf.values):
                wholes[value.encode()] = (*wholes.get(value.encode(), ()), self._numbers[leaf])
        scanner = scanner_of(scanned, engine, cache) if scanned else None
        return _Field(name, self._numbers[own[0]], scanner, wholes)

    def _kind(self, kind: str) -> _Kind:
        rules: list[_Rule] = []
        woken: dict[int, list[int]] = {}
        always: list[int] = []
        for rule in self.pack.rules:
            if (condition := rule.conditions.get(kind)) is None:
                continue
            numbered_condition = numbered(condition, self._numbers.__getitem__)
            triggers = triggers_of(numbered_condition)
            if triggers is None:
                always.append(len(rules))
            for number in triggers.numbers if triggers else ():
                woken.setdefault(number, []).append(len(rules))
            rules.append(_Rule(rule, numbered_condition, self._whens(rule, kind)))
        leaves = {leaf for rule in rules for leaf in _leaves_of(rule.rule, kind)}
        return _Kind(
            rules=tuple(rules),
            fields=tuple(
                self._fields[name] for name in sorted({leaf.field for leaf in leaves if isinstance(leaf, Leaf)})
            ),
            woken={number: tuple(places) for number, places in woken.items()},
            always=tuple(always),
            asks_commands=any(isinstance(leaf, ExecTerm) for leaf in leaves),
        )

    def _whens(self, rule: CompiledRule, kind: str) -> tuple[Condition | None, ...]:
        """The condition of each emit; empty when no emit has one, the common case."""
        if all(emit.when is None for emit in rule.emits):
            return ()
        return tuple(numbered(emit.when[kind], self._numbers.__getitem__) if emit.when else None for emit in rule.emits)


class _Sight:
    """What one event shows: which text leaves are true, each decided by RE2 at most once, and only if proposed."""

    __slots__ = ("_data", "_fields", "_finders", "_known", "_leaves", "_seen")

    def __init__(
        self, leaves: Sequence[Leaf], finders: Sequence[Finder], fields: Mapping[str, str], seen: Iterable[int]
    ) -> None:
        self._leaves = leaves
        self._finders = finders
        self._fields = fields
        self._seen = frozenset(seen)
        self._known: dict[int, Found | None] = {}
        self._data: dict[str, bytes] = {}

    def truth(self, condition: Condition) -> Found | None:
        """Where the leaf of ``condition`` is true, or None."""
        number = condition.number
        if number not in self._seen:
            return None
        known = self._known
        if number not in known:
            name = self._leaves[number].field
            if name not in self._data:
                self._data[name] = self._fields[name].encode()
            span = self._finders[number](self._data[name])
            known[number] = None if span is None else TextFound(name, span)
        return known[number]


def _with_commands(truth: Truth, commands: Mapping[int, SimpleCommandView]) -> Truth:
    """``truth`` that also knows which ``exec`` terms are true, and for which command."""

    def with_commands(condition: Condition) -> Found | None:
        if condition.operator != "exec":
            return truth(condition)
        command = commands.get(condition.number)
        return None if command is None else CommandFound(command)

    return with_commands


def _seen(names: Iterable[_Field], fields: Mapping[str, str]) -> list[int]:
    """Numbers of the leaves that may be true on ``fields``; none is on an empty text."""
    seen: list[int] = []
    for name, first, scanner, wholes in names:
        text = fields.get(name)
        if not text:
            continue
        data = text.encode()
        if scanner is not None:
            found = scanner.propose(data)
            if found:
                seen += [first + number for number in found] if first else found
        if wholes:
            seen += wholes.get(data, ())
    return seen


def _fired(rules: Iterable[_Rule], truth: Truth) -> Sequence[Hit]:
    hits: list[Hit] = []
    for rule, condition, whens in rules:
        proof: Proof = {}
        if not evaluate(condition, truth, proof):
            continue
        emits = rule.emits
        if whens:
            pairs = zip(emits, whens, strict=True)
            emits = tuple(emit for emit, when in pairs if when is None or evaluate(when, truth, proof))
        if emits:
            hits.append(Hit(rule, emits, proof))
    return hits


def _leaves_in_order(pack: Pack) -> list[AnyLeaf]:
    """Every distinct leaf: those on one field together, scanned ones first, ``exec`` terms at the end."""
    leaves = {leaf: None for rule in pack.rules for kind in rule.conditions for leaf in _leaves_of(rule, kind)}
    return sorted(leaves, key=lambda leaf: (leaf.field, is_whole_field(leaf)) if isinstance(leaf, Leaf) else _LAST)


def _leaves_of(rule: CompiledRule, kind: str) -> Iterator[AnyLeaf]:
    yield from rule.conditions[kind].leaves()
    for emit in rule.emits:
        if emit.when is not None:
            yield from emit.when[kind].leaves()
