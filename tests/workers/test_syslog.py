"""Records over syslog, through real sockets, from real senders, into a real database."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import asynccontextmanager, suppress
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.config import SyslogAddress
from decnet.errors import SettingsError, StorageError, StorageUnavailable
from decnet.models.secret import secret_digest
from decnet.sources.base import Reason
from decnet.sources.syslog import BadFrame
from decnet.workers.ingest import IntakeWorker
from decnet.workers.syslog import (
    DROPPED,
    FOREIGN_SENSOR,
    MAX_PEER_CONNECTIONS,
    TOO_MANY_CONNECTIONS,
    UNKNOWN_FORMAT,
    SensorOwners,
    SyslogIntake,
)
from tests.cli.test_tag import cowrie_line
from tests.contract.bus_backends import in_loop
from tests.databases import rows
from tests.events import NOON
from tests.workers.test_ingest import PATIENCE_S, announced, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from decnet.db.engine import Database
    from decnet.models.event import Event

RECORDING = Path(__file__).parents[2] / "demo" / "cowrie.json"
HEADER = b"<134>1 2026-11-18T12:00:00Z svr04 cowrie 711 - - "
DIGEST = secret_digest(bytes(32))


def a_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def listening(database: Database, *logs: Path, sensor: str | None = None) -> AsyncIterator[IntakeWorker]:
    """A worker that listens over TCP and UDP; its addresses are ``worker.syslog``'s."""
    addresses = [SyslogAddress("tcp", "127.0.0.1", a_port()), SyslogAddress("udp", "127.0.0.1", a_port())]
    names = [str(log) for log in logs]
    worker = IntakeWorker(database, DIGEST, names, syslog=addresses, clock=lambda: NOON, sensor=sensor)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    assert worker.syslog is not None
    await asyncio.wait_for(worker.syslog.is_listening.wait(), PATIENCE_S)
    try:
        yield worker
    finally:
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)


def port_of(worker: IntakeWorker, transport: str) -> int:
    assert worker.syslog is not None
    return next(address.port for address in worker.syslog._addresses if address.transport == transport)


def refused(worker: IntakeWorker) -> dict[str, int]:
    assert worker.syslog is not None
    return dict(worker.syslog.refused)


def send(port: int, data: bytes, source: str = "127.0.0.1") -> None:
    """Over TCP, from one of loopback's addresses."""
    with socket.create_connection(("127.0.0.1", port), source_address=(source, 0)) as connection:
        connection.sendall(data)


def send_datagrams(port: int, *messages: bytes) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for message in messages:
            sender.sendto(message, ("127.0.0.1", port))


def stored(database: Database) -> int:
    return int(rows(database, "SELECT count(*) FROM event")[0][0])


def counted(text: bytes) -> bytes:
    return b"%d %s" % (len(text), text)


def line(number: int, **own: str) -> bytes:
    return cowrie_line(f"cat /etc/shadow > /tmp/{number}", second=number % 60, **own).encode()


@in_loop
async def test_a_recording_over_tcp_gives_the_events_of_its_file(database: Database, tmp_path: Path) -> None:
    lines = RECORDING.read_bytes().splitlines()
    async with listening(database) as worker:
        await asyncio.to_thread(send, port_of(worker, "tcp"), b"".join(counted(HEADER + one) for one in lines[::2]))
        await asyncio.to_thread(send, port_of(worker, "tcp"), b"".join(HEADER + one + b"\n" for one in lines[1::2]))
        await until(lambda: stored(database) == len(lines))
        assert refused(worker) == {}
    over_syslog = set(rows(database, "SELECT id FROM event"))
    assert len(announced(database)) == len(lines)
    log = tmp_path / "copy.json"
    log.write_bytes(RECORDING.read_bytes())
    async with listening(database, log) as worker:
        await until(lambda: worker.lines == len(lines))
    assert set(rows(database, "SELECT id FROM event")) == over_syslog


@pytest.mark.parametrize(("transport", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
@in_loop
async def test_pythons_own_handler_is_understood(database: Database, transport: str, kind: socket.SocketKind) -> None:
    async with listening(database) as worker:

        def log() -> None:
            handler = SysLogHandler(("127.0.0.1", port_of(worker, transport)), socktype=kind)
            handler.setFormatter(logging.Formatter("cowrie[711]: %(message)s"))
            for number in range(20):
                handler.handle(logging.makeLogRecord({"msg": line(number).decode(), "levelno": logging.INFO}))
            handler.close()

        await asyncio.to_thread(log)
        await until(lambda: stored(database) == 20)
        assert refused(worker) == {}


@in_loop
async def test_the_senders_address_is_never_the_source_of_an_event(database: Database) -> None:
    header = b"<134>1 2026-11-18T12:00:00Z 203.0.113.99 203.0.113.98 203.0.113.97 - - "
    async with listening(database) as worker:
        await asyncio.to_thread(send_datagrams, port_of(worker, "udp"), header + line(1))
        await asyncio.to_thread(send, port_of(worker, "tcp"), header + line(2) + b"\n")
        await until(lambda: stored(database) == 2)
    assert rows(database, "SELECT address FROM attacker") == [("198.51.100.7",)]
    assert rows(database, "SELECT name FROM sensor") == [("svr04",)]


@in_loop
async def test_a_sender_cannot_write_into_a_session_of_anothers_sensor(database: Database) -> None:
    async with listening(database) as worker:
        port = port_of(worker, "tcp")
        await asyncio.to_thread(send, port, HEADER + line(1) + b"\n", "127.0.0.1")
        await until(lambda: stored(database) == 1)
        await asyncio.to_thread(send, port, HEADER + line(2) + b"\n" + HEADER + b"\n", "127.0.0.2")
        await until(lambda: FOREIGN_SENSOR in refused(worker))
        await asyncio.to_thread(send, port, HEADER + line(3) + b"\n", "127.0.0.1")
        await until(lambda: stored(database) == 2)
    assert rows(database, "SELECT event_count FROM session") == [(2,)]


@in_loop
async def test_a_sender_cannot_write_into_a_session_of_a_log(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_bytes(line(1) + b"\n")
    async with listening(database, log) as worker:
        await until(lambda: stored(database) == 1)
        await asyncio.to_thread(send_datagrams, port_of(worker, "udp"), HEADER + line(2))
        await until(lambda: FOREIGN_SENSOR in refused(worker))
    assert stored(database) == 1


@in_loop
async def test_the_operators_name_wins_over_what_senders_claim(database: Database) -> None:
    async with listening(database, sensor="dmz") as worker:
        for number, source in enumerate(("127.0.0.1", "127.0.0.2")):
            await asyncio.to_thread(send, port_of(worker, "tcp"), HEADER + line(number) + b"\n", source)
        await until(lambda: stored(database) == 2)
    assert rows(database, "SELECT name FROM sensor") == [("dmz",)]


def test_names_of_sensors_are_owned_within_bounds() -> None:
    owners = SensorOwners()
    names = [f"svr{number}" for number in range(100)]
    assert [owners.take([name], "192.0.2.1") for name in names].count(True) == 64
    assert owners.take(names[:64], "192.0.2.1")
    assert owners.take(["svr99"], "192.0.2.2")


@in_loop
async def test_what_is_no_record_is_counted_and_the_rest_goes_on(database: Database) -> None:
    async with listening(database) as worker:
        messages = [line(1), HEADER + b'{"a":1}', HEADER + b'{"eventid":"cowrie.nonsense"}', HEADER + b"oops"]
        await asyncio.to_thread(send_datagrams, port_of(worker, "udp"), *messages, HEADER + line(2))
        await asyncio.to_thread(send, port_of(worker, "tcp"), b"<1>" + b"x" * 70_000 + b"\n" + HEADER + line(3))
        await asyncio.to_thread(send, port_of(worker, "tcp"), counted(HEADER + line(4)) + b"0 rest")
        await until(lambda: stored(database) == 3)
        assert refused(worker) == {
            BadFrame.NO_PRIORITY: 1,
            BadFrame.TOO_LONG: 1,
            BadFrame.NO_LENGTH: 1,
            UNKNOWN_FORMAT: 2,
            Reason.UNKNOWN_EVENT_ID: 1,
        }


@in_loop
async def test_connections_of_one_sender_are_few(database: Database) -> None:
    async with listening(database) as worker:
        port = port_of(worker, "tcp")

        def crowd() -> None:
            held = [socket.create_connection(("127.0.0.1", port)) for _ in range(MAX_PEER_CONNECTIONS)]
            with socket.create_connection(("127.0.0.1", port)) as another:
                assert another.recv(1) == b""
            send(port, HEADER + line(1) + b"\n", "127.0.0.2")
            for connection in held:
                connection.close()

        await asyncio.to_thread(crowd)
        await until(lambda: stored(database) == 1)
        assert refused(worker) == {TOO_MANY_CONNECTIONS: 1}


class Away:
    """A store that is away until it is told to come back."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_back = threading.Event()

    def store(self, events: list[Event]) -> None:
        if not self.is_back.is_set():
            raise StorageUnavailable("away")
        self.events += events


@asynccontextmanager
async def before_a_store_that_is_away(transport: str) -> AsyncIterator[tuple[SyslogIntake, Away, int]]:
    away, port = Away(), a_port()
    address = SyslogAddress(transport, "127.0.0.1", port)
    intake = SyslogIntake([address], DIGEST, away.store, SensorOwners(), max_backlog_bytes=64 * 1024)
    stop = asyncio.Event()
    running = asyncio.create_task(intake.run(stop))
    await asyncio.wait_for(intake.is_listening.wait(), PATIENCE_S)
    try:
        yield intake, away, port
    finally:
        away.is_back.set()
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)


@in_loop
async def test_tcp_is_held_back_while_the_database_is_away_and_loses_nothing() -> None:
    padding = b"x" * 4_000
    async with before_a_store_that_is_away("tcp") as (intake, away, port):
        texts = [HEADER + line(number).replace(b"cat", padding) + b"\n" for number in range(5_000)]
        sending = asyncio.create_task(asyncio.to_thread(send, port, b"".join(texts)))
        done, _ = await asyncio.wait({sending}, timeout=1.0)
        assert not done, "20 MB went into a backlog of 64 KiB"
        away.is_back.set()
        await until(lambda: len(away.events) == 5_000)
        await sending
        assert intake.refused == {}


@in_loop
async def test_datagrams_without_room_are_dropped_and_counted() -> None:
    async with before_a_store_that_is_away("udp") as (intake, away, port):
        for number in range(1_000):
            await asyncio.to_thread(send_datagrams, port, HEADER + line(number))
        await until(lambda: intake.refused[DROPPED] > 0)
        away.is_back.set()
        await until(lambda: len(away.events) > 0)


@in_loop
async def test_a_store_that_fails_for_good_ends_the_intake_though_senders_go_on() -> None:
    def store(_: list[Event]) -> None:
        raise StorageError("for good")

    port = a_port()
    address = SyslogAddress("tcp", "127.0.0.1", port)
    intake = SyslogIntake([address], DIGEST, store, SensorOwners(), max_backlog_bytes=1_000)
    running = asyncio.create_task(intake.run(asyncio.Event()))
    await asyncio.wait_for(intake.is_listening.wait(), PATIENCE_S)

    def flood() -> None:
        with suppress(OSError):  # it is hung up on
            send(port, b"".join(HEADER + line(number) + b"\n" for number in range(20_000)))

    sending = asyncio.create_task(asyncio.to_thread(flood))
    with pytest.raises(StorageError, match="for good"):
        await asyncio.wait_for(running, PATIENCE_S)
    await asyncio.wait_for(sending, PATIENCE_S)


@in_loop
async def test_an_address_that_is_taken_is_refused_in_words(database: Database) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = SyslogAddress("tcp", "127.0.0.1", taken.getsockname()[1])
        worker = IntakeWorker(database, DIGEST, [], syslog=[address], clock=lambda: NOON)
        with pytest.raises(SettingsError, match="DECNET_SYSLOG: cannot listen on tcp://"):
            await asyncio.wait_for(worker.run(asyncio.Event()), PATIENCE_S)


@in_loop
async def test_what_was_read_before_a_stop_is_stored(database: Database) -> None:
    async with listening(database) as worker:
        await asyncio.to_thread(send_datagrams, port_of(worker, "udp"), *(HEADER + line(one) for one in range(50)))
        await asyncio.to_thread(send, port_of(worker, "tcp"), b"".join(HEADER + line(one) + b"\n" for one in range(60)))
        await until(lambda: stored(database) > 0)
    assert stored(database) == 60
