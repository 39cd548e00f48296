"""Sending to real servers on this host, and to nowhere else than was allowed."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from decnet.alerts.target import AllowedNetworks, target_of
from decnet.decoys.smtp.certificate import tls_context
from decnet.errors import DeliveryFailed, TargetRefused
from decnet.workers.sending import Sender, check_target
from tests.workers.receivers import LOCAL, log_datagrams, log_stream, receiving, status, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


def to(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver that knows one name."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


def local(timeout_s: float = 5.0) -> Sender:
    return Sender(AllowedNetworks(LOCAL), timeout_s=timeout_s)


def test_a_body_and_its_headers_arrive() -> None:
    async def run() -> None:
        async with receiving() as receiver:
            await local().post(target_of(f"{receiver.url}?key=%20x"), b"{}", {"X-Decnet-Delivery": "1"})
            (got,) = receiver.got
            assert (got.path, got.body, got.headers["x-decnet-delivery"]) == ("/alerts?key=%20x", b"{}", "1")
            assert got.headers["host"] == f"127.0.0.1:{receiver.port}"

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_nothing_is_sent_to_this_host(host: str) -> None:
    async def run() -> None:
        async with receiving() as receiver:
            target = target_of(f"http://{host}:{receiver.port}/")
            with pytest.raises(TargetRefused, match="DECNET_WEBHOOK_NETWORKS"):
                check_target(target, AllowedNetworks())
            with pytest.raises(DeliveryFailed, match="DECNET_WEBHOOK_NETWORKS"):
                await Sender(AllowedNetworks()).post(target, b"{}", {})
            assert receiver.got == []

    asyncio.run(run())


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["169.254.169.254"], ["fe80::1%eth0"]])
def test_a_name_is_refused_for_any_of_its_addresses(addresses: list[str]) -> None:
    async def run() -> None:
        sender = Sender(AllowedNetworks(["127.0.0.1/32"] if len(addresses) > 1 else []), resolve=to(*addresses))
        for url in ("http://soc.example.org/", "tcp://soc.example.org", "udp://soc.example.org"):
            target = target_of(url)
            with pytest.raises(DeliveryFailed, match="set aside"):
                await (sender.post(target, b"{}", {}) if target.path else sender.send_line(target, b"x"))

    asyncio.run(run())


def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_judged() -> None:
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async def run() -> None:
        async with receiving() as receiver:
            sender = Sender(AllowedNetworks(["127.0.0.1"]), resolve=rebinding)
            target = target_of(f"http://soc.invalid:{receiver.port}/")
            await sender.post(target, b"{}", {})
            assert receiver.got[0].headers["host"] == f"soc.invalid:{receiver.port}"
            assert asked == ["soc.invalid"]
            with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.2 is an address of this host"):
                await sender.post(target, b"{}", {})
            assert len(receiver.got) == 1

    asyncio.run(run())


def test_the_next_address_is_tried_where_the_first_is_dead() -> None:
    async def run() -> None:
        async with receiving() as receiver:
            sender = Sender(AllowedNetworks(LOCAL), resolve=to("127.0.0.9", "127.0.0.1"))
            await sender.post(target_of(f"http://soc.example.org:{receiver.port}/"), b"{}", {})
            assert len(receiver.got) == 1

    asyncio.run(run())


def test_a_redirect_is_not_followed() -> None:
    async def run() -> None:
        async with receiving() as other, receiving(status(307, f"Location: {other.url}")) as receiver:
            with pytest.raises(DeliveryFailed, match="status 307, it points elsewhere"):
                await local().post(target_of(receiver.url), b"{}", {})
            assert other.got == []

    asyncio.run(run())


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with receiving() as proxy, receiving() as receiver:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            await local().post(target_of(receiver.url), b"{}", {})
            assert (len(proxy.got), len(receiver.got)) == (0, 1)

    asyncio.run(run())


def test_an_answer_without_an_end_delays_nobody() -> None:
    async def run() -> None:
        async with receiving(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000) as receiver:
            await local().post(target_of(receiver.url), b"{}", {})

    asyncio.run(run())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"220 mail.example.org ESMTP\r\n", b"\x00" * 100])
def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    async def run() -> None:
        async with receiving(answer) as receiver:
            with pytest.raises(DeliveryFailed):
                await local(0.3).post(target_of(receiver.url), b"{}", {})

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "is_about_alert"), [(400, True), (413, True), (401, False), (404, False), (429, False), (500, False)]
)
def test_a_status_says_whose_fault_it_is(code: int, is_about_alert: bool) -> None:  # noqa: FBT001
    async def run() -> DeliveryFailed:
        async with receiving(status(code, "Retry-After: 120")) as receiver:
            with pytest.raises(DeliveryFailed, match=f"status {code}") as caught:
                await local().post(target_of(receiver.url + "/secret"), b"{}", {})
            return caught.value

    error = asyncio.run(run())
    assert (error.is_about_alert, error.retry_after_s) == (is_about_alert, 120.0)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [("999999999", 86_400.0), ("soon", None), ("-1", None), ("", None), ("Mon, 99 Foo 2026", None)],
)
def test_a_wish_to_be_left_alone_is_cut_or_passed_over(text: str, wait_s: float | None) -> None:
    async def run() -> float | None:
        async with receiving(status(429, f"Retry-After: {text}")) as receiver:
            with pytest.raises(DeliveryFailed) as caught:
                await local().post(target_of(receiver.url), b"{}", {})
            return caught.value.retry_after_s

    assert asyncio.run(run()) == wait_s


def test_a_date_to_be_left_alone_until_is_understood() -> None:
    async def run() -> float | None:
        answer = status(503, f"Retry-After: {formatdate(time.time() + 3_600, usegmt=True)}")
        async with receiving(answer) as receiver:
            with pytest.raises(DeliveryFailed) as caught:
                await local().post(target_of(receiver.url), b"{}", {})
            return caught.value.retry_after_s

    found = asyncio.run(run())
    assert found is not None
    assert 3_000 < found <= 3_600


def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    async def away(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    async def run() -> None:
        sender = Sender(AllowedNetworks(LOCAL), resolve=away)
        with pytest.raises(DeliveryFailed, match="does not resolve"):
            await sender.post(target_of("https://soc.invalid/"), b"{}", {})

    asyncio.run(run())


def test_tls_is_for_the_name_and_not_for_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tls_context(tmp_path, "soc.invalid")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "soc.invalid.pem"))

    async def run() -> None:
        async with receiving(tls=server) as receiver:
            sender = Sender(AllowedNetworks(LOCAL), resolve=to("127.0.0.1"))
            await sender.post(target_of(f"https://soc.invalid:{receiver.port}/"), b"{}", {})
            assert receiver.names == ["soc.invalid"]
            with pytest.raises(DeliveryFailed, match=r"(?i)certificate|hostname"):
                await sender.post(target_of(f"https://other.invalid:{receiver.port}/"), b"{}", {})
            assert len(receiver.got) == 1

    asyncio.run(run())


def test_a_line_arrives_as_a_datagram() -> None:
    async def run() -> None:
        async with log_datagrams() as (port, got):
            await local().send_line(target_of(f"udp://127.0.0.1:{port}"), b"<36>1 - - decnet - - - x")
            await until(lambda: got == [b"<36>1 - - decnet - - - x"])

    asyncio.run(run())


def test_lines_arrive_on_a_stream_with_their_lengths() -> None:
    async def run() -> None:
        async with log_stream() as (port, got):
            for line in (b"first", b"second one"):
                await local().send_line(target_of(f"tcp://127.0.0.1:{port}"), line)
            await until(lambda: got == b"5 first10 second one")

    asyncio.run(run())


def test_a_line_arrives_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = tls_context(tmp_path, "logs.invalid")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "logs.invalid.pem"))

    async def run() -> None:
        async with log_stream(server) as (port, got):
            sender = Sender(AllowedNetworks(LOCAL), resolve=to("127.0.0.1"))
            await sender.send_line(target_of(f"tls://logs.invalid:{port}"), b"a line")
            await until(lambda: got == b"6 a line")
            with pytest.raises(DeliveryFailed, match=r"(?i)certificate|hostname"):
                await sender.send_line(target_of(f"tls://other.invalid:{port}"), b"a line")

    asyncio.run(run())


def test_a_stream_that_nobody_listens_to_is_a_failure() -> None:
    async def run() -> None:
        with pytest.raises(DeliveryFailed, match="cannot be reached"):
            await local().send_line(target_of("tcp://127.0.0.1:1"), b"x")

    asyncio.run(run())
