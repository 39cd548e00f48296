"""How somebody behaves: over a day or a session, and what single events say beside their text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.ttp.lifters.behavioral import events, figures, smtp, tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.ttp.lifters.base import Predicate

PREDICATES: Mapping[str, Predicate] = {
    **figures.PREDICATES,
    **tools.PREDICATES,
    **events.PREDICATES,
    **smtp.PREDICATES,
}
"""All predicates about behaviour."""
