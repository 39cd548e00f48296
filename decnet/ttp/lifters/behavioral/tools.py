"""Predicates about the attacker's software: what it calls itself, and fingerprints that a table knows."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from decnet.errors import RuleError
from decnet.models.event import FINGERPRINT, SESSION, FingerprintPayload
from decnet.models.finding import DAY_US, SECOND_US, ToolGuess
from decnet.ttp.lifters.base import (
    Predicate,
    Sight,
    look_at_figures,
    look_at_payload,
    parameter,
    table_of,
)
from decnet.ttp.match import PatternRefused, find_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from decnet.models.event import Event
    from decnet.models.finding import Finding
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Seen, Tables
    from decnet.ttp.match import Finder

_DAY_SECONDS = DAY_US // SECOND_US
_MAX_CHARS = 256
"""Of a banner: a name that comes later is none that the client gives itself."""
_REMEMBERED = 512
"""Banners, per rule: most clients are one of a few dozen."""


class _Name(msgspec.Struct, frozen=True):
    """What a tool calls itself: ``pattern`` is searched without regard to case in a fingerprint of that metric."""

    tool: str
    purpose: str
    metric: str
    pattern: str


class _Names(msgspec.Struct, frozen=True):
    """The table of names."""

    rows: list[_Name]


class _Print(msgspec.Struct, frozen=True):
    """A fingerprint that is known; ``purpose`` where the table holds tools of several."""

    metric: str
    value: str
    name: str
    purpose: str = ""


class _Prints(msgspec.Struct, frozen=True):
    """The table of fingerprints."""

    rows: list[_Print]


def _bind_tool(parameters: Parameters, tables: Tables, _joins: Joins) -> Look:
    table, purposes = parameter(parameters, "table", str), frozenset(parameter(parameters, "purposes", list[str]))
    names = [row for row in table_of(tables, table, _Names).rows if row.purpose in purposes]
    tools = {row.tool: row.purpose for row in names}
    finders = [(row, _finder(table, row.pattern)) for row in names]

    def guessed(finding: Finding, guess: ToolGuess) -> Sight | None:
        purpose = tools.get(guess.tool)
        if purpose is None:
            return None
        pointer = {"finding": finding.source_id, "window_seconds": _DAY_SECONDS}
        return Sight({**pointer, "tool": guess.tool, "purpose": purpose, "basis": list(guess.basis)})

    @lru_cache(_REMEMBERED)
    def sight_of(metric: str, banner: str) -> Sight | None:
        return _sight_of_name(table, finders, metric, banner)

    def named(_event: Event, shown: FingerprintPayload) -> Sight | None:
        return sight_of(shown.metric, shown.value[:_MAX_CHARS])

    by_guess, by_name = look_at_figures(ToolGuess, guessed), look_at_payload(FingerprintPayload, named)

    def look(seen: Seen) -> Sight | None:
        return by_guess(seen) or by_name(seen)

    return look


def _sight_of_name(table: str, finders: Sequence[tuple[_Name, Finder]], metric: str, banner: str) -> Sight | None:
    text = banner.encode()
    for row, find in finders:
        if row.metric == metric and find(text) is not None:
            return Sight({"table": table, "entry": row.tool, "metric": metric})
    return None


def _finder(table: str, pattern: str) -> Finder:
    try:
        return find_pattern(f"(?i){pattern}")
    except PatternRefused as error:
        raise RuleError([f"{table}: pattern {pattern!r}: {error}; write it in the syntax of RE2"]) from None


def _bind_fingerprint(parameters: Parameters, tables: Tables, _joins: Joins) -> Look:
    table = parameter(parameters, "table", str)
    purposes = parameter(parameters, "purposes", list[str]) if "purposes" in parameters else None
    rows = table_of(tables, table, _Prints).rows
    known = {(row.metric, row.value): row.name for row in rows if purposes is None or row.purpose in purposes}

    def look(_event: Event, shown: FingerprintPayload) -> Sight | None:
        name = known.get((shown.metric, shown.value))
        return Sight({"table": table, "entry": name, "metric": shown.metric}) if name is not None else None

    return look_at_payload(FingerprintPayload, look)


PREDICATES: Mapping[str, Predicate] = {
    "behavioral_tool": Predicate(frozenset({SESSION, FINGERPRINT}), (ToolGuess, FingerprintPayload), _bind_tool),
    "behavioral_fingerprint_listed": Predicate(
        frozenset({SESSION, FINGERPRINT}), (FingerprintPayload,), _bind_fingerprint
    ),
}
