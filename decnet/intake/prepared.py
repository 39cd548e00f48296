"""Events as they are stored, and what they change: worked out before the transaction, by whoever has the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.attribution.sessions import session_changes
from decnet.models.actor import SessionChange, SessionUuid
from decnet.models.event_batch import EventBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.models.event import Event


class PreparedEvents(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Events, and what they change of their sessions if all of them are new."""

    batch: EventBatch
    changes: dict[SessionUuid, SessionChange]

    def changes_by(self, new: EventBatch) -> dict[SessionUuid, SessionChange]:
        """What is changed if only ``new`` of them are."""
        return self.changes if new is self.batch else session_changes(new.events())


def prepared_events(events: Sequence[Event]) -> PreparedEvents:
    """``events`` ready to be stored."""
    batch = EventBatch.of(events)
    unique = events if len(batch.rows) == len(events) else batch.events()
    return PreparedEvents(batch, session_changes(unique))
