"""When the intake waits: where more is stored than workers have read, the log on disk is the better queue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from decnet.bus.topics import EVENTS, takes
from decnet.db.journal import oldest_unread, unread
from decnet.db.outbox import backlog
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

MOST_WAITING = 50_000
"""Messages that wait for a worker or for the relay: minutes of work for them, and some hundred megabytes of outbox.
More would make the database large and tags no sooner."""
LOOK_S, PAUSE_S = 1.0, 0.25
BEHIND_S = 1.0
"""How old events may be that a worker on this host has not read, before the intake leaves it the processor."""
_HOLD_S, _HOLD_PAUSE_S, _HOLD_LOOK_S = 0.5, 0.05, 0.1
"""For so long in all, in such steps, and so often at most: a worker that is not at work slows the intake, no more."""

_log = logger(__name__)


class Pressure:
    """How much waits in ``database``, and for how long. Not safe for threads: one for each log.

    :attr:`pauses` counts how often the reading of this log was held up because too much waits.
    """

    def __init__(self, database: Database, *, most: int = MOST_WAITING) -> None:
        self._database = database
        self._most = most
        self._looked_at = -LOOK_S
        self._aged_at = -_HOLD_LOOK_S
        self.pauses = 0

    def wait_for_room(self, wait: Callable[[float], bool]) -> None:
        """Return when there is room, or when ``wait``, which pauses for some seconds, says that all is to end.

        :raises StorageError: the database cannot be read.
        """
        if time.monotonic() - self._looked_at < LOOK_S:
            return
        if (waiting := self._database.read(self._waiting)) > self._most:
            self.pauses += 1
            _log.warning("intake pauses: %d messages wait to be read; are all workers at work?", waiting)
            while waiting > self._most // 2 and not wait(PAUSE_S):
                waiting = self._database.read(self._waiting)
            _log.info("intake goes on: %d messages wait", waiting)
        self._looked_at = time.monotonic()

    def wait_for_workers(self, wait: Callable[[float], bool]) -> None:
        """Let workers on this host that are behind catch up a little: what is stored faster is tagged no sooner.

        For what waits well where it is, as lines of a log do. ``wait`` is as for :meth:`wait_for_room`.

        :raises StorageError: the database cannot be read.
        """
        begun = time.monotonic()
        if not self._database.is_embedded or begun - self._aged_at < _HOLD_LOOK_S:
            return
        while self._database.read(_oldest_age_s) > BEHIND_S and time.monotonic() - begun < _HOLD_S:
            if wait(_HOLD_PAUSE_S):
                break
        self._aged_at = time.monotonic()

    def _waiting(self, connection: Connection) -> int:
        return unread(connection) if self._database.is_embedded else backlog(connection)[0]


def _oldest_age_s(connection: Connection) -> float:
    """For how many seconds the oldest event waits for one of its readers; 0 when none does."""
    oldest = oldest_unread(connection, EVENTS.pattern, lambda topics: takes(topics, EVENTS.pattern))
    return (time.time_ns() // 1_000 - oldest) / 1e6 if oldest is not None else 0.0
