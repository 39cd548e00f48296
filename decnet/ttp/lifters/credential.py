"""How log-ins are attempted: how many fail, how many passwords are tried, what follows, and whose pairs they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from decnet.models.event import AUTH_ATTEMPT, AuthPayload
from decnet.models.finding import Guessing, ValidAccount
from decnet.models.text import canonical_text
from decnet.ttp.lifters.base import (
    Predicate,
    Sight,
    fixed_window,
    look_at_figures,
    look_at_payload,
    parameter,
    table_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.event import Event
    from decnet.models.finding import Finding
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Tables

_Figures = TypeVar("_Figures")


class _Pair(msgspec.Struct, frozen=True):
    """A pair of account and password as a vendor delivered it."""

    vendor: str
    product: str
    username: str
    password: str


class _Pairs(msgspec.Struct, frozen=True):
    """The table of pairs."""

    rows: list[_Pair]


def _many(figures: type[_Figures], threshold: str, window: str, count: Callable[[_Figures], int]) -> Predicate:
    """True where ``count`` of the figures over ``window`` reaches the rule's ``threshold``."""

    def bind(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
        least = parameter(parameters, threshold, int)
        window_seconds = fixed_window(parameters, window, "attribution counts over one length of time")

        def look(finding: Finding, found: _Figures) -> Sight | None:
            if count(found) < least:
                return None
            evidence = {"finding": finding.source_id, "window_seconds": window_seconds, "threshold": {threshold: least}}
            return Sight(evidence)

        return look_at_figures(figures, look)

    return Predicate(frozenset({AUTH_ATTEMPT}), (figures,), bind)


def _bind_default_pair(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
    """Digests of all pairs, worked out once; an empty password has no digest, so such pairs say nothing."""
    if joins.secrets is None:
        return None
    name = parameter(parameters, "table", str)
    pairs: dict[tuple[str, str], str] = {}
    for row in table_of(tables, name, _Pairs).rows:
        if row.password:
            key = (canonical_text(row.username), joins.secrets(canonical_text(row.password)))
            pairs.setdefault(key, f"{row.vendor} {row.product}")

    def look(_event: Event, attempt: AuthPayload) -> Sight | None:
        entry = pairs.get((attempt.username, attempt.secret))
        return Sight({"table": name, "entry": entry}) if entry is not None else None

    return look_at_payload(AuthPayload, look)


PREDICATES: Mapping[str, Predicate] = {
    "credential_failures": _many(Guessing, "gte", "5m", lambda found: found.failures),
    "credential_distinct_passwords": _many(Guessing, "gte", "5m", lambda found: found.passwords),
    "credential_login_after_failures": _many(ValidAccount, "failures_gte", "30m", lambda found: found.failures),
    "credential_default_pair": Predicate(frozenset({AUTH_ATTEMPT}), (AuthPayload,), _bind_default_pair),
}
"""All predicates about credentials."""
