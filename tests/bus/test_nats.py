"""What the bus on NATS promises beyond the contract: servers that come and go, credentials, its subjects."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
import nats
import pytest
from nats.js import api

from decnet.bus.base import Start
from decnet.bus.consume import Batch, Counters, consume
from decnet.bus.nats import NatsBus, connect_nats, consumer_name
from decnet.bus.nats.consumers import consumers
from decnet.errors import BusError, BusUnavailable, SettingsError
from decnet.models.message import PARTITIONS, Message
from tests.bus.nats_jwt import ACCOUNT, FOREIGN, USER, write_credentials, write_server
from tests.contract.bus_backends import NatsServer, OnNats, in_loop, messages, numbers, take, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of our own, not yet started."""
    found = NatsServer(tmp_path / "nats")
    yield found
    found.kill()


@pytest.fixture
def back_end() -> OnNats:
    return OnNats()


@in_loop
async def test_subscriptions_and_publishers_outlive_a_server_that_is_killed_and_comes_back(server: NatsServer) -> None:
    server.start()
    back_end = OnNats(server.url)
    bus = await back_end.open()
    handled: list[int] = []
    counters = Counters()

    async def handle(batch: Batch) -> None:
        handled.extend(map(int, batch.items))

    async with bus.subscribe("events", durable="ttp") as subscription:
        loop = asyncio.create_task(consume(subscription, handle, counters=counters))
        await bus.publish(messages("events", 0, 3))

        async def has(count: int) -> bool:
            return len(set(handled)) == count

        await until(lambda: has(3))
        server.kill()
        publishing = asyncio.create_task(bus.publish(messages("events", 0, 3, first=3)))
        await asyncio.sleep(1)
        server.start()
        await publishing

        await until(lambda: has(6), within_s=12)
        loop.cancel()

    assert list(dict.fromkeys(handled)) == [0, 1, 2, 3, 4, 5]
    assert await bus.dead_letters() == []
    await bus.close()


@in_loop
async def test_a_publisher_is_told_when_the_server_stays_away(server: NatsServer) -> None:
    server.start()
    bus = await OnNats(server.url).open()
    server.kill()
    begun = time.monotonic()

    with pytest.raises(BusUnavailable, match=rf"bus at {server.url}: publishing to .*; check that the server runs"):
        await bus.publish(messages("events", 0, 1))

    assert time.monotonic() - begun < 12
    await bus.close()


@in_loop
async def test_leaving_while_the_server_is_away_takes_no_longer_than_a_few_seconds(server: NatsServer) -> None:
    server.start()
    bus = await OnNats(server.url).open()
    async with bus.subscribe("events", durable="ttp") as subscription:
        await bus.publish(messages("events", 0, 1))
        async with asyncio.timeout(10):
            await anext(subscription)
        server.kill()
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    await bus.close()


@in_loop
async def test_no_server_is_said_in_words() -> None:
    with pytest.raises(BusUnavailable, match=r"bus at nats://127\.0\.0\.1:9: connecting: .*; check that the server"):
        await connect_nats("nats://user:hidden@127.0.0.1:9")


@in_loop
async def test_a_server_without_jetstream_is_said_in_words(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    server.OPTIONS = ()
    server.start()
    try:
        with pytest.raises(BusUnavailable, match="start nats-server with -js"):
            await connect_nats(server.url)
    finally:
        server.kill()


@in_loop
async def test_credentials_open_the_bus_and_are_in_no_message(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.start("--user", "decnet", "--pass", "right-word")
    host = server.url.removeprefix("nats://")

    bus = await connect_nats(f"nats://decnet:right-word@{host}", settings=OnNats().settings())
    await bus.close()
    for wrong in (f"nats://decnet:wrong-word@{host}", server.url):
        with pytest.raises(BusError, match="refused the credentials; check DECNET_BUS_URL") as refusal:
            await connect_nats(wrong, settings=OnNats().settings())
        assert "-word" not in str(refusal.value)
        assert not isinstance(refusal.value, BusUnavailable)
    assert "-word" not in caplog.text


@in_loop
async def test_a_token_opens_the_bus(server: NatsServer) -> None:
    server.start("--auth", "one-long-token")

    bus = await connect_nats(server.url.replace("nats://", "nats://one-long-token@"), settings=OnNats().settings())

    await bus.close()


@in_loop
async def test_a_file_of_credentials_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decnet.creds"
    path.write_text("secret")
    path.chmod(0o640)

    with pytest.raises(SettingsError, match="others may read these credentials; run chmod 600"):
        await connect_nats("nats://127.0.0.1:9", credentials=path)
    with pytest.raises(SettingsError, match="No such file"):
        await connect_nats("nats://127.0.0.1:9", credentials=tmp_path / "none")


@in_loop
async def test_a_file_that_holds_no_credentials_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "decnet.creds"
    write_credentials(path, ACCOUNT)
    whole = path.read_text()
    faulty = [
        "",
        "secret",
        whole.partition("\n")[0],
        whole.partition("-----BEGIN USER")[0],
        whole.replace("\nSU", "\nXX"),
    ]

    for text in faulty:
        path.write_text(text)
        with pytest.raises(SettingsError, match=r"decnet\.creds: there is no user's JWT and seed in this file; make"):
            await connect_nats("nats://127.0.0.1:9", credentials=path)
    with pytest.raises(SettingsError, match="Is a directory"):
        await connect_nats("nats://127.0.0.1:9", credentials=tmp_path)


@in_loop
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_file_of_credentials_opens_the_bus_again_and_again(
    server: NatsServer, tmp_path: Path, end: str
) -> None:
    write_server(tmp_path / "server.conf")
    server.start("-c", str(tmp_path / "server.conf"))
    write_credentials(tmp_path / "ours.creds", ACCOUNT, end=end)

    bus = await connect_nats(server.url, credentials=tmp_path / "ours.creds", settings=OnNats().settings())
    server.kill()
    server.start("-c", str(tmp_path / "server.conf"))
    await bus.publish(messages("events", 0, 1))

    async with bus.subscribe("events", durable="ttp", start=Start.FIRST) as subscription:
        assert numbers(await take(subscription, 1)) == [0]
    await bus.close()


@in_loop
async def test_credentials_of_an_account_that_the_server_does_not_know_are_refused(
    server: NatsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_server(tmp_path / "server.conf")
    server.start("-c", str(tmp_path / "server.conf"))
    write_credentials(tmp_path / "foreign.creds", FOREIGN)

    with pytest.raises(BusError, match=r"refused the credentials; .* the file of credentials") as refusal:
        await connect_nats(server.url, credentials=tmp_path / "foreign.creds")

    assert USER.seed.decode() not in f"{refusal.value}{caplog.text}"


@in_loop
async def test_subjects_and_bodies_are_readable_with_any_client(back_end: OnNats) -> None:
    bus = await back_end.open()
    plain = await nats.connect(back_end.url)
    listening = await plain.subscribe(f"{back_end.settings().prefix}finding.*.p07")
    await plain.flush()

    await bus.publish([Message("finding.scan", 7, (b"one", b"two"))])

    seen = await listening.next_msg(timeout=5)
    assert seen.subject == f"{back_end.settings().prefix}finding.scan.p07"
    assert msgspec.msgpack.decode(seen.data) == [b"one", b"two"]
    await plain.close()
    await bus.close()


@in_loop
async def test_one_consumer_per_topic_filter_and_partition_with_one_message_outstanding(back_end: OnNats) -> None:
    bus = await back_end.open()
    assert isinstance(bus, NatsBus)
    async with bus.subscribe(("events", "finding.*"), durable="ttp"):
        infos = [info async for info in consumers(bus._connection, "ttp")]

    assert {info.name for info in infos} == {
        consumer_name("ttp", wanted, partition) for wanted in ("events", "finding.*") for partition in range(PARTITIONS)
    }
    assert {info.config.max_ack_pending for info in infos} == {1}
    assert {info.config.ack_policy for info in infos} == {api.AckPolicy.EXPLICIT}
    await bus.close()


@in_loop
async def test_a_consumer_that_was_deleted_is_made_again(back_end: OnNats) -> None:
    bus = await back_end.open()
    assert isinstance(bus, NatsBus)
    async with bus.subscribe("events", durable="ttp", start=Start.FIRST) as subscription:
        await bus._connection.js.delete_consumer(back_end.settings().stream, consumer_name("ttp", "events", 0))
        await bus.publish(messages("events", 0, 1))

        assert numbers(await take(subscription, 1)) == [0]
    await bus.close()


@in_loop
async def test_connecting_brings_an_existing_stream_to_the_settings(back_end: OnNats) -> None:
    small = await back_end.open(small=True)
    assert isinstance(small, NatsBus)
    before = await small._connection.js.stream_info(back_end.settings().stream)
    large = await back_end.open()
    after = await small._connection.js.stream_info(back_end.settings().stream)

    assert before.config.max_bytes == back_end.settings(small=True).max_bytes
    assert after.config.max_bytes == back_end.settings().max_bytes
    await small.close()
    await large.close()


@in_loop
async def test_what_a_durable_has_not_read_is_never_purged_for_room(back_end: OnNats) -> None:
    bus = await back_end.open(small=True)
    large = Message("events", 0, (bytes(10_000),))
    async with (
        bus.subscribe("events", durable="quick") as quick,
        bus.subscribe("events", durable="slow") as slow,
    ):
        with pytest.raises(BusUnavailable):
            await bus.publish([large] * 10)
        kept = (await bus.lag("quick")).messages
        await take(quick, kept)
        with pytest.raises(BusUnavailable):
            await bus.publish([large])

        assert len(await take(slow, kept)) == kept
    await bus.close()


@in_loop
async def test_what_somebody_else_published_on_our_subjects_is_put_aside(back_end: OnNats) -> None:
    bus = await back_end.open()
    assert isinstance(bus, NatsBus)
    prefix = back_end.settings().prefix
    async with (
        bus.subscribe("events", durable="ttp") as subscription,
        bus.subscribe("events", durable=None) as passing,
    ):
        for junk in (b"", b"\xff\x00", b"{}", msgspec.msgpack.encode(["text"])):
            await bus._connection.js.publish(f"{prefix}events.p00", junk)
        await bus._connection.js.publish(f"{prefix}dead.ttp", b"junk")
        await bus.publish(messages("events", 0, 1))

        assert numbers(await take(subscription, 1)) == [0]
        assert numbers(await take(passing, 1)) == [0]
        assert (await bus.lag("ttp")).messages == 0
        letters = await bus.dead_letters("ttp")

    assert sorted(letter.item for letter in letters) == sorted(
        [b"", b"\xff\x00", b"{}", msgspec.msgpack.encode(["text"]), b"junk"]
    )
    assert {letter.durable for letter in letters} == {"ttp", ""}
    await bus.close()
