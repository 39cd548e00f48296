"""Events and everything that they imply (sensor, attacker, session), stored in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.attribution.sessions import session_changes
from decnet.db.actors import Actors, apply_changes
from decnet.db.events import insert_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.actors import SessionRow
    from decnet.models.actor import SessionUuid
    from decnet.models.event import Event


class Intake:
    """The one way in for events. Call :meth:`forget` after a rolled-back transaction."""

    def __init__(self) -> None:
        self._actors = Actors()

    def forget(self) -> None:
        """Know nothing of what the last transaction wrote."""
        self._actors.forget()

    def store(
        self, connection: Connection, events: Sequence[Event]
    ) -> tuple[list[Event], Mapping[SessionUuid, SessionRow]]:
        """Store ``events``; returns those that are new, and the session row of each event given.

        Counters move by new events only, so that a replay changes nothing.
        """
        if not events:
            return [], {}
        sessions = self._actors.sessions_of(connection, events)
        new = insert_events(connection, events, sessions)
        apply_changes(connection, session_changes(new), sessions)
        return new, sessions
