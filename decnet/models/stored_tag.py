"""A stored tag as those read it who were not there: with the actors' names instead of the store's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from decnet.models.actor import AttackerUuid, CampaignUuid, IdentityUuid, SessionUuid
from decnet.models.tag import DEFAULT_CONFIDENCE_FLOOR, TagKey, TagUuid


class Order(Enum):
    """In which order tags come; by attacker, those on an identity alone come last."""

    OLDEST = "oldest"
    NEWEST = "newest"
    ATTACKER = "attacker"


class StoredTag(msgspec.Struct, frozen=True, kw_only=True):
    """One tag that is in force. Times are µs UTC; ``evidence`` is hostile text, capped when it was written.

    ``address``, ``session_uuid``, ``protocol`` and ``decoy`` are None for tags on an identity, which have no attacker.
    ``identity_uuid`` is the identity that the attacker belongs to now, or that the tag is on.
    """

    observed_at: int
    uuid: TagUuid
    created_at: int
    source_kind: str
    source_id: str
    attacker_uuid: AttackerUuid | None
    address: str | None
    identity_uuid: IdentityUuid
    session_uuid: SessionUuid | None
    protocol: str | None
    decoy: str | None
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    attack_release: str
    confidence: float
    rule_id: str
    rule_version: int
    evidence: Mapping[str, Any]

    @property
    def key(self) -> TagKey:
        """What it is found by."""
        return self.observed_at, self.uuid

    @property
    def attack_id(self) -> str:
        """The sub-technique where there is one, else the technique."""
        return self.sub_technique_id or self.technique_id


class TagFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tags are wanted; what is None does not matter. ``since`` is included, ``until`` is not (µs UTC).

    At most one of the owners is given. An identity or campaign is meant with all attackers that belong to it now.
    ``technique`` is the id of a technique, which takes its sub-techniques in, or of a sub-technique.
    """

    attacker: AttackerUuid | None = None
    identity: IdentityUuid | None = None
    campaign: CampaignUuid | None = None
    session: SessionUuid | None = None
    technique: str | None = None
    tactic: str | None = None
    source_kind: str | None = None
    decoy: str | None = None
    since: int | None = None
    until: int | None = None
    min_confidence: float = DEFAULT_CONFIDENCE_FLOOR
