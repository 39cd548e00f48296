"""Bait that was touched, by its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.errors import RuleError
from decnet.models.canary import CanaryPayload
from decnet.models.event import CANARY
from decnet.ttp.lifters.base import Predicate, Sight, parameter, subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.ttp.lifters.base import Joins, Look, Parameters, Seen, Tables


def _token(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """A token of one of ``kinds``, or of any kind ``other_than`` these."""
    if ("kinds" in parameters) is ("other_than" in parameters):
        raise RuleError(["kinds: canary_token takes either 'kinds' or 'other_than'; give one of them"])
    wanted = frozenset(parameter(parameters, "kinds" if "kinds" in parameters else "other_than", list[str]))
    is_listed = "kinds" in parameters

    def look(seen: Seen) -> Sight | None:
        touched = subject_of(seen, CanaryPayload)
        if touched is None or (touched.token_kind in wanted) is not is_listed:
            return None
        return Sight({"metric": touched.token_kind, "signature": touched.trigger})

    return look


PREDICATES: Mapping[str, Predicate] = {
    "canary_token": Predicate(frozenset({CANARY}), (CanaryPayload,), _token),
}
"""Predicates about tokens."""
