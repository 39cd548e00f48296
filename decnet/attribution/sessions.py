"""Sessions: one connection of one source to one decoy, as the sum of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.attribution.script import bands_of, credential_bands
from decnet.models.actor import AttackerUuid, SessionChange, SessionUuid
from decnet.models.event import ENDED, SESSION, AuthPayload, CommandPayload, FilePayload, SessionPayload
from decnet.models.finding import Finding, SessionSum, session_source_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.attribution.states import SessionState
    from decnet.models.event import Event

CLOSINGS = frozenset({ENDED, "log_closed"})
"""Actions of a session that are no sign of life: its end, and the end of its recording."""
_COMMON_DIGESTS = frozenset({"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"})
"""Of nothing at all: every file that arrived empty."""


def session_changes(events: Iterable[Event]) -> dict[SessionUuid, SessionChange]:
    """What ``events`` add to each of their sessions; the order of the events does not matter.

    Only a session's own end event ends it.
    """
    changes: dict[SessionUuid, SessionChange] = {}
    for event in events:
        change = changes.get(event.session_id)
        if change is None:
            change = changes[event.session_id] = SessionChange(event.observed_at, event.observed_at)
        _add(change, event)
    return changes


def _add(change: SessionChange, event: Event) -> None:
    at, payload = event.observed_at, event.payload
    if at > change.last_event_at:
        change.last_event_at = at
    elif at < change.first_event_at:
        change.first_event_at = at
    change.events += 1
    if isinstance(payload, CommandPayload):
        change.commands += 1
    elif isinstance(payload, AuthPayload):
        change.logins_succeeded += payload.success
        change.logins_failed += not payload.success
    elif isinstance(payload, FilePayload):
        change.files += payload.action != "failed"
    elif isinstance(payload, SessionPayload) and payload.action == ENDED:
        change.ended_at = event.observed_at
        change.duration_ms = payload.duration_ms


class SessionTraits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a session shows of who is behind it: the input of clustering. ``revision`` replaces a lower one.

    ``script`` and ``credentials`` are bands of sketches (:mod:`decnet.attribution.script`).
    """

    session_id: SessionUuid
    attacker: AttackerUuid
    revision: int
    started_at: int
    decky_id: str
    protocol: str
    fingerprints: tuple[tuple[str, str], ...] = ()
    payloads: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    script: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()


def close_session(uuid: SessionUuid, session: SessionState) -> Finding:
    """The finding that a session is over, at the revision that it has reached."""
    figures = SessionSum(
        session.ended_at or session.last_at,
        session.by_silence,
        session.events,
        session.commands,
        session.logins_failed,
        session.logins_succeeded,
        session.files,
    )
    return Finding(
        session_source_id(uuid),
        SESSION,
        session.started_at,
        session.revision,
        figures,
        session.attacker,
        session_id=uuid,
        decky_id=session.decky_id,
    )


def traits_of(uuid: SessionUuid, session: SessionState) -> SessionTraits:
    """What the session shows of who is behind it."""
    return SessionTraits(
        uuid,
        session.attacker,
        session.revision,
        session.started_at,
        session.decky_id,
        session.protocol,
        tuple(sorted(session.fingerprints)),
        tuple(sorted(session.payloads - _COMMON_DIGESTS)),
        tuple(sorted(session.endpoints)),
        bands_of(session.script),
        credential_bands(session.credentials),
    )
