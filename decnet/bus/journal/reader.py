"""One partition for one durable, read a run of messages at a time, and what may become of each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, cast

from decnet.bus.base import READ_AHEAD, item_at, run_length
from decnet.bus.durable import Held, Reader, RunLength
from decnet.bus.topics import takes
from decnet.db.journal import Place, move_place, read_places

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.bus.journal.dead_letters import DeadLetters
    from decnet.bus.journal.looking import Looking
    from decnet.bus.journal.storage import JournalStorage
    from decnet.bus.journal.wake import Watch
    from decnet.db.outbox import StoredMessage
    from decnet.models.message import Message

_SAVE_EVERY_S = 30.0
"""How often the position moves over what is not for us: a transaction for each partition."""


class JournalReader(Reader):
    """One partition for one durable.

    ``place`` is what the database says of it, as far as we know; ``looked`` the last number that was looked at.
    """

    def __init__(
        self,
        storage: JournalStorage,
        looking: Looking,
        watch: Watch,
        dead: DeadLetters,
        durable: str,
        partition: int,
        wanted: tuple[str, ...],
        run: int,
    ) -> None:
        self._storage = storage
        self._looking = looking
        self._dead = dead
        self._durable = durable
        self._partition = partition
        self._takes = partial(takes, wanted)
        self._run = RunLength(run)
        self._place: Place | None = None
        self._is_counted = False
        self._ahead: deque[StoredMessage] = deque()
        self._looked = 0
        self._saved_at = time.monotonic()
        self._due = 0.0
        self._is_open = False
        self._woken = asyncio.Event()
        self._forget = watch.awaken(partition, self._woken)

    async def next(self) -> Held:
        while True:
            place = self._place or await self._find_place()
            if (wait_s := self._due - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            self._woken.clear()
            if self._ahead or await self._look():
                if self._is_counted or await self._count_try(place):
                    self._is_open = True
                    return JournalDelivery(self, self._next_run())
                continue
            await self._save_what_was_passed()
            await self._woken.wait()

    def _next_run(self) -> tuple[StoredMessage, ...]:
        """The first messages of those ahead, which are handed out together."""
        sizes = (sum(map(len, stored.message.items)) for stored in self._ahead)
        return tuple(islice(self._ahead, run_length(sizes, self._run.next(self.tries))))

    async def _find_place(self) -> Place:
        while (place := await self._stored_place()) is None:  # forgotten while we read: nothing is ours
            await self._woken.wait()
            self._woken.clear()
        self._place, self._looked = place, place.position
        return place

    async def _stored_place(self) -> Place | None:
        places = await self._storage.read(partial(read_places, consumer=self._durable))
        return places.get(self._partition)

    async def _look(self) -> bool:
        """Whether there is a message for us, after all that is there was looked at."""
        while not self._ahead:
            found, looked = await self._looking.look(
                self._partition, self._looked, self._takes, max(READ_AHEAD, self._run.most)
            )
            if looked == self._looked:
                return False
            self._ahead.extend(found)
            self._looked = looked
        return True

    async def _count_try(self, place: Place) -> bool:
        """Store that the next message is handed out, once for each time that the partition is taken over.

        What comes after it need not be stored: its try is counted when the position moves.
        """
        self._is_counted = await self._move(Place(place.position, place.tries + 1))
        return self._is_counted

    async def _save_what_was_passed(self) -> None:
        """Move the position over what is not for us, so that it can go."""
        place = self._place
        if place and self._looked > place.position and time.monotonic() - self._saved_at > _SAVE_EVERY_S:
            self._saved_at = time.monotonic()
            await self._move(Place(self._looked, place.tries))

    async def _move(self, to: Place) -> bool:
        """Whether the place was ours to move; where it was not, everything is read anew."""
        if await self._storage.write(partial(self.move_within, to=to)):
            self._place = to
            return True
        self.start_anew()
        return False

    def move_within(self, connection: Connection, to: Place) -> bool:
        """Whether the place could be moved to ``to``, in the transaction of ``connection``."""
        if self._place is None:
            return False
        return move_place(connection, self._durable, self._partition, expected=self._place.position, place=to)

    def start_anew(self) -> None:
        """Know nothing."""
        self._place = None
        self._is_counted = False
        self._ahead.clear()
        self._is_open = False

    @property
    def tries(self) -> int:
        """How often the next message was handed out."""
        return self._place.tries if self._place else 0

    async def finish(self, number: int, *, is_moved: bool) -> bool:
        """Whether the messages up to ``number`` are done now, and were ours."""
        done = Place(number, 1)
        if is_moved:  # were that wrong, the next move would find another position, and everything be read anew
            self._place = done
        elif not await self._move(done):
            return False
        while self._ahead and self._ahead[0].id <= number:
            self._ahead.popleft()
        self._is_open = False
        return True

    def again(self, delay_s: float) -> None:
        """The open messages come again after ``delay_s``, and that try is counted then."""
        self._due = time.monotonic() + delay_s
        self._is_open = self._is_counted = False

    async def give_back(self) -> None:
        """The open messages were not tried."""
        if self._place:
            await self._move(Place(self._place.position, self._place.tries - 1))

    async def bury(self, message: Message, index: int, error: str, tries: int) -> None:
        """Item ``index`` of ``message`` is among the dead letters."""
        await self._dead.bury(self._durable, message, index, error, tries)

    def shares(self, connection: Connection) -> bool:
        """Whether ``connection`` is to the database that has the position."""
        return self._storage.is_of(connection)

    async def close(self) -> None:
        self._forget()
        if self._place and not self._is_open:
            passed = self._place.position if self._ahead else self._looked
            await self._move(Place(passed, 0 if self._is_counted else self._place.tries))


class JournalDelivery(Held):
    """The messages at which the reader of their partition is."""

    def __init__(self, reader: JournalReader, run: tuple[StoredMessage, ...]) -> None:
        super().__init__()
        self._reader = reader
        self._messages = tuple(stored.message for stored in run)
        self._last = run[-1].id
        self._tries = reader.tries
        self._is_moved = False
        self._loop = asyncio.get_running_loop()

    @property
    def messages(self) -> tuple[Message, ...]:
        return self._messages

    @property
    def tries(self) -> int:
        return self._tries

    async def acknowledge(self) -> None:
        self.check()
        if not await self._reader.finish(self._last, is_moved=self._is_moved):
            self.lost = True
            self.check()
        self.ended.set()

    def acknowledge_within(self, connection: object) -> bool:
        ours = cast("Connection", connection)
        if not self._reader.shares(ours):
            return False
        if self.lost or not self._reader.move_within(ours, Place(self._last, 1)):
            self.lost = True
            self._loop.call_soon_threadsafe(self._give_up)
            raise self.loss()
        self._is_moved = True
        return True

    def _give_up(self) -> None:
        self._reader.start_anew()
        self.ended.set()

    def undone(self) -> None:
        self._is_moved = False

    async def retry(self, delay_s: float) -> None:
        self.check()
        self._reader.again(delay_s)
        self.ended.set()

    async def give_back(self) -> None:
        self.ended.set()
        await self._reader.give_back()

    async def bury(self, index: int, error: str) -> None:
        number, place = item_at(self._messages, index)
        await self._reader.bury(self._messages[number], place, error, self._tries)
