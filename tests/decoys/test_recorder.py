from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from decnet.decoys import recorder as limits
from decnet.decoys.recorder import Recorder
from decnet.errors import StorageError
from tests.databases import rows, run
from tests.events import NOON, SECOND, a_command

if TYPE_CHECKING:
    from decnet.db.engine import Database


def recorded(database: Database, count: int, *, told_first: bool = False) -> Recorder:
    """A recorder that took in so many events, and was then told to stop."""
    recorder = Recorder(database, lambda: NOON)

    async def use() -> None:
        stop = asyncio.Event()
        if told_first:
            stop.set()
        recorder.record(a_command(f"echo {n}", at=NOON + n * SECOND) for n in range(count))
        running = asyncio.create_task(recorder.run(stop))
        await asyncio.sleep(0)
        stop.set()
        await running

    asyncio.run(use())
    return recorder


@pytest.mark.parametrize("told_first", [False, True])
def test_what_was_recorded_before_the_end_is_stored_and_announced(
    database: Database,
    told_first: bool,  # noqa: FBT001 - parameter of a test
) -> None:
    recorder = recorded(database, 1_200, told_first=told_first)
    assert recorder.stored == 1_200
    assert rows(database, "SELECT count(*) FROM event") == [(1_200,)]
    assert rows(database, "SELECT count(DISTINCT topic), min(topic) FROM outbox") == [(1, "events")]


def test_events_beyond_what_may_wait_are_dropped_and_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_WAITING", 10)
    recorder = recorded(database, 25)
    assert (recorder.stored, recorder.dropped) == (10, 15)


def test_a_database_that_cannot_be_used_ends_the_recorder(database: Database) -> None:
    run(database, "DROP TABLE event")
    with pytest.raises(StorageError):
        recorded(database, 1)
