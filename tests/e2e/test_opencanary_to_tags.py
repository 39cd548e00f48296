"""From visits to a real OpenCanary to stored tags: it writes the log, nothing of ours helps it."""

from __future__ import annotations

import asyncio
import ftplib
import http.client
import json
import os
import socket
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import asyncmy
import asyncssh
import pytest
from asyncmy.errors import OperationalError

from tests.cli.forked import run_forked
from tests.opencanary_lab import OpenCanaryLab, require_opencanary, running_opencanary

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PASSWORDS = [f"Canary-Secret-{number}" for number in range(7)]
"""One for each login; they are looked for in what is stored."""

REDIS_TRICK = ("CONFIG", "SET", "dir", "/root/.ssh")
SCRIPT = "/index.html/shell.php"


def visit_ftp(lab: OpenCanaryLab) -> None:
    with ftplib.FTP() as client:  # noqa: S321 - it is what attackers try
        client.connect(lab.address, lab.ports["ftp"], timeout=10)
        for password in PASSWORDS[:2]:
            with pytest.raises(ftplib.error_perm):
                client.login("backup", password)


def visit_http(lab: OpenCanaryLab) -> None:
    client = http.client.HTTPConnection(lab.address, lab.ports["http"], timeout=10)
    form = urlencode({"username": "admin", "password": PASSWORDS[2]})
    for method, path, body, headers in (
        ("GET", "/index.html", None, {"User-Agent": "sqlmap/1.8"}),
        ("POST", "/index.html", form, {"Content-Type": "application/x-www-form-urlencoded"}),
        ("PUT", SCRIPT, "<?php ?>", {}),
    ):
        client.request(method, path, body, headers)
        client.getresponse().read()
    client.close()


def in_redis_protocol(*words: str) -> bytes:
    """RESP, an array of bulk strings (https://redis.io/docs/latest/develop/reference/protocol-spec)."""
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


def visit_redis(lab: OpenCanaryLab) -> None:
    with socket.create_connection((lab.address, lab.ports["redis"]), timeout=10) as client:
        for words in (("INFO",), ("AUTH", PASSWORDS[3]), REDIS_TRICK):
            client.sendall(in_redis_protocol(*words))
            assert client.recv(4096).startswith(b"-")


def visit_telnet(lab: OpenCanaryLab) -> None:
    with socket.create_connection((lab.address, lab.ports["telnet"]), timeout=10) as client:
        read_until(client, b"Username: ")
        client.sendall(b"root\r\n")
        read_until(client, b"Password: ")
        client.sendall(f"{PASSWORDS[4]}\r\n".encode())
        lab.wait_for(6001)


def read_until(client: socket.socket, end: bytes) -> None:
    seen = b""
    while not seen.endswith(end):
        more = client.recv(4096)
        assert more, f"closed after {seen!r}"
        seen += more


async def visit_mysql(lab: OpenCanaryLab) -> None:
    with pytest.raises(OperationalError, match="Access denied"):
        await asyncmy.connect(host=lab.address, port=lab.ports["mysql"], user="root", password=PASSWORDS[5])


async def visit_ssh(lab: OpenCanaryLab) -> None:
    """The key exchange is named, because OpenCanary looks for ``libssh`` in what it is sent and, when it finds it in
    ``curve25519-sha256@libssh.org``, may begin the exchange twice and hang up."""
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            lab.address,
            lab.ports["ssh"],
            username="pi",
            password=PASSWORDS[6],
            known_hosts=None,
            config=None,
            kex_algs=["ecdh-sha2-nistp256"],
        )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log that a real OpenCanary wrote of one visit to each service."""
    require_opencanary()
    with running_opencanary(tmp_path_factory.mktemp("opencanary"), sensor="e2e") as lab:
        visit_ftp(lab)
        visit_http(lab)
        visit_redis(lab)
        visit_telnet(lab)
        asyncio.run(visit_mysql(lab))
        asyncio.run(visit_ssh(lab))
        for logtype, count in ((2000, 2), (3001, 1), (3002, 1), (17001, 3), (6001, 1), (8001, 1), (4002, 1)):
            lab.wait_for(logtype, count=count)
    return lab.log


def tag(log: Path, data: Path) -> dict[str, Any]:
    environment = os.environ | {"DECNET_DATA_DIR": str(data)}
    done = run_forked(
        ["ttp", "tag", "--json", "--again", str(log)], stdin="", folder=log.parent, environment=environment
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(data: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(data / "decnet.sqlite") as database:
        return database.execute(sql).fetchall()


def test_every_line_of_the_real_program_is_read(log: Path, tmp_path: Path) -> None:
    result = tag(log, tmp_path)
    assert result["files"][0]["refused"] == []
    assert [attacker["address"] for attacker in result["attackers"]] == ["127.0.0.1"]


def test_each_service_is_a_session_with_its_logins(log: Path, tmp_path: Path) -> None:
    tag(log, tmp_path)
    stored = rows(tmp_path, "SELECT protocol, login_failed_count, login_success_count FROM session ORDER BY protocol")
    assert stored == [("ftp", 2, 0), ("http", 1, 0), ("mysql", 1, 0), ("redis", 1, 0), ("ssh", 1, 0), ("telnet", 1, 0)]


def test_what_was_sent_is_stored_as_events_of_its_kinds(log: Path, tmp_path: Path) -> None:
    tag(log, tmp_path)
    stored = rows(tmp_path, "SELECT source_kind, payload FROM event")
    payloads = {(kind, *json.loads(payload).values()) for kind, payload in stored}
    assert {kind for kind, *_ in payloads} == {"auth_attempt", "command", "fingerprint", "http_request", "session"}
    assert ("http_request", "GET", "/index.html", "127.0.0.1", "sqlmap/1.8") in payloads
    assert ("command", " ".join(REDIS_TRICK), "redis", True) in payloads
    assert ("fingerprint", "ssh_client_version", f"SSH-2.0-AsyncSSH_{asyncssh.__version__}") in payloads


def test_rules_fire_on_the_request_and_on_the_redis_command(log: Path, tmp_path: Path) -> None:
    tag(log, tmp_path)
    fired = rows(
        tmp_path,
        "SELECT rule_id, tag.source_kind, session.protocol FROM tag JOIN session ON session.id = tag.session_id",
    )
    assert {("R0027", "http_request", "http"), ("R0026", "command", "redis")} <= set(fired)


def test_no_password_is_stored(log: Path, tmp_path: Path) -> None:
    tag(log, tmp_path)
    secrets = rows(tmp_path, "SELECT payload FROM event WHERE source_kind = 'auth_attempt'")
    assert len(secrets) == len(PASSWORDS)
    for path in tmp_path.iterdir():
        assert not [password for password in PASSWORDS if password.encode() in path.read_bytes()], path.name


def test_tagging_the_log_twice_adds_nothing(log: Path, tmp_path: Path) -> None:
    first, second = tag(log, tmp_path), tag(log, tmp_path)
    assert first["files"][0]["new_tags"] > 0
    assert second["files"][0]["new_tags"] == second["files"][0]["new_events"] == 0
    assert second["totals"] == first["totals"]


def test_a_log_that_is_read_in_two_runs_gives_what_one_run_gives(log: Path, tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    growing = tmp_path / "growing.log"
    lines = log.read_bytes().splitlines(keepends=True)
    for text in (b"".join(lines[: len(lines) // 2]), b"".join(lines)):
        growing.write_bytes(text)
        tag(growing, halves)
    tag(log, whole)
    for sql in (
        "SELECT event.id, session.uuid FROM event JOIN session ON session.id = event.session_id ORDER BY event.id",
        "SELECT uuid, observed_at, evidence FROM tag ORDER BY uuid",
    ):
        assert rows(halves, sql) == rows(whole, sql)
