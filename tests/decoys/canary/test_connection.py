"""Clients that abuse HTTP, over sockets."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from decnet.decoys.canary.connection import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_REQUESTS, Patience
from decnet.decoys.canary.decoy import MAX_CONNECTIONS_PER_ADDRESS
from tests.canary_lab import PATIENCE_S, everything, running_canary

if TYPE_CHECKING:
    from pathlib import Path

    from tests.canary_lab import CanaryLab

HASTY = Patience(head_s=0.3, lifetime_s=0.6)
MARGIN = 10


def status_of(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def test_a_path_that_is_nothing_is_answered_as_by_a_plain_web_server(lab: CanaryLab) -> None:
    reply = lab.ask("/wp-login.php")
    assert reply.status == 404
    assert reply.headers["Server"] == "nginx"
    assert b"<center><h1>404 Not Found</h1></center>" in reply.body


def test_a_client_that_writes_its_head_byte_by_byte_is_let_go(tmp_path: Path) -> None:
    with running_canary(tmp_path, patience=HASTY) as lab, lab.connected() as client:
        start = time.monotonic()
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert everything(client) == b""
        assert time.monotonic() - start < HASTY.head_s * MARGIN


def test_a_client_that_dribbles_its_body_is_let_go(tmp_path: Path) -> None:
    with running_canary(tmp_path, patience=HASTY) as lab, lab.connected() as client:
        start = time.monotonic()
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nab")
        assert everything(client) == b""
        assert time.monotonic() - start < HASTY.lifetime_s * MARGIN


def test_a_client_that_says_nothing_is_let_go(tmp_path: Path) -> None:
    with running_canary(tmp_path, patience=HASTY) as lab, lab.connected() as client:
        assert everything(client) == b""


def test_slow_clients_do_not_keep_others_waiting(lab: CanaryLab) -> None:
    with ExitStack() as slow:
        for _ in range(MAX_CONNECTIONS_PER_ADDRESS // 2):
            slow.enter_context(lab.connected()).sendall(b"GET / HT")
        assert lab.ask("/").status == 404


def test_one_address_has_only_so_many_connections_at_once(lab: CanaryLab) -> None:
    with ExitStack() as idle:
        for _ in range(MAX_CONNECTIONS_PER_ADDRESS):
            client = idle.enter_context(lab.connected())
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(10) == b"HTTP/1.1 4"
        assert lab.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    deadline = time.monotonic() + PATIENCE_S
    while not lab.raw(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 404"):
        assert time.monotonic() < deadline, "connections that were closed still count"


def test_a_body_beyond_the_limit_is_refused(lab: CanaryLab) -> None:
    fits = lab.ask("/", "POST", b"a" * MAX_BODY_BYTES)
    reply = lab.raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000)
    assert (fits.status, status_of(reply)) == (404, 413)
    assert b"\r\nConnection: close\r\n" in reply


def test_an_endless_chunked_body_is_refused(lab: CanaryLab) -> None:
    chunks = b"1000\r\n" + b"a" * 0x1000 + b"\r\n"
    reply = lab.raw(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * 20)
    assert status_of(reply) == 413


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"X-A: " + b"a" * (2 * MAX_HEAD_BYTES) + b"\r\n", id="a long one"),
        pytest.param(b"X-A: a\r\n" * (MAX_HEADERS + 1), id="many"),
    ],
)
def test_a_flood_of_headers_is_refused(lab: CanaryLab, flood: bytes) -> None:
    assert status_of(lab.raw(b"GET / HTTP/1.1\r\nHost: x\r\n" + flood + b"\r\n")) == 431


@pytest.mark.parametrize(
    "request_line",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n", b"GET / HTTP/x\r\n", b"GET /\xff\xfe HTTP/1.1\r\n"],
)
def test_what_is_no_http_is_refused_and_nothing_breaks(lab: CanaryLab, request_line: bytes) -> None:
    reply = lab.raw(request_line + b"\r\n\r\n" * 4)
    assert status_of(reply) == 400
    assert b"nginx" in reply
    assert lab.ask("/").status == 404


@pytest.mark.parametrize(
    "head",
    [
        b"Host: a\r\nHost: b\r\n",
        b"",
        b"Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        b"Host: x\r\nContent-Length: -1\r\n",
    ],
)
def test_ambiguous_heads_are_refused(lab: CanaryLab, head: bytes) -> None:
    assert status_of(lab.raw(b"POST / HTTP/1.1\r\n" + head + b"\r\n")) == 400


def test_requests_of_one_connection_are_answered_in_order_up_to_a_limit(lab: CanaryLab) -> None:
    asked = b"".join(f"HEAD /{n} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for n in range(MAX_REQUESTS + 5))
    assert lab.raw(asked).count(b"HTTP/1.1 404") == MAX_REQUESTS
    stored = lab.events("http_request", least=MAX_REQUESTS)
    assert [event.payload["raw_url"] for event in stored] == [f"/{n}" for n in range(MAX_REQUESTS)]


def test_who_waits_for_leave_to_send_a_body_gets_it(lab: CanaryLab) -> None:
    with lab.connected() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"ab")
        assert client.recv(100).startswith(b"HTTP/1.1 404 ")


def test_a_client_that_is_gone_before_its_answer_costs_nothing(lab: CanaryLab) -> None:
    for _ in range(20):
        with lab.connected() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert lab.ask("/").status == 404
