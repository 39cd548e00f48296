"""What an alert tells, before it is spelt for whoever gets it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from decnet.errors import CatalogueError
from decnet.models.actor import IdentityUuid, attacker_uuid
from decnet.models.stored_tag import StoredTag
from decnet.models.tag import TagUuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.attack.catalog import Catalog
    from decnet.models.hook import DeliveryKind, Suppressed

SAMPLE_ADDRESS = "192.0.2.1"
_SAMPLE_RULE = "R0000"
_NO_UUID = bytes(16)


@dataclass(frozen=True, slots=True)
class Named:
    """A tag, and how ATT&CK calls what it shows; ids stand for names where the release is not here."""

    tag: StoredTag
    tactic: str
    technique: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One delivery to one hook. ``id`` stays the same through all tries; ``sent_at`` is µs UTC.

    ``about`` is None where ``suppressed`` is told.
    """

    id: int
    kind: DeliveryKind
    hook: str
    sent_at: int
    about: Named | None = None
    suppressed: Suppressed | None = None

    @property
    def sentence(self) -> str:
        """The alert for a reader in a hurry; without attacker text."""
        if self.about is not None:
            tag = self.about.tag
            who = f" by {tag.address}" if tag.address is not None else ""
            start = "test: " if self.kind == "test" else ""
            return f"{start}{tag.attack_id} {self.about.technique} ({self.about.tactic}){who}, rule {tag.rule_id}"
        return f"{self.suppressed.count if self.suppressed else 0} more tags, over the limit of this hook"


def named(tag: StoredTag, catalog_of: Callable[[str], Catalog]) -> Named:
    """``tag`` with the names of its release."""
    try:
        catalog = catalog_of(tag.attack_release)
        technique = catalog.technique(tag.attack_id)
        return Named(tag, catalog.tactic(tag.tactic).name, technique.name, technique.url)
    except CatalogueError:
        return Named(tag, tag.tactic, tag.attack_id, "")


def sample_tag(catalog: Catalog, *, now: int) -> StoredTag:
    """A tag that nobody stored, for trying a receiver: the release's first technique, by a documentation address."""
    technique = next(one for one in catalog.techniques.values() if one.is_active and one.parent is None)
    return StoredTag(
        observed_at=now,
        uuid=TagUuid(_NO_UUID),
        created_at=now,
        source_kind="command",
        source_id="test",
        attacker_uuid=attacker_uuid(SAMPLE_ADDRESS),
        address=SAMPLE_ADDRESS,
        identity_uuid=IdentityUuid(_NO_UUID),
        session_uuid=None,
        protocol="ssh",
        decoy="test",
        tactic=technique.tactics[0],
        technique_id=technique.id,
        sub_technique_id=None,
        attack_release=catalog.release,
        confidence=1.0,
        rule_id=_SAMPLE_RULE,
        rule_version=1,
        evidence={},
    )


def evidence_text(tag: StoredTag) -> str:
    """The evidence as one line of JSON in ASCII, without a character that cannot be seen."""
    return json.dumps(tag.evidence, separators=(",", ":")).replace("\x7f", "\\u007f")
