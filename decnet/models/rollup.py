"""Sums over tags: what views, exports and reports are made of."""

from __future__ import annotations

import msgspec


class TechniqueCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often one technique was seen under one tactic, in whatever scope and time the reader asked for.

    ``sub_technique_id`` is the full id (``T1059.004``). ``max_confidence`` is 0 to 1.
    ``first_seen_us`` and ``last_seen_us`` are microseconds since 1970, UTC, of the observation (never of the insert).
    ``attack_release`` is ``enterprise-19.2``.
    """

    tactic: str
    technique_id: str
    sub_technique_id: str | None
    count: int
    max_confidence: float
    first_seen_us: int
    last_seen_us: int
    attack_release: str
