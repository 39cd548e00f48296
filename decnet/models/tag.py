"""A tag: this event shows this technique, this sure, because of that."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, NewType, NotRequired, TypedDict, get_args
from uuid import UUID

import msgspec

from decnet.models.actor import AttackerUuid, IdentityUuid, SessionUuid
from decnet.models.event import SourceKind
from decnet.models.ids import uuid5_bytes

if TYPE_CHECKING:
    from types import UnionType

TagUuid = NewType("TagUuid", bytes)
TagKey = tuple[int, TagUuid]
"""What a tag is found by: (observed_at, uuid)."""

MIN_STORED_CONFIDENCE = 0.3
"""Below this nothing is written."""
DEFAULT_CONFIDENCE_FLOOR = 0.6
"""Views hide what is below this, until asked."""
BAND_EDGES = (0.3, 0.6, 0.7, 0.8, 0.9)
"""Lower edges of the confidence bands that roll-ups keep apart."""

_BELOW_THE_FLOOR = 0.001
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


class MailEvidence(TypedDict):
    """What proves a tag on a message: names of headers, domains, counts, digests, and words of our own tables.

    ``message_sha256`` leads to the stored message. No address, subject, text or name of a file has a place here.
    ``threshold`` is the rule's, ``headers`` are the headers that were compared, ``signs`` what was recognised, by the
    names of rules and tables.
    """

    message_sha256: str
    threshold: NotRequired[dict[str, int]]
    headers: NotRequired[list[str]]
    domains: NotRequired[list[str]]
    counts: NotRequired[dict[str, int]]
    digests: NotRequired[list[str]]
    signs: NotRequired[list[str]]


class CanaryEvidence(TypedDict):
    """What proves a tag on a canary or on a browser that opened one.

    ``metric`` is what was looked at (``aws_key``, ``webgl_renderer``), ``signature`` what was recognised in it, in our
    own words; never what the browser sent.
    """

    metric: str
    signature: str


class FindingEvidence(TypedDict):
    """What proves a tag on a finding: which one, and the rule's threshold that its figures reached, no figure itself.

    ``window_seconds`` is how long the figures run. The rest says what was found where a rule asks for several things:
    a class of behaviour, a tool and what told of it, a probe, a measure.
    """

    finding: str
    threshold: NotRequired[Mapping[str, float]]
    window_seconds: NotRequired[int]
    behaviour: NotRequired[str]
    tool: NotRequired[str]
    purpose: NotRequired[str]
    basis: NotRequired[list[str]]
    signature: NotRequired[str]
    decoys_gte: NotRequired[int]
    measure: NotRequired[str]


class ListedEvidence(TypedDict):
    """What proves a tag on an event that a table of the pack lists: the table and the entry, by its name there."""

    table: str
    entry: str
    metric: NotRequired[str]


class FileEvidence(TypedDict):
    """What proves a tag on a stored file: its type and digest, how it came."""

    type: str
    action: str
    sha256: NotRequired[str]


class PresenceEvidence(TypedDict):
    """What proves a tag on what an event shows by itself: which sign, out of those that the rule asks for."""

    sign: str
    threshold: NotRequired[Mapping[str, float]]


class KnownFileEvidence(TypedDict):
    """What proves a tag on a file that others know: who lists its digest."""

    provider: str
    sha256: str
    action: str


class IntelEvidence(TypedDict):
    """What proves a tag on a provider's verdict: which signals of its, and its score from 0 to 1.

    ``pointer`` is the provider's page about the address.
    """

    provider: str
    signals: list[str]
    score: float
    families: NotRequired[list[str]]
    ioc_types: NotRequired[list[str]]
    pointer: NotRequired[str]


class AgreementEvidence(TypedDict):
    """Which providers agree, and by how much that lifts what views show."""

    providers: list[str]
    bump: float


EVIDENCE_TYPES: dict[str, type | UnionType] = {
    "canary": CanaryEvidence,
    "canary_fingerprint": CanaryEvidence,
    "command": CommandEvidence,
    "http_request": TextEvidence,
    "auth_attempt": FindingEvidence | ListedEvidence,
    "fingerprint": TextEvidence | ListedEvidence | PresenceEvidence,
    "payload": TextEvidence | FileEvidence | KnownFileEvidence,
    "scan": FindingEvidence,
    "session": SessionEvidence | FindingEvidence | ListedEvidence | PresenceEvidence,
    "identity_rollup": FindingEvidence,
    **dict.fromkeys(("email", "email_header", "email_body", "email_attachment"), MailEvidence),
    "intel_verdict": IntelEvidence | AgreementEvidence,
}
"""The shape of the evidence of each source kind, or the shapes; an undeclared key fails in tests and costs the tag."""


@cache
def evidence_keys(source_kind: str) -> frozenset[str]:
    """The keys that evidence of this kind may have; none for a kind that declares no shape."""
    declared = EVIDENCE_TYPES.get(source_kind)
    shapes = get_args(declared) or (declared,)
    return frozenset(key for shape in shapes if shape is not None for key in shape.__annotations__)


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


def shown_confidence(stored: float, bump: float) -> float:
    """What a view shows of a tag whose attacker several providers call malicious: ``bump`` more, at most 1.

    What is below the default floor stays below: others' opinions bring nothing into sight that our own rules hide.
    """
    lifted = min(stored + bump, 1.0)
    if stored < DEFAULT_CONFIDENCE_FLOOR <= lifted:
        return max(stored, DEFAULT_CONFIDENCE_FLOOR - _BELOW_THE_FLOOR)
    return lifted


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
    return max(bisect_right(BAND_EDGES, confidence) - 1, 0)
