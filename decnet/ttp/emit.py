"""Rule, proof and event become tags: the only place where a tag is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.models.actor import attacker_uuid
from decnet.models.tag import MIN_STORED_CONFIDENCE, TTPTag, compute_tag_uuid
from decnet.ttp.mask import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.models.event import Event
    from decnet.ttp.condition import Proof
    from decnet.ttp.index import Hit

MAX_MATCHED_BYTES = 240
MAX_TERMS = 8


def evidence_of(source_kind: str, proof: Proof, fields: Mapping[str, str]) -> Mapping[str, object]:
    """The minimum that shows why a rule fired: the longest matched text, masked and capped, and where it stands.

    A proof without terms (a rule of only ``not``) points at the start of the field.
    """
    if not proof:
        matched: dict[str, object] = {"matched": "", "start": 0, "end": 0, "terms": []}
        return matched if source_kind == "command" else {"field": "", **matched}
    leaf, (start, end) = max(proof.values(), key=lambda found: found[1][1] - found[1][0])
    data = fields[leaf.field].encode()
    quoted = mask_secrets(data)[start : min(end, start + MAX_MATCHED_BYTES)]
    evidence: dict[str, object] = {
        "matched": quoted.decode("utf-8", "replace"),
        "start": start,
        "end": end,
        "terms": list(proof)[:MAX_TERMS],
    }
    return evidence if source_kind == "command" else {"field": leaf.field, **evidence}


def tags_of(event: Event, hits: list[tuple[Hit, Mapping[str, object]]]) -> list[TTPTag]:
    """One tag per emit of each hit; what is below the stored minimum is left out."""
    source_id = event.id.hex()
    attacker = attacker_uuid(event.src_ip)
    return [
        TTPTag(
            uuid=compute_tag_uuid(
                event.source_kind,
                source_id,
                hit.rule.rule.rule_id,
                hit.rule.rule.rule_version,
                compiled.emit.technique_id,
                compiled.emit.sub_technique_id,
            ),
            source_kind=event.source_kind,
            source_id=source_id,
            attacker_uuid=attacker,
            identity_uuid=None,
            session_id=event.session_id,
            decky_id=event.decky_id,
            tactic=compiled.emit.tactic,
            technique_id=compiled.emit.technique_id,
            sub_technique_id=compiled.emit.sub_technique_id,
            confidence=compiled.emit.confidence,
            rule_id=hit.rule.rule.rule_id,
            rule_version=hit.rule.rule.rule_version,
            evidence=evidence,
            attack_release=hit.rule.rule.attack_release,
            observed_at=event.observed_at,
        )
        for hit, evidence in hits
        for compiled in hit.emits
        if compiled.emit.confidence >= MIN_STORED_CONFIDENCE
    ]
