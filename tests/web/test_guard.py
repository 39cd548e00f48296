"""What stands before the routes: hosts, sizes, slow clients, headers, and whose address it is."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import Request

from decnet.models.proxies import TrustedProxies
from decnet.web import guard, server
from decnet.web.guard import MAX_BODY, address_of

if TYPE_CHECKING:
    from tests.web.conftest import Api


def test_a_foreign_host_name_is_refused(api: Api) -> None:
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:80", "[::2]"):
        assert api.client.get("/health/live", headers={"Host": host}).status_code == 400, host
    for host in ("localhost", "LOCALHOST:1234", "[::1]:80", "127.0.0.1"):
        assert api.client.get("/health/live", headers={"Host": host}).status_code == 200, host


def test_a_parameter_that_is_given_twice_is_refused(viewer: httpx.Client) -> None:
    for query in ("until=x&since=1&until=1", "until=1&until=1", "%75ntil=1&until=2", "until&until=1"):
        refused = viewer.get(f"/ttp/export/misp?{query}")
        assert (refused.status_code, refused.json()["faults"]) == (
            400,
            [{"where": "query.until", "why": "it is given more than once"}],
        )
    assert viewer.get("/ttp/export/misp?since=1&until=2").status_code == 200


def test_every_answer_has_the_headers_that_browsers_obey(api: Api) -> None:
    for path in ("/health/live", "/users", "/nothing"):
        headers = api.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_a_body_may_have_so_much_and_no_more(api: Api) -> None:
    big = b'{"name": "' + b"a" * MAX_BODY + b'"}'
    refused = api.client.post("/auth/login", content=big, headers={"Content-Type": "application/json"})
    assert refused.status_code == 413
    pieces = (big[start : start + 65_536] for start in range(0, len(big), 65_536))
    refused = api.client.post("/auth/login", content=pieces, headers={"Content-Type": "application/json"})
    assert refused.status_code == 413, "also where the length is not told before"


def connection(api: Api) -> socket.socket:
    place = urlsplit(api.url)
    opened = socket.create_connection((place.hostname, place.port), timeout=15)
    opened.settimeout(15)
    return opened


def test_whoever_asks_nothing_is_hung_up_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_FIRST_REQUEST_S", 0.3)
    with connection(api) as opened:
        opened.sendall(b"GET /api/v1/health/live HTTP/1.1\r\nHost: loc")
        started = time.monotonic()
        assert opened.recv(1000) == b""
        assert time.monotonic() - started < 10


def test_a_body_that_does_not_come_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_BODY_WAIT_S", 0.3)
    with connection(api) as opened:
        opened.sendall(
            b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        assert opened.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_many_slow_clients_keep_nobody_waiting(api: Api) -> None:
    slow = [connection(api) for _ in range(50)]
    for opened in slow:
        opened.sendall(b"GET /api/v1/health/live HTTP/1.1\r\nHost: localhost\r\nX: ")
    assert api.client.get("/health/ready").status_code == 200
    for opened in slow:
        opened.close()


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_only_a_trusted_proxy_says_for_whom_it_asks(api: Api, peer: str, forwarded: str, source: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())]
    request = Request({"type": "http", "client": (peer, 1), "headers": headers})
    place = type(api.place)(
        **{name: getattr(api.place, name) for name in api.place.__slots__} | {"proxies": TrustedProxies(["10.0.0.0/8"])}
    )
    assert address_of(request, place) == source


def test_a_line_break_in_a_name_writes_no_line_of_the_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        api.client.post("/auth/login", json={"name": "a\r\nERROR forged", "password": "x"})
        api.client.get("/users", headers={"Authorization": "Bearer a b\x7f"})
        api.client.get("/nothing%0d%0aERROR%20forged")
    assert not any("\n" in record.getMessage() or "\r" in record.getMessage() for record in caplog.records)


def test_a_line_break_in_a_parameter_writes_no_header(api: Api) -> None:
    for path in ("/users%0d%0aX-Forged:%201", "/audit?cursor=%0d%0aX-Forged:%201"):
        assert "x-forged" not in httpx.get(f"{api.url}{path}").headers


def test_a_fault_of_the_program_is_a_problem_that_tells_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(api.place.database), "read", lambda *_: 1 / 0)
    answer = api.client.get("/health/ready")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "division" not in answer.text


def test_an_unknown_path_and_a_wrong_method_are_problems(api: Api) -> None:
    for answer, status in ((api.client.get("/nothing"), 404), (api.client.put("/health/live"), 405)):
        assert answer.status_code == status
        assert answer.json()["status"] == status
