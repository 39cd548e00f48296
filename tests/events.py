"""Events and tags for tests, as short as they can be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.models.actor import attacker_uuid, session_uuid
from decnet.models.event import (
    AUTH_ATTEMPT,
    COMMAND,
    SESSION,
    AuthPayload,
    CommandPayload,
    Event,
    SessionPayload,
    event_id,
)
from decnet.models.tag import TTPTag, compute_tag_uuid

if TYPE_CHECKING:
    from decnet.models.actor import IdentityUuid
    from decnet.models.event import Payload, SourceKind

NOON = 1_795_003_200_000_000  # 2026-11-18 12:00 UTC
SECOND = 1_000_000


def an_event(
    kind: SourceKind,
    payload: Payload,
    *,
    at: int = NOON,
    src: str = "198.51.100.7",
    session: str = "s1",
    sensor: str = "svr04",
) -> Event:
    """One event; its id covers the payload, as an adapter's would."""
    return Event(
        id=event_id(at, sensor, session, kind, repr(payload)),
        observed_at=at,
        sensor=sensor,
        decky_id=sensor,
        protocol="ssh",
        src_ip=src,
        src_port=40_000,
        session_id=session_uuid(sensor, session),
        native_session=session,
        source_kind=kind,
        payload=payload,
        seq=0,
    )


def a_command(
    text: str, *, at: int = NOON, src: str = "198.51.100.7", session: str = "s1", stdin: bool = False
) -> Event:
    """The attacker typed ``text``."""
    return an_event(COMMAND, CommandPayload(text, stdin=stdin), at=at, src=src, session=session)


def a_login(
    *,
    success: bool,
    at: int = NOON,
    src: str = "198.51.100.7",
    session: str = "s1",
    user: str = "root",
    secret: str = "",
) -> Event:
    """The attacker tried to log in."""
    return an_event(AUTH_ATTEMPT, AuthPayload(user, success, secret=secret), at=at, src=src, session=session)


def an_end(*, at: int = NOON, src: str = "198.51.100.7", session: str = "s1", duration_ms: int = 1_500) -> Event:
    """The session was closed."""
    return an_event(SESSION, SessionPayload("ended", duration_ms=duration_ms), at=at, src=src, session=session)


def a_tag(
    event: Event,
    *,
    technique: str = "T1105",
    tactic: str = "TA0011",
    confidence: float = 0.85,
    rule: str = "R0012",
    version: int = 1,
    source_id: str | None = None,
    on_session: bool = True,
    identity: IdentityUuid | None = None,
) -> TTPTag:
    """A tag on ``event``, or on its attacker, or on ``identity`` alone."""
    source = source_id or event.id.hex()
    return TTPTag(
        uuid=compute_tag_uuid(event.source_kind, source, rule, version, technique, None),
        source_kind=event.source_kind,
        source_id=source,
        attacker_uuid=None if identity else attacker_uuid(event.src_ip),
        identity_uuid=identity,
        session_id=event.session_id if on_session and not identity else None,
        decky_id=event.decky_id if on_session and not identity else None,
        tactic=tactic,
        technique_id=technique,
        sub_technique_id=None,
        confidence=confidence,
        rule_id=rule,
        rule_version=version,
        evidence={"matched": "wget", "start": 0, "end": 4, "terms": ["match.pattern"]},
        attack_release="enterprise-19.2",
        observed_at=event.observed_at,
    )
