"""What is announced about tags, rules, mails and canaries: bodies of messages in MessagePack, maps by field name.

Times are µs UTC, uuids 16 bytes. A reader passes over fields that it does not know: later versions may add some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.models.actor import AttackerUuid, IdentityUuid, SessionUuid, attacker_uuid
from decnet.models.canary import CanaryPayload
from decnet.models.event import Event, EventId
from decnet.models.mail import MailPayload
from decnet.models.tag import TagKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.models.event import Event
    from decnet.models.tag import TTPTag


class Tagged(msgspec.Struct, frozen=True, gc=False):
    """On ``ttp.tagged``: these tags are stored and were not before. One per attacker (or identity) and session.

    ``techniques_added`` are the techniques of these tags, the sub-technique where there is one, each once, sorted.
    """

    attacker_uuid: AttackerUuid | None
    identity_uuid: IdentityUuid | None
    session_id: SessionUuid | None
    tags: tuple[TagKey, ...]
    techniques_added: tuple[str, ...]


class RuleFired(msgspec.Struct, frozen=True, gc=False):
    """On ``ttp.rule.fired.<parent technique>``: a rule wrote a tag that is new."""

    rule_id: str
    rule_version: int
    attacker_uuid: AttackerUuid | None
    identity_uuid: IdentityUuid | None
    session_id: SessionUuid | None
    decky_id: str | None
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    confidence: float
    tag: TagKey


class RuleSuppressed(msgspec.Struct, frozen=True, gc=False):
    """On ``ttp.rule.suppressed``: so many tags of a rule on an attacker were stored and not announced as fired.

    Once per rule, attacker (or identity) and window, when the window is over; from ``since`` to ``until``.
    """

    rule_id: str
    owner_uuid: bytes
    count: int
    since: int
    until: int


class RuleReloaded(msgspec.Struct, frozen=True, gc=False):
    """On ``ttp.rule.reloaded.<rule>``: this version is in force; None when there is none any more."""

    rule_id: str
    rule_version: int | None


class RuleStateChanged(msgspec.Struct, frozen=True, gc=False):
    """On ``ttp.rule.state.<rule>``: the state in force, given by somebody or come about by expiry."""

    rule_id: str
    mode: str
    confidence_max: float | None
    expires_at: int | None
    reason: str
    set_by: str
    set_at: int


class EmailReceived(msgspec.Struct, frozen=True, gc=False):
    """On ``email.received``: a mail came in. Digests are hexadecimal; ``message_sha256`` leads to the stored one."""

    event_id: bytes
    attacker_uuid: AttackerUuid
    session_id: SessionUuid
    sensor: str
    observed_at: int
    message_sha256: str
    size_bytes: int
    body_sha256: str
    body_simhash: str
    recipients: int
    links: int
    attachments: tuple[str, ...]


class CanaryTriggered(msgspec.Struct, frozen=True, gc=False):
    """On ``canary.<token>.triggered``: somebody touched a canary. The rest stands in the event."""

    token: str
    token_kind: str
    trigger: str
    attacker_uuid: AttackerUuid
    session_id: SessionUuid
    event_id: EventId
    observed_at: int


Announcement = CanaryTriggered | EmailReceived | Tagged | RuleFired | RuleSuppressed | RuleReloaded | RuleStateChanged

_pack = msgspec.msgpack.Encoder().encode


def packed_announcement(announcement: Announcement) -> bytes:
    """``announcement`` as bytes for a message; ``msgspec.msgpack.decode(data, type=…)`` reads it back."""
    return _pack(announcement)


def owner_of(tag: TTPTag) -> bytes:
    """The attacker of ``tag``, else its identity: what its messages are partitioned by."""
    owner = tag.attacker_uuid or tag.identity_uuid
    assert owner is not None  # noqa: S101 - a tag without anchor cannot be made
    return owner


def tagged(tags: Iterable[TTPTag]) -> list[Tagged]:
    """``tags`` by attacker, identity and session, in the order in which each was first met."""
    groups: dict[tuple[AttackerUuid | None, IdentityUuid | None, SessionUuid | None], list[TTPTag]] = {}
    for tag in tags:
        groups.setdefault((tag.attacker_uuid, tag.identity_uuid, tag.session_id), []).append(tag)
    return [
        Tagged(
            *owner,
            tuple((tag.observed_at, tag.uuid) for tag in group),
            tuple(sorted({tag.sub_technique_id or tag.technique_id for tag in group})),
        )
        for owner, group in groups.items()
    ]


def canary_triggered(event: Event) -> CanaryTriggered | None:
    """``event``, where it is that somebody touched a canary."""
    touched = event.payload
    if not isinstance(touched, CanaryPayload):
        return None
    return CanaryTriggered(
        touched.token,
        touched.token_kind,
        touched.trigger,
        attacker_uuid(event.src_ip),
        event.session_id,
        event.id,
        event.observed_at,
    )


def rule_fired(tag: TTPTag) -> RuleFired:
    """The rule of ``tag``, a new one, fired."""
    return RuleFired(
        tag.rule_id,
        tag.rule_version,
        tag.attacker_uuid,
        tag.identity_uuid,
        tag.session_id,
        tag.decky_id,
        tag.tactic,
        tag.technique_id,
        tag.sub_technique_id,
        tag.confidence,
        (tag.observed_at, tag.uuid),
    )


def email_received(event: Event) -> EmailReceived:
    """``event``, a mail, as it is announced."""
    mail = event.payload
    assert isinstance(mail, MailPayload)  # noqa: S101 - the payload of the kind, see PAYLOAD_TYPES
    return EmailReceived(
        event.id,
        attacker_uuid(event.src_ip),
        event.session_id,
        event.sensor,
        event.observed_at,
        mail.message_sha256,
        mail.size_bytes,
        mail.body_sha256,
        mail.body_simhash,
        mail.recipients,
        mail.links,
        tuple(attachment.sha256 for attachment in mail.attachments),
    )
