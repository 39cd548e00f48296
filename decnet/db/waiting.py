"""Work of our own while a database server does its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


def at_once() -> None:
    """Nothing to do in the meantime."""


async def beside(job: Coroutine[object, object, T], work: Callable[[], object]) -> T:
    """What ``job`` gives; ``work`` is called as soon as ``job`` waits, which is when it has sent its request.

    An error of either is raised once ``job`` has ended, so that the connection is at rest.
    """
    if work is at_once:
        return await job  # most of a transaction's statements: a task of its own costs a tenth of them
    running = asyncio.ensure_future(job)
    await asyncio.sleep(0)  # gives the job its turn, up to where it waits
    try:
        work()
    finally:
        answer = await running
    return answer
