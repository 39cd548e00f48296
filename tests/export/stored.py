"""Stored tags for the tests of exports, with text that some attacker would have liked to get through."""

from __future__ import annotations

from uuid import NAMESPACE_DNS

from decnet.models.actor import SessionUuid, attacker_uuid, identity_uuid
from decnet.models.ids import uuid5_bytes
from decnet.models.stored_tag import StoredTag
from decnet.models.tag import compute_tag_uuid
from tests.events import NOON, SECOND

HOSTILE = (
    '=HYPERLINK("http://203.0.113.7","x")',
    "+1-1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r\n=1",
    "</script><script>alert(1)</script>",
    "\u202egnp.exe \x1b[31m\u200b",
    '", "injected": "yes',
    "{{7*7}} ${jndi:x} ]]>",
)
_TECHNIQUES = (("TA0011", "T1105", None), ("TA0002", "T1059", "T1059.004"), ("TA0112", "T1222", "T1222.002"))


def stored_tag(number: int) -> StoredTag:
    """The tag of that number: three to an event, two attackers by turns, one of them on IPv6."""
    event = number // 3
    address = ("198.51.100.7", "2001:db8::9")[event % 2]
    tactic, technique, sub = _TECHNIQUES[number % 3]
    source_id = f"{event:032x}"
    attacker = attacker_uuid(address)
    text = HOSTILE[event % len(HOSTILE)]
    return StoredTag(
        observed_at=NOON + event * SECOND,
        uuid=compute_tag_uuid("command", source_id, "R0012", 1, technique, sub),
        created_at=NOON + event * SECOND,
        source_kind="command",
        source_id=source_id,
        attacker_uuid=attacker,
        address=address,
        identity_uuid=identity_uuid(attacker),
        session_uuid=SessionUuid(uuid5_bytes(NAMESPACE_DNS, address)),
        protocol="ssh",
        decoy=("web01", "=cmd|' /C calc'!A0")[event % 2],
        tactic=tactic,
        technique_id=technique,
        sub_technique_id=sub,
        attack_release="enterprise-19.2",
        confidence=0.85,
        rule_id="R0012",
        rule_version=1,
        evidence={"matched": text, "start": 0, "end": len(text), "terms": ["match.exec"], "command": text},
    )


def stored_tags(count: int) -> list[StoredTag]:
    """The first ``count`` tags, by time."""
    return [stored_tag(number) for number in range(count)]
