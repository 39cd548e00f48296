"""What canaries tell: that one was touched, and what the browser that opened it shows of who drives it, from where."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from decnet.ttp.lifters.canary_fingerprint import automation, disguise, places, tokens, tor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.ttp.lifters.base import Predicate

PREDICATES: Mapping[str, Predicate] = MappingProxyType(
    {
        **automation.PREDICATES,
        **disguise.PREDICATES,
        **places.PREDICATES,
        **tokens.PREDICATES,
        **tor.PREDICATES,
    }
)
"""All predicates about canaries."""
