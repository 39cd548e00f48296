"""What third parties say of an address or a file: verdicts, and what may be asked about digests.

Fields are the providers' own figures; what they mean is in the tables ``rules/intel/*.yaml``.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal, Protocol

import msgspec

from decnet.models.actor import AttackerUuid

Standing = Literal["malicious", "suspicious", "benign", "unknown"]
"""How a provider sees an address on the whole, in words that all of them share."""

AGREEMENT = "agreement"
"""Stands for the provider in the id of an :class:`Agreement`."""
MAX_TEXT = 120
"""Longest name that is taken from a provider's answer."""
MAX_LISTED = 64
"""Most categories, tags or threats that are taken from one answer."""

_DIGEST_BYTES = 8
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Threat(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One entry of ThreatFox about an address; ``score`` is its level of confidence, 0 to 100."""

    threat_type: str
    score: int = 0
    ioc_type: str = ""
    malware: str = ""


class Verdict(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, gc=False):
    """What ``provider`` says of ``indicator``, an address. A field that a provider does not have is empty.

    ``score`` (0 to 100) and ``categories`` are AbuseIPDB's, ``classification`` and ``tags`` (lower case, ``_`` between
    words) GreyNoise's, ``listed`` and ``malware`` Feodo Tracker's, ``threats`` ThreatFox's. ``pointer`` is the page on
    which a person can read on.
    """

    provider: str
    indicator: str = ""
    standing: Standing = "unknown"
    score: int | None = None
    categories: tuple[int, ...] = ()
    classification: str = ""
    tags: tuple[str, ...] = ()
    listed: bool | None = None
    malware: str = ""
    threats: tuple[Threat, ...] = ()
    pointer: str = ""

    @property
    def digest(self) -> str:
        """16 hex digits over the fields that rules use: the same for an answer that says nothing new."""
        used = (
            *(self.score, sorted(self.categories), self.classification, sorted(self.tags), self.listed, self.malware),
            sorted(map(msgspec.structs.astuple, self.threats)),
        )
        return blake2b(_encode(used), digest_size=_DIGEST_BYTES).hexdigest()


class Agreement(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What several providers say of one address at a time: their newest verdicts, in order of the providers' names."""

    indicator: str
    verdicts: tuple[Verdict, ...] = ()

    @property
    def digest(self) -> str:
        """16 hex digits over the verdicts' own."""
        parts = "".join(f"{verdict.provider}:{verdict.digest};" for verdict in self.verdicts)
        return blake2b(parts.encode(), digest_size=_DIGEST_BYTES).hexdigest()


class IntelEnriched(msgspec.Struct, frozen=True, gc=False):
    """On ``attacker.intel.enriched``: a provider says something new; the finding holds the whole verdict."""

    attacker_uuid: AttackerUuid
    provider: str
    indicator: str
    standing: Standing
    source_id: str
    observed_at: int


class KnownDigests(Protocol):
    """Files that are known to be malware, by what their bytes digest to."""

    def holds(self, sha256: bytes) -> bool:
        """Whether the file with this SHA-256 (32 bytes) is on the list; False for what is no SHA-256."""
