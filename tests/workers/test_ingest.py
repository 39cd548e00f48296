"""The intake worker: logs in, events and their announcements out."""

from __future__ import annotations

import asyncio
import gzip
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from decnet.attribution.engine import IDLE_US
from decnet.db.clocks import SensorTime, stored_clocks
from decnet.models.finding import Clock
from decnet.models.message import PARTITIONS
from decnet.models.record import unpacked_record
from decnet.models.secret import secret_digest
from decnet.workers.clocks import SILENCE_S, SensorClocks
from decnet.workers.ingest import IntakeWorker
from decnet.workers.pressure import Pressure
from tests.cli.test_tag import cowrie_line
from tests.contract.bus_backends import in_loop
from tests.databases import rows, run
from tests.events import NOON, SECOND, a_command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from decnet.db.engine import Database
    from decnet.models.record import Record

PATIENCE_S = 10.0


@asynccontextmanager
async def following(database: Database, *logs: Path, silence_s: float = 60.0) -> AsyncIterator[IntakeWorker]:
    worker = IntakeWorker(
        database, secret_digest(bytes(32)), [str(log) for log in logs], clock=lambda: NOON, silence_s=silence_s
    )
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - other threads write it
            await asyncio.sleep(0.02)


def announced(database: Database) -> list[tuple[int, Record]]:
    """Partition and record of everything on ``events``, in order."""
    found = rows(database, "SELECT \"partition\", body FROM outbox WHERE topic = 'events' ORDER BY id")
    decode = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode
    return [(partition, unpacked_record(item)) for partition, body in found for item in decode(body)]


@in_loop
async def test_every_event_is_announced_once_through_rotation_and_restarts(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text(cowrie_line("one") + "\n")
    async with following(database, log):
        await until(lambda: len(announced(database)) == 1)
        log.rename(log.with_name("cowrie.json.1"))
        log.write_text(cowrie_line("two", second=1) + "\n")
        await until(lambda: len(announced(database)) == 2)
    with log.open("a") as file:
        file.write(cowrie_line("three", second=2) + "\n")
    async with following(database, log):
        await until(lambda: len(announced(database)) == 3)
    ids = [record.id for _, record in announced(database) if not isinstance(record, Clock)]
    assert len(set(ids)) == 3
    assert rows(database, "SELECT count(*) FROM event") == [(3,)]


@in_loop
async def test_a_log_that_cannot_be_read_does_not_end_the_others(database: Database, tmp_path: Path) -> None:
    log, folder = tmp_path / "cowrie.json", tmp_path / "folder"
    folder.mkdir()
    log.write_text(cowrie_line("one") + "\n")
    async with following(database, folder, log) as worker:
        await until(lambda: len(announced(database)) == 1)
        assert worker.lines == 1


@in_loop
async def test_every_partition_learns_how_far_the_time_of_a_silent_sensor_has_come(
    database: Database, tmp_path: Path
) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text(cowrie_line("one") + "\n")
    async with following(database, log, silence_s=0.1):
        await until(lambda: rows(database, "SELECT count(*) FROM clock") == [(1,)])
    told = [(partition, record) for partition, record in announced(database) if isinstance(record, Clock)]
    over = Clock("svr04", NOON + IDLE_US)
    assert [partition for partition, record in told if record == over] == list(range(PARTITIONS))
    assert database.read(stored_clocks) == [over]


@in_loop
async def test_a_restart_knows_what_was_heard_and_tells_of_it_once(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text(cowrie_line("one") + "\n")
    async with following(database, log):
        await until(lambda: len(announced(database)) == 1)
    assert database.read(stored_clocks) == []
    for _ in range(2):
        async with following(database, log, silence_s=0.1):
            await until(lambda: database.read(stored_clocks) == [Clock("svr04", NOON + IDLE_US)])
    told = [record for _, record in announced(database) if record == Clock("svr04", NOON + IDLE_US)]
    assert len(told) == PARTITIONS


@in_loop
async def test_the_end_of_a_packed_log_is_the_end_of_its_sessions(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json.gz"
    log.write_bytes(gzip.compress((cowrie_line("one") + "\n").encode()))
    async with following(database, log):
        await until(lambda: database.read(stored_clocks) == [Clock("svr04", NOON + IDLE_US)])


@in_loop
async def test_a_log_is_held_up_while_events_wait_for_long_and_no_longer_than_that(database: Database) -> None:
    run(database, "INSERT INTO bus_position VALUES ('cluster', 3, 0, 0, 'ttp.tagged')")
    run(database, "INSERT INTO bus_position VALUES ('ttp', 3, 0, 0, 'events finding.*')")
    run(database, "INSERT INTO outbox (\"partition\", topic, body, created_at) VALUES (3, 'ttp.tagged', x'90', 0)")
    run(database, "INSERT INTO outbox (\"partition\", topic, body, created_at) VALUES (3, 'events', x'90', 0)")
    waited: list[float] = []

    def read_on(seconds: float) -> bool:
        waited.append(seconds)
        if len(waited) == 3:
            run(database, "UPDATE bus_position SET position = 2 WHERE consumer = 'ttp'")
        return False

    await asyncio.to_thread(Pressure(database).wait_for_workers, read_on)
    assert len(waited) == 3

    run(database, "UPDATE bus_position SET position = 0")
    pauses: list[float] = []

    def nobody_reads(seconds: float) -> bool:
        pauses.append(seconds)
        time.sleep(seconds)
        return False

    await asyncio.to_thread(Pressure(database).wait_for_workers, nobody_reads)
    assert 1 <= len(pauses) <= 10


@in_loop
async def test_a_log_is_held_up_while_too_much_waits(database: Database) -> None:
    run(database, "INSERT INTO bus_position VALUES ('ttp', 3, 0, 0, '>')")
    written = "INSERT INTO outbox (\"partition\", topic, body, created_at) VALUES (3, 'events', x'90', {})"
    for _ in range(4):
        run(database, written.format(time.time_ns() // 1_000 + 60_000_000))
    pressure, waited = Pressure(database, most=3), []

    def read_on(seconds: float) -> bool:
        waited.append(seconds)
        run(database, "UPDATE bus_position SET position = position + 1")
        return False

    await asyncio.to_thread(pressure.wait_for_room, read_on)
    assert (len(waited), pressure.pauses) == (3, 1)
    await asyncio.to_thread(pressure.wait_for_room, read_on)
    assert (len(waited), pressure.pauses) == (3, 1)


def test_a_sensor_that_speaks_is_told_of_now_and_then() -> None:
    clocks = SensorClocks()
    events = [a_command("id", at=NOON + minute * 60 * SECOND) for minute in (0, 1, 6, 7)]
    told = []
    for number, event in enumerate(events):
        moved = clocks.moved([event])
        clocks.note([event], moved, float(number))
        told += moved
    assert told == [Clock("svr04", NOON + 6 * 60 * SECOND)]
    assert clocks.due(SILENCE_S) == []


def test_a_silent_sensor_is_told_of_once() -> None:
    clocks = SensorClocks(silence_s=30)
    clocks.note([a_command("id", at=NOON + SECOND), a_command("id")], [], 100.0)
    assert clocks.due(129.0) == []
    (over,) = clocks.due(130.0)
    assert over == Clock("svr04", NOON + SECOND + IDLE_US)
    assert clocks.due(131.0) == [over]
    clocks.note_told([over])
    assert clocks.due(1_000.0) == []
    clocks.note([a_command("id", at=NOON + 2 * SECOND)], [], 1_000.0)
    assert clocks.due(1_030.0) == [Clock("svr04", NOON + 2 * SECOND + IDLE_US)]


def test_what_was_told_before_the_start_is_not_told_again() -> None:
    told, untold = SensorTime("told", NOON, NOON + IDLE_US), SensorTime("untold", NOON, NOON)
    clocks = SensorClocks(silence_s=30)
    clocks.recall([told, untold], now_s=50.0)
    assert clocks.due(79.0) == []
    assert clocks.due(80.0) == [Clock("untold", NOON + IDLE_US)]
