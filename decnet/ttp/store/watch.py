"""Which files in a few folders have changed: told by the kernel on Linux, found by looking elsewhere.

Both report a file only once it is whole: closed after writing, moved in, gone; or the same at two looks in a row.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asyncinotify import Event, Inotify

DEBOUNCE_SECONDS = 0.03
"""Editors save in several steps; their last one follows within a few milliseconds."""
POLL_SECONDS = 0.1
LOOKS_TO_ALL = 20
REARM_SECONDS = 0.25
"""How often a folder is looked for that is not there."""

Changed = frozenset[Path]
Status = tuple[int, int, int]


class Watcher(Protocol):
    """Reports paths in its folders, from the moment that it was made."""

    async def changed(self) -> Changed | None:
        """The next paths that were written, moved in or removed; None where any may have been."""

    def close(self) -> None:
        """Stop; whoever waits in :meth:`changed` has to be cancelled."""


def watcher_of(folders: Sequence[Path], is_wanted: Callable[[str], bool], *, polling: bool | None = None) -> Watcher:
    """What watches ``folders`` here, names that are not wanted excepted; ``polling`` chooses against the default.

    Needs a running event loop.
    """
    if polling is None:
        polling = not sys.platform.startswith("linux")
    return PollingWatcher(folders, is_wanted) if polling else InotifyWatcher(folders, is_wanted)


class InotifyWatcher:
    """The kernel tells (inotify(7)). A folder that is missing or replaced is watched again as soon as it is there."""

    def __init__(self, folders: Sequence[Path], is_wanted: Callable[[str], bool]) -> None:
        from asyncinotify import Inotify, Mask

        self._inotify: Inotify = Inotify()
        self._mask = (
            Mask.CLOSE_WRITE | Mask.MOVE | Mask.CREATE | Mask.DELETE | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR
        )
        self._lost = Mask.Q_OVERFLOW | Mask.IGNORED | Mask.MOVE_SELF | Mask.UNMOUNT
        self._creation = Mask.CREATE
        self._folders = tuple(folders)
        self._is_wanted = is_wanted
        self._watched: set[Path] = set()
        self._pending: set[Path] = set()
        self._look_everywhere = False
        self._news = asyncio.Event()
        self._arm()
        self._reader = asyncio.create_task(self._read())

    async def changed(self) -> Changed | None:
        """The next paths that were written, moved in or removed; None where any may have been."""
        while True:
            missing = len(self._watched) < len(self._folders)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), REARM_SECONDS if missing else None)
            if self._reader.done() and (failure := self._reader.exception()) is not None:
                raise failure
            if self._news.is_set():
                await asyncio.sleep(DEBOUNCE_SECONDS)
            if self._arm():
                self._look_everywhere = True
            pending, everywhere = frozenset(self._pending), self._look_everywhere
            self._pending.clear()
            self._look_everywhere = False
            self._news.clear()
            if pending or everywhere:
                return None if everywhere else pending

    def close(self) -> None:
        """Stop."""
        self._reader.cancel()
        self._inotify.close()

    def _arm(self) -> bool:
        """Watch what is not watched; whether something came to be so."""
        before = len(self._watched)
        for folder in self._folders:
            if folder not in self._watched:
                with suppress(OSError):
                    self._inotify.add_watch(folder, self._mask)
                    self._watched.add(folder)
        return len(self._watched) > before

    async def _read(self) -> None:
        async for event in self._inotify:
            self._take(event)

    def _take(self, event: Event) -> None:
        path = event.path
        if event.mask & self._lost:
            self._forget(event)
        elif path is None or not self._is_wanted(path.name):
            return
        elif not event.mask & self._creation or _is_whole_at_birth(path):
            self._pending.add(path)
        self._news.set()

    def _forget(self, event: Event) -> None:
        """Something was lost: events, or a folder that was removed or moved away."""
        self._look_everywhere = True
        watch = event.watch
        if watch is not None and watch.path in self._watched:
            self._watched.discard(watch.path)
            with suppress(OSError, ValueError, KeyError):
                self._inotify.rm_watch(watch)


def _is_whole_at_birth(path: Path) -> bool:
    """Links are; any other file is told of again when it was written and closed."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return status.st_nlink > 1 or path.is_symlink()


class PollingWatcher:
    """Looks at every file ten times a second, and reports what had changed once it stays the same for one look.

    What comes and goes between two looks is not seen, so now and then any file may have changed.
    """

    def __init__(self, folders: Sequence[Path], is_wanted: Callable[[str], bool]) -> None:
        self._folders = tuple(folders)
        self._is_wanted = is_wanted
        self._latest = _look(self._folders, is_wanted)
        self._unsettled: set[Path] = set()
        self._looks = 0

    async def changed(self) -> Changed | None:
        """The next paths that were written, moved in or removed; None where any may have been."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            seen = await asyncio.to_thread(_look, self._folders, self._is_wanted)
            moving = _differing(seen, self._latest)
            settled = self._unsettled - moving
            self._unsettled, self._latest = moving, seen
            self._looks += 1
            if self._looks % LOOKS_TO_ALL == 0:
                return None
            if settled:
                return frozenset(settled)

    def close(self) -> None:
        """Stop."""


def _look(folders: Iterable[Path], is_wanted: Callable[[str], bool]) -> dict[Path, Status]:
    found: dict[Path, Status] = {}
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if is_wanted(entry.name):
                    with suppress(OSError):
                        status = entry.stat()
                        found[Path(entry.path)] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def _differing(one: dict[Path, Status], other: dict[Path, Status]) -> set[Path]:
    return {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
