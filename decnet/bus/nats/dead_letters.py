"""What could not be handled, in a stream of its own; the number of a message there is the id of the letter."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from nats.js import errors as js_errors

from decnet.bus.base import DeadLetter
from decnet.bus.nats.bodies import letter_of, packed
from decnet.errors import BusError, BusUnavailable
from decnet.models.message import Message

if TYPE_CHECKING:
    from nats.js import api

    from decnet.bus.nats.bodies import Letter
    from decnet.bus.nats.connection import Connection
    from decnet.bus.nats.publisher import Publisher

_US = 1_000_000
_MAX_DIGITS = 19  # of 63 bits


class DeadLetters:
    """The stream of dead letters; its methods are those of :class:`decnet.bus.base.Bus`."""

    def __init__(self, connection: Connection, publisher: Publisher) -> None:
        self._connection = connection
        self._publisher = publisher
        self._stream = connection.settings.dead_stream

    async def bury(self, letter: Letter, letter_id: str) -> None:
        """``letter`` is stored; one with the same id is stored once.

        :raises BusUnavailable: out of reach or full for now.
        """
        subject = self._connection.settings.dead_subject(letter.durable)
        await self._publisher.store(self._stream, subject, packed(letter), letter_id, time.monotonic())

    async def read(self, durable: str | None, limit: int) -> list[DeadLetter]:
        """The oldest ``limit`` of ``durable``, or of all."""
        subject = self._connection.settings.dead_subject(durable or "*")
        letters: list[DeadLetter] = []
        after = 0
        async with self._connection.asking("reading dead letters"):
            with contextlib.suppress(js_errors.NotFoundError):
                while len(letters) < limit:
                    message = await self._connection.js.get_msg(self._stream, seq=after + 1, subject=subject, next=True)
                    after = message.seq or 0
                    letters.append(_dead_letter(message))
        return letters

    async def replay(self, letter_id: str) -> None:
        """The item is published again and is no dead letter any more."""
        letter = await self._letter(letter_id)
        message = Message(letter.topic, letter.partition, (letter.item,))
        await self._publisher.publish([message], [f"replay-{self._stream}-{letter.id}"])
        await self._delete(letter.id)

    async def drop(self, letter_id: str) -> None:
        """It is gone for good."""
        await self._delete((await self._letter(letter_id)).id)

    async def _letter(self, letter_id: str) -> DeadLetter:
        missing = f"dead letter {letter_id[:100]!r} does not exist; it may have been replayed or dropped already"
        if not (letter_id.isascii() and letter_id.isdigit() and len(letter_id) <= _MAX_DIGITS and int(letter_id)):
            raise BusError(missing)
        try:
            async with self._connection.asking(f"reading dead letter {letter_id}"):
                return _dead_letter(await self._connection.js.get_msg(self._stream, seq=int(letter_id)))
        except BusUnavailable:
            raise
        except BusError:
            raise BusError(missing) from None

    async def _delete(self, letter_id: str) -> None:
        async with self._connection.asking(f"dropping dead letter {letter_id}"):
            await self._connection.js.delete_msg(self._stream, int(letter_id))


def _dead_letter(message: api.RawStreamMsg) -> DeadLetter:
    letter = letter_of(message.data or b"")
    at = int(message.time.timestamp() * _US) if message.time else 0
    return DeadLetter(
        str(message.seq), letter.durable, letter.topic, letter.partition, letter.item, letter.error, letter.tries, at
    )
