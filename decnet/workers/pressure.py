"""When the intake waits: where more is stored than workers have read, the log on disk is the better queue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from decnet.db.journal import unread
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

_log = logger(__name__)


class Pressure:
    """How much waits in ``database``, looked at once a second. Not safe for threads: one for each log.

    :attr:`pauses` counts how often the reading of this log was held up.
    """

    def __init__(self, database: Database, *, most: int = MOST_WAITING) -> None:
        self._database = database
        self._most = most
        self._looked_at = -LOOK_S
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

    def _waiting(self, connection: Connection) -> int:
        return unread(connection) if self._database.is_embedded else backlog(connection)[0]
