"""``decnet serve`` on a growing log: how soon a tag is there, a polite end, and a kill."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count
from logging.handlers import SysLogHandler
from typing import TYPE_CHECKING, Any

import pytest

from decnet.db.engine import open_database, upgrade_database
from tests.cli.test_tag import cowrie_line
from tests.databases import empty_server_database, rows
from tests.servers import own_server
from tests.ttp.store.rule_texts import rule_text, save
from tests.workers.test_direct import DROPPER, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 30.0
SOON_S = 0.2
MARGIN = 10
"""Machines that run tests are slow and busy."""
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


class Host:
    """A data folder, a log, and processes that work on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "cowrie.json"
        self.log.touch()
        self.written = 0

    @contextmanager
    def running(self, *command: str, **own: str) -> Iterator[subprocess.Popen[str]]:
        """``decnet COMMAND`` once it says that it serves."""
        environment = os.environ | {"DECNET_DATA_DIR": str(self.folder / "data")} | own
        line = [sys.executable, "-m", "decnet", *command, *_without_web(command), "--json"]
        with (self.folder / "stderr").open("ab") as errors:
            process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        with process:
            assert process.stdout is not None
            assert "serving" in json.loads(process.stdout.readline()), self.errors()
            yield process
            process.kill()

    def write(self, *commands: str) -> None:
        """These commands are typed, a second apart."""
        with self.log.open("a") as file:
            for command in commands:
                session = f"{self.written // 50:012x}"
                file.write(cowrie_line(command, second=self.written % 50, session=session) + "\n")
                self.written += 1

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.folder / 'data' / 'decnet.sqlite'}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def tagged_events(self) -> int:
        """How many events have a tag of the rule that sees password files."""
        return int(self.rows("SELECT count(DISTINCT source_id) FROM tag WHERE rule_id = 'R0014'")[0][0])

    def errors(self) -> str:
        return (self.folder / "stderr").read_text()


def _without_web(command: tuple[str, ...]) -> list[str]:
    """What is tested here is tagging; the API has tests of its own."""
    return ["--no-web"] if command[0] == "serve" else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def until(holds: Callable[[], bool], pause_s: float = 0.02) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(pause_s)


def stop(process: subprocess.Popen[str]) -> None:
    """End it politely."""
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert "stopped" in json.loads(process.stdout.readline())
    assert process.wait(PATIENCE_S) == 0


def numbered(first: int, count: int) -> list[str]:
    return [f"cat /etc/shadow > /tmp/{number}" for number in range(first, first + count)]


def test_the_first_tag_is_there_soon_after_its_line_was_written(host: Host) -> None:
    with host.running("serve", str(host.log)) as process:
        host.write("uname -a")
        until(lambda: host.count("tag") > 0)
        took = []
        for number in range(10):
            before = host.count("tag")
            host.write(f"cat /etc/shadow > /tmp/{number}")
            written = time.monotonic()
            until(lambda before=before: host.count("tag") > before, 0.002)  # type: ignore[misc]
            took.append(time.monotonic() - written)
        stop(process)
    took.sort()
    print(f"line to tag: median {took[5] * 1_000:.0f} ms, longest {took[-1] * 1_000:.0f} ms")  # noqa: T201 - a figure
    assert took[5] < SOON_S * MARGIN
    assert host.errors() == "", host.errors()


def test_a_polite_end_and_a_new_start_lose_and_double_nothing(host: Host) -> None:
    for first in (0, 200):
        with host.running("serve", str(host.log)) as process:
            host.write(*numbered(first, 200))
            until(lambda: host.count("event") > 0)
            stop(process)
    with host.running("serve", str(host.log)) as process:
        until(lambda: host.tagged_events() == 400)
        stop(process)
    assert host.count("event") == 400
    assert host.count("dead_letter") == 0


def test_kills_and_new_starts_lose_and_double_nothing(host: Host) -> None:
    for number, delay_s in enumerate((0.0, 0.1, 0.4)):
        with host.running("serve", str(host.log)) as process:
            host.write(*numbered(number * 200, 200))
            if number:
                until(lambda number=number: host.count("event") > number * 100)  # type: ignore[misc]
            time.sleep(delay_s)
            process.kill()
    with host.running("serve", str(host.log)) as process:
        until(lambda: host.tagged_events() == 600)
        stop(process)
    assert host.count("event") == 600
    assert host.rows("SELECT sum(count) FROM rollup_attacker") == host.rows("SELECT count(*) FROM tag")
    assert host.count("dead_letter") == 0


def test_workers_may_run_in_processes_of_their_own(host: Host) -> None:
    with (
        host.running("worker", "intake", str(host.log)) as intake,
        host.running("worker", "ttp") as one,
        host.running("worker", "ttp") as two,
    ):
        host.write(*numbered(0, 100))
        until(lambda: host.tagged_events() == 100)
        for process in (one, two, intake):
            stop(process)


def test_records_over_syslog_are_tagged(host: Host) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with host.running("serve", DECNET_SYSLOG=f"tcp://127.0.0.1:{port}") as process:
        handler = connected_handler(port)
        for number, command in enumerate(numbered(0, 50)):
            handler.handle(logging.makeLogRecord({"msg": cowrie_line(command, second=number)}))
        handler.close()
        until(lambda: host.tagged_events() == 50)
        stop(process)
    assert host.errors() == "", host.errors()


def connected_handler(port: int) -> SysLogHandler:
    """Python's own sender of syslog, once somebody listens."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return SysLogHandler(("127.0.0.1", port), socktype=socket.SOCK_STREAM)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_session_that_ends_is_tagged_as_a_whole(host: Host) -> None:
    with host.running("serve", str(host.log)) as process:
        with host.log.open("a") as file:
            file.write("".join(DROPPER) + record("session.closed", 9, duration_ms=9_000))
        until(lambda: host.rows("SELECT count(*) FROM tag WHERE source_kind = 'session'")[0][0] > 0)
        stop(process)


def test_a_rule_that_changes_is_announced(host: Host) -> None:
    folder = host.folder / "data" / "rules"
    topic = "SELECT count(*) FROM outbox WHERE topic = 'ttp.rule.reloaded.R9000'"
    versions = count(1)

    def is_announced() -> bool:
        """What was saved before the worker looked for the first time is not: it is saved again."""
        save(folder, rule_text("R9000", version=next(versions), word="frobnicate"))
        return host.rows(topic) > [(0,)]

    with host.running("worker", "rules") as process:
        until(is_announced, 0.5)
        stop(process)


def test_servers_instead_of_the_journal_give_the_same_tags(host: Host) -> None:
    host.write(*numbered(0, 100))
    with own_server("nats") as nats, empty_server_database("mariadb") as url:
        upgrade_database(url)
        servers = {"DECNET_DB_URL": url, "DECNET_BUS_URL": nats.url, "DECNET_TTP_RULE_STORE_TYPE": "database"}
        database = open_database(url)
        with (
            host.running("serve", str(host.log), **servers) as process,
            host.running("worker", "ttp", **servers) as two,
        ):
            sql = "SELECT count(DISTINCT source_id) FROM tag WHERE rule_id = 'R0014'"
            until(lambda: rows(database, sql) == [(100,)])
            for each in (two, process):
                stop(each)
        database.close()
