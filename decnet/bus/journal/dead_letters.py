"""What could not be handled, in a table of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.base import DeadLetter
from decnet.bus.journal.wake import wake_readers
from decnet.db.journal import StoredLetter, add_letter, read_letters, take_letter
from decnet.db.outbox import add_messages
from decnet.errors import BusError
from decnet.models.message import Message

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.bus.journal.storage import JournalStorage

_LONGEST_NUMBER = 19  # digits of 63 bits


class DeadLetters:
    """The table of dead letters; its methods are those of :class:`decnet.bus.base.Bus`."""

    def __init__(self, storage: JournalStorage) -> None:
        self._storage = storage

    async def bury(self, durable: str, message: Message, index: int, error: str, tries: int) -> None:
        """Item ``index`` of ``message`` is a dead letter of ``durable``.

        :raises BusUnavailable: the database is full or locked for now.
        """
        item, now = message.items[index], self._storage.now()
        letter = StoredLetter(0, durable, message.partition, message.topic, item, error, tries, now)
        await self._storage.write(partial(add_letter, letter=letter))

    async def read(self, durable: str | None, limit: int) -> list[DeadLetter]:
        """The oldest ``limit`` of ``durable``, or of all."""
        stored = await self._storage.read(partial(read_letters, consumer=durable, limit=limit))
        return [_dead_letter(one) for one in stored]

    async def replay(self, letter_id: str) -> None:
        """The item is published again and is no dead letter any more, in one transaction."""
        number = _number(letter_id)

        def work(connection: Connection) -> StoredLetter | None:
            letter = take_letter(connection, number)
            if letter:
                message = Message(letter.topic, letter.partition, (letter.item,))
                add_messages(connection, [message], now=self._storage.now())
            return letter

        if not await self._storage.write(work):
            raise _no_letter(letter_id)
        wake_readers(self._storage.database)

    async def drop(self, letter_id: str) -> None:
        """It is gone for good."""
        if not await self._storage.write(partial(take_letter, number=_number(letter_id))):
            raise _no_letter(letter_id)


def _dead_letter(stored: StoredLetter) -> DeadLetter:
    return DeadLetter(
        str(stored.id),
        stored.consumer,
        stored.topic,
        stored.partition,
        stored.item,
        stored.error,
        stored.tries,
        stored.died_at,
    )


def _number(letter_id: str) -> int:
    if letter_id.isascii() and letter_id.isdigit() and len(letter_id) < _LONGEST_NUMBER:
        return int(letter_id)
    raise _no_letter(letter_id)


def _no_letter(letter_id: str) -> BusError:
    return BusError(f"dead letter {letter_id[:100]!r} does not exist; it may have been replayed or dropped already")
