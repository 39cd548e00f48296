"""Which rules an event fires: one pass over each field for the terms of all rules, then only the rules they wake."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.ttp.command_index import CommandIndex
from decnet.ttp.condition import CommandFound, Leaf, Proof, evaluate, finder_of, numbered
from decnet.ttp.exec_term import ExecTerm
from decnet.ttp.pack import CompiledEmit, CompiledRule
from decnet.ttp.scan import scanner_of
from decnet.ttp.trigger import is_whole_field, triggers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from decnet.ttp.condition import AnyLeaf, Condition, Found, Truth
    from decnet.ttp.exec_term import SimpleCommandView
    from decnet.ttp.match import Finder
    from decnet.ttp.pack import Pack
    from decnet.ttp.scan import Engine, Scanner
    from decnet.ttp.scan_cache import ScanCache

Numbers = tuple[int, ...]


class _Undecided:
    """Stands for the truth of a leaf that a scanner proposed and RE2 has not looked at yet."""


Known = dict[int, "Found | _Undecided | None"]


class Hit(msgspec.Struct, frozen=True):
    """A rule that fired: the emits that apply, and what proves it."""

    rule: CompiledRule
    emits: tuple[CompiledEmit, ...]
    proof: Proof


class _Field(NamedTuple):
    """The leaves on one field; ``certain`` are those that are true whenever they are proposed."""

    name: str
    scanner: Scanner | None
    wholes: dict[bytes, Numbers]
    certain: frozenset[int]


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
        self._terms = tuple(leaf for leaf in leaves if isinstance(leaf, ExecTerm))
        self._commands = CommandIndex(self._terms, engine, cache)
        self._texts = tuple(texts)
        certain = {number for field in self._fields.values() for number in field.certain}
        self._proposed = tuple(leaf if number in certain else _Undecided() for number, leaf in enumerate(texts))
        self._kinds = {kind: self._kind(kind) for kind in {kind for rule in pack.rules for kind in rule.conditions}}

    def handles(self, source_kind: str) -> bool:
        """Whether any rule looks at events of this kind."""
        return source_kind in self._kinds

    def asks_commands(self, source_kind: str) -> bool:
        """Whether any rule for this kind looks at what a text would run."""
        kind = self._kinds.get(source_kind)
        return kind is not None and kind.asks_commands

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
        known: Known = {}
        data = _look(kind.fields, fields, self._proposed, known)
        if commands and kind.asks_commands:
            for number, command in self._commands.find(commands).items():
                term_number = self._first_exec + number
                known[term_number] = CommandFound(self._terms[number], command)
        if not known and not kind.always:
            return ()
        places = _places(kind, known)
        return _fired(kind.rules, places, known, self._truth(known, data)) if places else ()

    def _truth(self, known: Known, data: Mapping[str, bytes]) -> Truth:
        """Tells which leaves are true: of those proposed, the certain ones, and each that RE2 then finds."""
        texts, finders = self._texts, self._finders

        def truth(condition: Condition) -> Found | None:
            number = condition.number
            found = known.get(number)
            if isinstance(found, _Undecided):
                leaf = texts[number]
                found = known[number] = None if finders[number](data[leaf.field]) is None else leaf
            return found

        return truth

    def _field(self, name: str, texts: list[Leaf], engine: Engine | None, cache: ScanCache | None) -> _Field:
        own = [leaf for leaf in texts if leaf.field == name]
        scanned = [leaf for leaf in own if not is_whole_field(leaf)]
        wholes: dict[bytes, Numbers] = {}
        for leaf in filter(is_whole_field, own):
            for value in set(leaf.values):
                wholes[value.encode()] = (*wholes.get(value.encode(), ()), self._numbers[leaf])
        scanner = scanner_of({self._numbers[leaf]: leaf for leaf in scanned}, engine, cache) if scanned else None
        certain = scanner.exact if scanner else frozenset()
        return _Field(name, scanner, wholes, certain.union(*wholes.values()))

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


def _look(
    names: Iterable[_Field], fields: Mapping[str, str], proposed: Sequence[Leaf | _Undecided], known: Known
) -> Mapping[str, bytes]:
    """Note in ``known`` which leaves are or may be true; returns the bytes of each field.

    No leaf is true on an empty text.
    """
    data: dict[str, bytes] = {}
    for name, scanner, wholes, _ in names:
        text = fields.get(name)
        if not text:
            continue
        raw = text.encode()
        numbers = scanner.propose(raw) if scanner is not None else []
        if wholes:
            numbers += wholes.get(raw, ())
        if numbers:
            data[name] = raw
            for number in numbers:
                known[number] = proposed[number]
    return data


def _places(kind: _Kind, known: Known) -> Sequence[int]:
    """The rules to look at, in order: those with a trigger among ``known``, and those that have none."""
    woken = kind.woken
    if len(known) == 1 and not kind.always:  # the common case: nothing to merge
        for number in known:
            return woken.get(number, ())
    places = set(kind.always)
    for number in known:
        places.update(woken.get(number, ()))
    return sorted(places)


def _fired(rules: Sequence[_Rule], places: Iterable[int], known: Known, truth: Truth) -> Sequence[Hit]:
    hits: list[Hit] = []
    for place in places:
        rule, condition, whens = rules[place]
        proof: Proof = {}
        if not _holds(condition, known, truth, proof):
            continue
        emits = rule.emits
        if whens:
            pairs = zip(emits, whens, strict=True)
            emits = tuple(emit for emit, when in pairs if when is None or _holds(when, known, truth, proof))
        if emits:
            hits.append(Hit(rule, emits, proof))
    return hits


def _holds(condition: Condition, known: Known, truth: Truth, proof: Proof) -> bool:
    """As :func:`evaluate`; most rules are one long choice, whose leaves need no step where they are not ``known``."""
    for part in condition.parts if condition.operator == "any" else (condition,):
        if part.leaf is None:
            if evaluate(part, truth, proof):
                return True
        elif part.number in known and (found := truth(part)) is not None:
            proof[part.path] = found
            return True
    return False


def _leaves_in_order(pack: Pack) -> list[AnyLeaf]:
    """Every distinct leaf, ``exec`` terms behind the others."""
    leaves = {leaf: None for rule in pack.rules for kind in rule.conditions for leaf in _leaves_of(rule, kind)}
    return sorted(leaves, key=lambda leaf: isinstance(leaf, ExecTerm))


def _leaves_of(rule: CompiledRule, kind: str) -> Iterator[AnyLeaf]:
    yield from rule.conditions[kind].leaves()
    for emit in rule.emits:
        if emit.when is not None:
            yield from emit.when[kind].leaves()
