"""Sums over tags: what views, exports and reports are made of."""

from __future__ import annotations

import msgspec

from decnet.models.tag import shown_confidence


class TechniqueCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often one technique was seen under one tactic, in whatever scope and time the reader asked for.

    ``sub_technique_id`` is the full id (``T1059.004``). ``max_confidence`` is 0 to 1.
    ``first_seen_us`` and ``last_seen_us`` are microseconds since 1970, UTC, of the observation (never of the insert).
    ``attack_release`` is ``enterprise-19.2``. ``intel_bump`` is by how much an agreement of providers lifts what views
    of one attacker show; 0 in any other scope.
    """

    tactic: str
    technique_id: str
    sub_technique_id: str | None
    count: int
    max_confidence: float
    first_seen_us: int
    last_seen_us: int
    attack_release: str
    intel_bump: float = 0.0

    @property
    def shown_confidence(self) -> float:
        """``max_confidence`` with ``intel_bump``, as views show it; exports give both."""
        return shown_confidence(self.max_confidence, self.intel_bump)
