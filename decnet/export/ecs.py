"""Tags as events of the Elastic Common Schema 8.17, JSON lines.

Fields: https://www.elastic.co/guide/en/ecs/8.17/ecs-threat.html. What ECS has no field for stands under ``decnet.*``.
Evidence is one string there (``decnet.evidence``): its keys differ per source kind, and an index must not grow a field
for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from decnet.export.spelling import moment_text
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from decnet.attack.catalog import Catalog, Technique
    from decnet.models.stored_tag import StoredTag

ECS_VERSION = "8.17.0"
_encode = msgspec.json.Encoder().encode


def ecs_lines(tags: Iterable[StoredTag], catalog_of: Callable[[str], Catalog], marking: str) -> Iterator[bytes]:
    """A line of JSON per tag.

    :raises CatalogueError: the release of a tag is not here.
    """
    for tag in tags:
        yield _encode(ecs_event(tag, catalog_of(tag.attack_release), marking)) + b"\n"


def ecs_event(tag: StoredTag, catalog: Catalog, marking: str) -> dict[str, Any]:
    """``tag`` as a document."""
    event: dict[str, Any] = {
        "@timestamp": moment_text(tag.observed_at),
        "ecs": {"version": ECS_VERSION},
        "tags": [f"tlp:{marking}"],
        "event": {
            "id": uuid_text(tag.uuid),
            "kind": "alert",
            "category": ["intrusion_detection"],
            "type": ["info"],
            "created": moment_text(tag.created_at),
            "module": "decnet",
            "dataset": "decnet.ttp",
            "risk_score": round(100 * tag.confidence, 1),
        },
        "rule": {"id": tag.rule_id, "version": str(tag.rule_version), "ruleset": "decnet"},
        "threat": _threat(tag, catalog),
        "decnet": {
            "confidence": tag.confidence,
            "source_kind": tag.source_kind,
            "source_id": tag.source_id,
            "identity": uuid_text(tag.identity_uuid),
            "attack_release": tag.attack_release,
            "evidence": _encode(tag.evidence).decode(),
        },
    }
    if tag.decoy is not None:
        event["observer"] = {"name": tag.decoy, "type": "honeypot"}
    if tag.address is not None:
        event["source"] = {"ip": tag.address, "address": tag.address}
        event["related"] = {"ip": [tag.address]}
    if tag.protocol:
        event["network"] = {"protocol": tag.protocol.lower()}
    if tag.attacker_uuid is not None:
        event["decnet"]["attacker"] = uuid_text(tag.attacker_uuid)
    if tag.session_uuid is not None:
        event["decnet"]["session"] = uuid_text(tag.session_uuid)
    return event


def _threat(tag: StoredTag, catalog: Catalog) -> dict[str, Any]:
    tactic = catalog.tactic(tag.tactic)
    technique = _named(catalog.technique(tag.technique_id))
    if tag.sub_technique_id is not None:
        technique["subtechnique"] = [_named(catalog.technique(tag.sub_technique_id))]
    return {
        "framework": "MITRE ATT&CK",
        "tactic": [{"id": tactic.id, "name": tactic.name, "reference": tactic.url}],
        "technique": [technique],
    }


def _named(technique: Technique) -> dict[str, Any]:
    return {"id": technique.id, "name": technique.name, "reference": technique.url}
