"""How far durables have read: begun, asked for, forgotten."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.base import ALL_PARTITIONS, Lag, Start
from decnet.bus.topics import takes
from decnet.db.journal import begin_positions, forget_places, last_number, read_topics, waiting

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.bus.journal.storage import JournalStorage

_US = 1_000_000


async def begin_durable(storage: JournalStorage, durable: str, wanted: tuple[str, ...], start: Start) -> None:
    """A durable has its position in all partitions from the first subscription on, and reads ``wanted`` from this one.

    :raises BusUnavailable: the database is full or locked for now.
    """

    def begin(connection: Connection) -> None:
        position = 0 if start is Start.FIRST else last_number(connection)
        begin_positions(connection, durable, ALL_PARTITIONS, position=position, topics=wanted)

    await storage.write(begin)


async def lag_of(storage: JournalStorage, durable: str) -> Lag:
    """How far behind ``durable`` is.

    :raises BusUnavailable: the database cannot be read for now.
    """

    def look(connection: Connection) -> tuple[int, int | None]:
        return waiting(connection, durable, partial(takes, read_topics(connection, durable)))

    count, oldest = await storage.read(look)
    return Lag(count, max(storage.now() - oldest, 0) / _US if oldest is not None else 0.0)


async def forget_durable(storage: JournalStorage, durable: str) -> None:
    """``durable`` has no position any more.

    :raises BusUnavailable: the database is full or locked for now.
    """
    await storage.write(partial(forget_places, consumer=durable))
