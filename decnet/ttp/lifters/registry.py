"""Every predicate that a rule can name, from the lifters that own them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from decnet.ttp.lifters import behavioral, canary_fingerprint, credential, email, identity, intel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.ttp.lifters.base import Predicate

PREDICATES: Mapping[str, Predicate] = MappingProxyType(
    {
        **behavioral.PREDICATES,
        **canary_fingerprint.PREDICATES,
        **credential.PREDICATES,
        **email.PREDICATES,
        **identity.PREDICATES,
        **intel.PREDICATES,
    }
)
"""Name of a predicate → the predicate; the names and parameters that rules may write stand in ``predicates.yaml``."""


def owner_of(predicate: str) -> str:
    """The lifter that owns a predicate: the first word of its name."""
    return predicate.partition("_")[0]
