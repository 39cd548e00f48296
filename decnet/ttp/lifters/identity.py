"""What identities do over addresses: one password on many accounts, one pair in many places, one text from many."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from decnet.models.finding import (
    IDENTITY_ROLLUP,
    IdentityBodies,
    IdentityNetworks,
    IdentityReuse,
    IdentitySpraying,
)
from decnet.ttp.lifters.base import Predicate, Sight, fixed_window, look_at_figures, parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.finding import Finding
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Tables

_Figures = TypeVar("_Figures")
_WINDOW = "1d"


def _many(figures: type[_Figures], threshold: str, count: Callable[[_Figures], int]) -> Predicate:
    """True where ``count`` of the figures reaches the rule's ``threshold``."""

    def bind(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
        least = parameter(parameters, threshold, int)
        window_seconds = fixed_window(parameters, _WINDOW, "figures about identities are kept per UTC day")

        def look(finding: Finding, found: _Figures) -> Sight | None:
            if count(found) < least:
                return None
            evidence = {"finding": finding.source_id, "window_seconds": window_seconds, "threshold": {threshold: least}}
            return Sight(evidence)

        return look_at_figures(figures, look)

    return Predicate(frozenset({IDENTITY_ROLLUP}), (figures,), bind)


PREDICATES: Mapping[str, Predicate] = {
    "identity_password_spray": _many(IdentitySpraying, "accounts_gte", lambda found: found.accounts),
    "identity_pair_reuse": _many(IdentityReuse, "targets_gte", lambda found: found.places),
    "identity_asn_hopping": _many(IdentityNetworks, "asns_gte", lambda found: found.networks),
    "identity_shared_body": _many(IdentityBodies, "identities_gte", lambda found: found.identities),
}
"""All predicates about identities."""
