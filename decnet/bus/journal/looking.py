"""One look at the journal for all partitions that are to be looked at: each by itself costs a thread's turn."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from decnet.bus.base import RUN_BYTES
from decnet.db.journal import next_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from decnet.bus.journal.storage import JournalStorage
    from decnet.db.outbox import StoredMessage

Found = tuple[list["StoredMessage"], int]
"""Messages that are taken, and the last number that was looked at."""


class _Ask(NamedTuple):
    partition: int
    position: int
    takes: Callable[[str], bool]
    most: int
    answer: asyncio.Future[Found]


class Looking:
    """Looks for messages; what is asked for while a look is under way shares the next one."""

    def __init__(self, storage: JournalStorage) -> None:
        self._storage = storage
        self._asked: list[_Ask] = []
        self._task: asyncio.Task[None] | None = None

    async def look(self, partition: int, position: int, takes: Callable[[str], bool], most: int) -> Found:
        """What :func:`~decnet.db.journal.next_messages` finds, up to ``most`` messages, or a run of them.

        :raises BusUnavailable: the database cannot be read for now.
        """
        ask = _Ask(partition, position, takes, most, asyncio.get_running_loop().create_future())
        self._asked.append(ask)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer_all())
        return await ask.answer

    async def _answer_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                found = await self._storage.read(partial(_found, asked=asked))
            except Exception as error:  # noqa: BLE001 - it is raised again where somebody waits for the answer
                for ask in asked:
                    if not ask.answer.done():
                        ask.answer.set_exception(error)
                continue
            for ask, answer in zip(asked, found, strict=True):
                if not ask.answer.done():  # who asked was cancelled
                    ask.answer.set_result(answer)


def _found(connection: Connection, asked: Sequence[_Ask]) -> list[Found]:
    return [
        next_messages(connection, ask.partition, ask.position, ask.takes, ask.most, most_bytes=RUN_BYTES)
        for ask in asked
    ]
