"""How readers learn that something was announced: a file that is touched, and whoever watches it."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.bus.durable import end_tasks
from decnet.db.journal import last_number
from decnet.db.outbox import fresh_partitions
from decnet.errors import BusError, StorageError
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.bus.journal.storage import JournalStorage
    from decnet.db.engine import Database

_log = logger(__name__)


def wake_file(database: Database) -> Path:
    """The file that is touched when something was announced."""
    return Path(f"{database.place}.wake")


def wake_readers(database: Database) -> None:
    """Tell every process that reads the journal that something was committed to the outbox; from any thread."""
    try:
        os.utime(wake_file(database))
    except FileNotFoundError:
        pass  # nobody has read the journal yet
    except OSError as error:
        _log.warning("%s cannot be touched: %s; readers look by themselves", wake_file(database), error.strerror)


class Watch:
    """Wakes the readers of this process; looks every ``poll_s`` when it hears nothing."""

    def __init__(self, storage: JournalStorage, poll_s: float) -> None:
        self._storage = storage
        self._file = wake_file(storage.database)
        self._poll_s = poll_s
        self._seen = 0
        self._bell = asyncio.Event()
        self._readers: set[tuple[int | None, asyncio.Event]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """From now on readers are told of what is new.

        :raises BusUnavailable: the database cannot be read for now.
        """
        if self._tasks:
            return
        try:
            self._file.touch(mode=0o600)
        except OSError as error:
            _log.warning("%s cannot be made: %s; readers look by themselves", self._file, error.strerror)
        seen = await self._storage.read(last_number)
        if not self._tasks:  # nobody was quicker
            self._seen = seen
            self._tasks = [asyncio.create_task(work) for work in (self._hear(), self._tell())]

    async def end(self) -> None:
        """Nobody is told any more."""
        tasks, self._tasks = self._tasks, []
        await end_tasks(tasks)

    def awaken(self, partition: int | None, woken: asyncio.Event) -> Callable[[], None]:
        """``woken`` is set when something is new in ``partition``, or in any; until what comes back is called."""
        entry = (partition, woken)
        self._readers.add(entry)
        return partial(self._readers.discard, entry)

    async def _hear(self) -> None:
        """Ring when the file is touched, where the system tells."""
        if sys.platform != "linux" or not self._file.exists():
            return
        from asyncinotify import Inotify, Mask

        try:
            with Inotify() as inotify:
                inotify.add_watch(self._file, Mask.ATTRIB)
                async for _ in inotify:
                    self._bell.set()
        except OSError as error:
            _log.warning(
                "%s cannot be watched: %s; it is looked at every %g s. Raise fs.inotify.max_user_instances",
                self._file,
                error.strerror,
                self._poll_s,
            )

    async def _tell(self) -> None:
        """Wake the readers of the partitions in which something is new; at the bell, and now and then without it."""
        while True:
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._bell.wait()
            except TimeoutError:
                pass
            self._bell.clear()
            try:
                fresh = await self._storage.read(partial(fresh_partitions, after=self._seen))
            except (BusError, StorageError) as error:  # who reads is told by its own reading
                _log.warning("%s", error)
                continue
            self._seen = max((self._seen, *fresh.values()))
            for partition, woken in self._readers:
                if partition is None or partition in fresh:
                    woken.set()
