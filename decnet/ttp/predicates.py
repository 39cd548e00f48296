"""The predicates of lifters that rules may name, and whether a rule names them right."""

from __future__ import annotations

import re  # reads durations of rules here, never attacker text
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from decnet.ttp.pack import LifterTerm

TABLE = "table"
"""A file of the pack, named from its folder: ``data/brands.yaml``."""

_DURATION = re.compile(r"[1-9]\d{0,5}[smhd]")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of(is_item: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and bool(value) and all(map(is_item, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


TYPES: dict[str, Callable[[object], bool]] = {
    "number": _is_number,
    "text": _is_text,
    "flag": lambda value: isinstance(value, bool),
    "texts": _is_list_of(_is_text),
    "numbers": _is_list_of(_is_number),
    "duration": lambda value: isinstance(value, str) and _DURATION.fullmatch(value) is not None,
    "mappings": _is_list_of(lambda value: isinstance(value, dict) and bool(value)),
    TABLE: _is_text,
}


@cache
def predicates() -> Mapping[str, Mapping[str, str]]:
    """Name of each predicate → its parameters and their types, a question mark behind those that may be left out."""
    text = resources.files("decnet.ttp").joinpath("predicates.yaml").read_text("utf-8")
    return msgspec.convert(yaml.load(text, Loader=yaml.CSafeLoader), dict[str, dict[str, str]])


def predicate_faults(term: LifterTerm) -> Iterator[tuple[str, str]]:
    """Key and sentence of what is wrong with the predicate that ``term`` names and its parameters."""
    known = predicates().get(term.predicate)
    if known is None:
        yield "lifter", f"no lifter has a predicate {term.predicate!r}{_meant(term.predicate, predicates())}"
        return
    for name, value in term.parameters.items():
        kind = known.get(name, "").rstrip("?")
        if not kind:
            yield name, f"{term.predicate} has no parameter {name!r}{_meant(name, known)}"
        elif not TYPES[kind](value):
            yield name, f"{name} must be a {kind}, not {value!r}"
    missing = [name for name, kind in known.items() if not kind.endswith("?") and name not in term.parameters]
    if missing:
        yield "lifter", f"{term.predicate} needs {', '.join(missing)}; give {'it' if len(missing) == 1 else 'them'}"


def tables_of(term: LifterTerm) -> Iterator[tuple[str, str]]:
    """Key and name of each table that ``term`` refers to."""
    for name, kind in predicates().get(term.predicate, {}).items():
        value = term.parameters.get(name)
        if kind.rstrip("?") == TABLE and isinstance(value, str):
            yield name, value


def _meant(word: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
