"""Many small pieces of work in few transactions: what comes while one is under way shares the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class SharedCommits(Generic[T]):
    """Calls ``write`` in a thread, with one or more pieces of work that are stored together or not at all.

    One call at a time. When several pieces fail together, each is tried alone, so that one takes no others along.
    Pieces share a call until their sizes, by ``size_of``, reach ``full``: what is written at once holds others up.
    """

    def __init__(
        self, write: Callable[[list[T]], None], *, size_of: Callable[[T], int] = lambda _: 1, full: int = 1_000
    ) -> None:
        self._write = write
        self._size_of = size_of
        self._full = full
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def store(self, work: T) -> None:
        """``work`` is stored when this returns.

        :raises Exception: what ``write`` raised for it alone.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        while self._waiting:
            group = self._next_group()
            if await self._attempt(group, is_last=len(group) == 1):
                continue
            for one in group:
                await self._attempt([one], is_last=True)

    def _next_group(self) -> list[tuple[T, asyncio.Future[None]]]:
        """The first of what waits, up to what makes a call full."""
        size = end = 0
        while end < len(self._waiting) and size < self._full:
            size += self._size_of(self._waiting[end][0])
            end += 1
        group, self._waiting = self._waiting[:end], self._waiting[end:]
        return group

    async def _attempt(self, group: list[tuple[T, asyncio.Future[None]]], *, is_last: bool) -> bool:
        """Whether ``group`` was stored; where it was not and this was the last try, those who wait are told why."""
        fault: Exception | None = None
        try:
            await asyncio.to_thread(self._write, [work for work, _ in group])
        except Exception as error:  # noqa: BLE001 - it is raised again where the work came from
            fault = error
        for _, done in group:
            if done.done():  # who waited was cancelled
                continue
            if fault is None:
                done.set_result(None)
            elif is_last:
                done.set_exception(fault)
        return fault is None
