"""How a worker ends politely: what is under way is done to its end, what waits is left to whoever comes next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from decnet.bus.consume import consume

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from decnet.bus.base import Subscription
    from decnet.bus.consume import Batch, Counters

LAST_WORK_S = 20.0
"""How long what is under way may take once the worker is told to stop."""


async def consume_until(
    stop: asyncio.Event,
    subscription: Subscription,
    handle: Callable[[Batch], Awaitable[None]],
    *,
    parallel: int = 1,
    counters: Counters | None = None,
) -> None:
    """Handle messages as :func:`~decnet.bus.consume.consume` does, until ``stop`` is set.

    Then nothing new is begun, and what was begun is waited for, up to :data:`LAST_WORK_S`. Leave the subscription
    afterwards: that gives back what was handed out and not begun.
    """
    gate = _Gate(handle, stop)
    working = asyncio.create_task(consume(subscription, gate.handle, parallel=parallel, counters=counters))
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await gate.wait_until_idle()
    finally:
        told.cancel()
        working.cancel()
        (ended,) = await asyncio.gather(working, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


async def pause_unless(stop: asyncio.Event, pause_s: float) -> None:
    """Return after the pause, or at once when ``stop`` is set."""
    try:
        await asyncio.wait_for(stop.wait(), pause_s)
    except TimeoutError:
        return


class _Gate:
    """Lets no batch in once ``stop`` is set, and knows when those that are in have come out."""

    def __init__(self, handle: Callable[[Batch], Awaitable[None]], stop: asyncio.Event) -> None:
        self._handle = handle
        self._stop = stop
        self._inside = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def handle(self, batch: Batch) -> None:
        if self._stop.is_set():
            await asyncio.Event().wait()  # for ever: until the loop is cancelled
        self._inside += 1
        self._idle.clear()
        try:
            await self._handle(batch)
        finally:
            self._inside -= 1
            if not self._inside:
                self._idle.set()

    async def wait_until_idle(self) -> None:
        try:
            async with asyncio.timeout(LAST_WORK_S):
                await self._idle.wait()
        except TimeoutError:
            return
