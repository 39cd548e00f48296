"""Sessions: one connection of one source to one decoy, as the sum of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.models.actor import SessionChange
from decnet.models.event import ENDED, AuthPayload, CommandPayload, FilePayload, SessionPayload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.models.actor import SessionUuid
    from decnet.models.event import Event


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
    change.first_event_at = min(change.first_event_at, event.observed_at)
    change.last_event_at = max(change.last_event_at, event.observed_at)
    change.events += 1
    payload = event.payload
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
