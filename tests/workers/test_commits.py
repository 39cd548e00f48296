from __future__ import annotations

import asyncio
import threading

from decnet.workers.commits import SharedCommits
from tests.contract.bus_backends import in_loop


@in_loop
async def test_what_comes_while_one_is_written_is_written_together() -> None:
    groups: list[list[int]] = []
    first, go = threading.Event(), threading.Event()

    def write(work: list[int]) -> None:
        groups.append(work)
        first.set()
        go.wait(5)

    commits = SharedCommits(write)
    one = asyncio.create_task(commits.store(1))
    await asyncio.to_thread(first.wait, 5)
    others = [asyncio.create_task(commits.store(number)) for number in (2, 3)]
    await asyncio.sleep(0.01)
    go.set()
    await asyncio.gather(one, *others)
    assert groups == [[1], [2, 3]]


@in_loop
async def test_one_that_cannot_be_stored_takes_no_others_along() -> None:
    stored: list[int] = []

    def write(work: list[int]) -> None:
        if 2 in work:
            raise ValueError(f"{work}")
        stored.extend(work)

    commits = SharedCommits(write)
    found = await asyncio.gather(*(commits.store(number) for number in (1, 2, 3)), return_exceptions=True)
    assert sorted(stored) == [1, 3]
    assert [str(error) for error in found if error is not None] == ["[2]"]
