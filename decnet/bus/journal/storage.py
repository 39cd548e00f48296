"""The database of the journal, for coroutines."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from decnet.errors import BusError, BusUnavailable, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

T = TypeVar("T")


class JournalStorage:
    """``database``, and the time of day: ``now`` gives µs UTC.

    :raises BusError: the database is not SQLite.
    """

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        if not database.is_embedded:
            raise BusError(
                f"the journal bus needs SQLite, where numbers commit in order, and not {database.place}; "
                "set DECNET_BUS_URL to nats://…"
            )
        self.database = database
        self.now = now

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` finds.

        :raises BusUnavailable: the database cannot be read for now.
        """
        return await self._run(partial(self.database.read, work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, committed.

        :raises BusUnavailable: the database is full or locked for now.
        """
        return await self._run(partial(self.database.write, work))

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(call)
        except StorageUnavailable as error:
            raise BusUnavailable(f"journal in {error}") from error

    def is_of(self, connection: Connection) -> bool:
        """Whether ``connection`` is to this database."""
        return connection.engine.url.database == self.database.url.database
