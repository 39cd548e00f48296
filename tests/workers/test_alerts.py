"""The alerts worker between a real journal, a real database and servers that take alerts, or do not."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from decnet.alerts.target import AllowedNetworks
from decnet.alerts.webhook import hook_secret
from decnet.attack import catalog
from decnet.bus.journal import JournalBus, JournalSettings
from decnet.bus.memory import MemoryBus, MemoryStore
from decnet.db import hooks
from decnet.db.actors import Actors
from decnet.db.maintenance import purge_attacker
from decnet.db.outbox import add_messages
from decnet.db.tags import TagWriter
from decnet.intake.store import Intake
from decnet.models.actor import IdentityUuid
from decnet.models.hook import HookFilter, NewHook
from decnet.workers.alerts import DURABLE, AlertsWorker, Pace
from decnet.workers.firing import new_tag_messages
from decnet.workers.relay import Relay
from decnet.workers.sending import Sender
from tests.contract.bus_backends import OnNats
from tests.databases import own_database, rows, run
from tests.events import NOON, SECOND, a_command, a_tag
from tests.workers.receivers import LOCAL, Receiver, log_datagrams, log_stream, receiving, status, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.db.engine import Database
    from decnet.models.hook import Hook, HookFormat
    from decnet.models.message import Message

KEY, SALT = b"k" * 32, b"s" * 32
PACE = Pace(retries_s=(0.05,), tries=3, look_s=0.05, poll_s=0.02, lease_s=2.0, last_s=2.0)


class Clock:
    """The time of this host, moved on by hand."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> int:
        return time.time_ns() // 1_000 + int(self.ahead_s * SECOND)


def a_hook(
    database: Database,
    url: str,
    wanted: HookFilter | None = None,
    *,
    per_minute: int = 1_000,
    spelling: HookFormat = "json",
) -> Hook:
    new = NewHook("soc", url, spelling, wanted or HookFilter(), per_minute, SALT)
    return database.write(partial(hooks.add_hook, new=new, created_by="test", now=1))


def tagged(
    database: Database, *commands: str, src: str = "198.51.100.7", technique: str = "T1105", confidence: float = 0.85
) -> list[Message]:
    """Store a tag per command and announce the new ones, as the ttp worker does; returns the messages."""
    events = [a_command(text, at=NOON + number, src=src, session=src) for number, text in enumerate(commands)]

    def work(connection: Connection) -> list[Message]:
        actors = Actors()
        Intake(actors).store(connection, events)
        tags = [a_tag(event, technique=technique, confidence=confidence) for event in events]
        new = TagWriter(actors).insert_tags(connection, tags, now=NOON)
        messages = list(new_tag_messages(new, ()))
        add_messages(connection, messages, now=0)
        return messages

    return database.write(work)


def deliveries(database: Database) -> list[tuple[str, str, int]]:
    """Kind, state and tries of each."""
    return [(kind, state, tries) for kind, state, tries, _ in notes(database)]


def notes(database: Database) -> list[tuple[str, str, int, str]]:
    found = rows(database, "SELECT kind, state, tries, error FROM hook_delivery ORDER BY id")
    return [(str(kind), str(state), int(tries), str(error)) for kind, state, tries, error in found]


@asynccontextmanager
async def alerting(
    database: Database,
    *,
    clock: Clock | None = None,
    pace: Pace = PACE,
    timeout_s: float = 5.0,
    bus: Bus | None = None,
    holder: str = "one",
    reads: bool = True,
) -> AsyncIterator[AlertsWorker]:
    """A worker at work as long as the context lasts; with ``reads`` it has begun to read."""
    mine = bus or JournalBus(database, JournalSettings(poll_s=0.02, lease_s=2.0))
    worker = AlertsWorker(
        database,
        Sender(AllowedNetworks(LOCAL), timeout_s=timeout_s),
        key=KEY,
        catalog_of=catalog.load,
        newest=catalog.load(),
        holder=holder,
        clock=clock or Clock(),
        pace=pace,
    )
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(mine, stop))
    try:
        if reads:
            await until(lambda: worker.is_reading or working.done())
        yield worker
    finally:
        stop.set()
        await working
        if bus is None:
            await mine.close()


async def never(receiver: Receiver, more_than: int) -> None:
    await asyncio.sleep(0.3)
    assert len(receiver.got) <= more_than


def test_a_tag_is_told_once_and_signed(database: Database) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            hook = a_hook(database, receiver.url)
            async with alerting(database):
                await asyncio.to_thread(tagged, database, "wget http://203.0.113.7/x")
                await until(lambda: deliveries(database) == [("tag", "delivered", 1)])
                await never(receiver, 1)
            (got,) = receiver.got
            assert got.told["tag"]["technique_id"] == "T1105"
            assert got.told["tag"]["address"] == "198.51.100.7"
            found = re.fullmatch(r"t=(\d+),v1=(\w+)", got.headers["x-decnet-signature"])
            assert found
            secret = hook_secret(KEY, hook.salt).encode()
            assert found[2] == hmac.new(secret, found[1].encode() + b"." + got.body, hashlib.sha256).hexdigest()
            assert abs(int(found[1]) - time.time()) < 60

    asyncio.run(work())


def test_a_tag_that_is_announced_again_is_told_once(database: Database) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            a_hook(database, receiver.url)
            async with alerting(database) as worker:
                messages = await asyncio.to_thread(tagged, database, "id")
                await until(lambda: len(receiver.got) == 1)
                await asyncio.to_thread(database.write, partial(add_messages, messages=messages, now=0))
                await until(lambda: worker.counters.handled == 2)
                await never(receiver, 1)

    asyncio.run(work())


@pytest.mark.parametrize("answer", [status(500), status(404), b""])
def test_what_was_not_taken_comes_again_under_the_same_number(database: Database, answer: bytes) -> None:
    async def work() -> None:
        async with receiving(answer) as receiver:
            a_hook(database, receiver.url)
            async with alerting(database, timeout_s=0.3):
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: deliveries(database) == [("tag", "delivered", 2)])
            first, second = receiver.got
            assert first.headers["x-decnet-delivery"] == second.headers["x-decnet-delivery"]

    asyncio.run(work())


def test_a_receiver_that_is_away_is_waited_for(database: Database) -> None:
    async def work() -> None:
        async with receiving() as gone:
            port = gone.port
        hook = a_hook(database, f"http://127.0.0.1:{port}/")
        async with alerting(database, pace=Pace(retries_s=(0.05,), tries=1_000, look_s=0.05, poll_s=0.02, lease_s=2.0)):
            await asyncio.to_thread(tagged, database, "id")
            await until(lambda: notes(database)[0][2] >= 2 if notes(database) else False)
            async with receiving() as receiver:
                change = partial(hooks.change_hook, hook_id=hook.id, url=receiver.url)
                await asyncio.to_thread(database.write, change)
                await until(lambda: len(receiver.got) == 1)

    asyncio.run(work())


def test_after_so_many_tries_a_delivery_is_dead_and_can_be_sent_again(database: Database) -> None:
    async def work() -> None:
        async with receiving(*[status(500)] * 3) as receiver:
            hook = a_hook(database, receiver.url)
            async with alerting(database):
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: deliveries(database) == [("tag", "dead", 3)])
                assert notes(database)[0][3].endswith("status 500")
                await never(receiver, 3)
                (page,) = database.read(
                    partial(hooks.delivery_page, hook_id=hook.id, state="dead", before=None, limit=9)
                )
                replay = partial(hooks.replay_delivery, delivery_id=page.id, now=Clock()())
                await asyncio.to_thread(database.write, replay)
                await until(lambda: deliveries(database) == [("tag", "delivered", 1)])

    asyncio.run(work())


def test_one_alert_that_is_refused_does_not_hold_up_the_next(database: Database) -> None:
    async def work() -> None:
        async with receiving(status(413)) as receiver:
            a_hook(database, receiver.url)
            async with alerting(database, pace=Pace(retries_s=(3_600.0,), look_s=0.05, poll_s=0.02, lease_s=2.0)):
                await asyncio.to_thread(tagged, database, "id", "whoami")
                await until(lambda: deliveries(database) == [("tag", "waiting", 1), ("tag", "delivered", 1)])

    asyncio.run(work())


def test_a_receiver_that_wants_to_be_left_alone_is(database: Database) -> None:
    clock = Clock()

    async def work() -> None:
        async with receiving(status(429, "Retry-After: 3600")) as receiver:
            a_hook(database, receiver.url)
            async with alerting(database, clock=clock):
                await asyncio.to_thread(tagged, database, "id", "whoami")
                await until(lambda: len(receiver.got) == 1)
                await never(receiver, 1)
                clock.ahead_s += 3_601
                await until(lambda: [state for _, state, _ in deliveries(database)] == ["delivered"] * 2)

    asyncio.run(work())


def test_a_redirect_is_a_failure(database: Database) -> None:
    async def work() -> None:
        async with receiving() as other, receiving(*[status(302, f"Location: {other.url}")] * 3) as receiver:
            a_hook(database, receiver.url)
            async with alerting(database):
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: deliveries(database) == [("tag", "dead", 3)])
            assert other.got == []
            assert "points elsewhere" in notes(database)[0][3]

    asyncio.run(work())


def test_an_address_that_was_allowed_once_is_refused_when_it_is_no_more(database: Database) -> None:
    async def work() -> None:
        a_hook(database, "http://10.0.0.1/")
        async with alerting(database):
            await asyncio.to_thread(tagged, database, "id")
            await until(lambda: deliveries(database) == [("tag", "dead", 3)])
        assert "DECNET_WEBHOOK_NETWORKS" in notes(database)[0][3]

    asyncio.run(work())


def test_what_waits_survives_a_restart(database: Database) -> None:
    slow = Pace(retries_s=(3_600.0,), look_s=0.05, poll_s=0.02, lease_s=2.0)
    clock = Clock()

    async def work() -> None:
        async with receiving(status(500)) as receiver:
            a_hook(database, receiver.url)
            async with alerting(database, clock=clock, pace=slow):
                await asyncio.to_thread(tagged, database, "id", "whoami")
                await until(lambda: len(receiver.got) == 1)
                await until(lambda: deliveries(database) == [("tag", "waiting", 1), ("tag", "waiting", 0)])
            await asyncio.to_thread(tagged, database, "uname -a")  # while nobody works
            clock.ahead_s += 3_601
            async with alerting(database, clock=clock, holder="two"):
                await until(lambda: [state for _, state, _ in deliveries(database)] == ["delivered"] * 3)

    asyncio.run(work())


def test_a_delivery_under_way_at_the_end_is_not_lost(database: Database) -> None:
    async def work() -> None:
        async with receiving(b"") as receiver:
            a_hook(database, receiver.url)
            pace = Pace(retries_s=(0.05,), look_s=0.05, poll_s=0.02, lease_s=2.0, last_s=0.1)
            async with alerting(database, pace=pace):
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: len(receiver.got) == 1)
            assert deliveries(database) == [("tag", "waiting", 0)]
            async with alerting(database, holder="two"):
                await until(lambda: deliveries(database) == [("tag", "delivered", 1)])

    asyncio.run(work())


def test_each_hook_gets_what_it_wants(database: Database) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            tagged(database, "first", src="198.51.100.8")  # its identity is known before
            identity = database.read(lambda c: hooks.heads_of(c, [identity_of(database, "198.51.100.8")]))
            sure = a_hook(database, receiver.url, HookFilter(min_confidence=0.9))
            technique = a_hook(database, receiver.url, HookFilter(techniques=("T1059",), min_confidence=0.3))
            theirs = a_hook(database, receiver.url, HookFilter(identities=tuple(identity)))
            other = a_hook(database, receiver.url, HookFilter(tactics=("TA0001",), min_confidence=0.3))
            async with alerting(database):
                await asyncio.to_thread(tagged, database, "id", confidence=0.95)
                await asyncio.to_thread(tagged, database, "sh", technique="T1059", confidence=0.5)
                await asyncio.to_thread(tagged, database, "ls", src="198.51.100.8")
                await until(lambda: len(receiver.got) == 3)
                await never(receiver, 3)
            found = rows(database, "SELECT hook_id FROM hook_delivery ORDER BY hook_id")
            assert found == [(sure.id,), (technique.id,), (theirs.id,)]
            assert other.id not in {number for (number,) in found}

    asyncio.run(work())


def identity_of(database: Database, address: str) -> IdentityUuid:
    sql = "SELECT identity.uuid FROM identity JOIN attacker ON attacker.identity_id = identity.id WHERE address = :a"
    return IdentityUuid(bytes(rows(database, sql, a=address)[0][0]))


def test_a_merged_identity_is_still_meant(database: Database) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            tagged(database, "first", src="198.51.100.8")
            tagged(database, "second", src="198.51.100.9")
            founder, gone = (identity_of(database, f"198.51.100.{host}") for host in (8, 9))
            run(
                database,
                "UPDATE identity SET merged_into_id = (SELECT id FROM identity WHERE uuid = :a) WHERE uuid = :b",
                a=founder,
                b=gone,
            )
            run(database, "UPDATE attacker SET identity_id = (SELECT id FROM identity WHERE uuid = :a)", a=founder)
            a_hook(database, receiver.url, HookFilter(identities=(gone,)))
            async with alerting(database):
                await asyncio.to_thread(tagged, database, "ls", src="198.51.100.8")
                await until(lambda: len(receiver.got) == 1)

    asyncio.run(work())


def test_over_the_limit_alerts_are_counted_and_told_in_one(database: Database) -> None:
    clock = Clock()

    async def work() -> None:
        async with receiving() as receiver:
            a_hook(database, receiver.url, per_minute=2)
            async with alerting(database, clock=clock) as worker:
                await asyncio.to_thread(tagged, database, "a", "b", "c")
                await asyncio.to_thread(tagged, database, "d", "e")
                await until(lambda: worker.counters.handled == 2 and len(receiver.got) == 2)
                await never(receiver, 2)
                clock.ahead_s += 61
                await until(lambda: len(receiver.got) == 3)
                assert receiver.got[2].told["suppressed"]["count"] == 3
                await asyncio.to_thread(tagged, database, "f")
                await until(lambda: len(receiver.got) == 4)

    asyncio.run(work())


def test_without_a_hook_nothing_is_read_kept_or_written(database: Database) -> None:
    async def work() -> None:
        async with alerting(database, reads=False) as worker:
            await asyncio.to_thread(tagged, database, "id")
            await asyncio.sleep(0.3)
            assert (worker.is_reading, worker.counters.handled) == (False, 0)
        assert rows(database, "SELECT count(*) FROM hook_delivery") == [(0,)]
        assert rows(database, "SELECT count(*) FROM bus_position WHERE consumer = :n", n=DURABLE) == [(0,)]

    asyncio.run(work())


def test_a_hook_that_comes_and_goes_is_noticed(database: Database) -> None:
    async def work() -> None:
        async with receiving() as receiver, alerting(database, reads=False) as worker:
            hook = await asyncio.to_thread(a_hook, database, receiver.url)
            await until(lambda: worker.is_reading)
            await asyncio.to_thread(tagged, database, "id")
            await until(lambda: len(receiver.got) == 1)
            await asyncio.to_thread(database.write, partial(hooks.delete_hook, hook_id=hook.id))
            await until(lambda: not worker.is_reading)
            assert rows(database, "SELECT count(*) FROM hook_delivery") == [(0,)]

    asyncio.run(work())


def test_a_hook_that_is_switched_off_gets_nothing_until_it_is_on_again(database: Database) -> None:
    async def work() -> None:
        async with receiving() as receiver, receiving() as other:
            hook = a_hook(database, receiver.url)
            a_hook(database, other.url)
            database.write(partial(hooks.switch_hook, hook_id=hook.id, disabled_at=1))
            async with alerting(database):
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: len(other.got) == 1)
                await asyncio.to_thread(database.write, partial(hooks.switch_hook, hook_id=hook.id, disabled_at=None))
                await asyncio.to_thread(tagged, database, "whoami")
                await until(lambda: len(receiver.got) == 1)
                await until(lambda: len(other.got) == 2)

    asyncio.run(work())


def test_a_slow_receiver_delays_no_other(database: Database) -> None:
    async def work() -> None:
        async with receiving(b"") as slow, receiving() as receiver:
            a_hook(database, slow.url)
            a_hook(database, receiver.url)
            async with alerting(database, timeout_s=30.0, pace=Pace(look_s=0.05, poll_s=0.02, lease_s=2.0, last_s=0.1)):
                await asyncio.to_thread(tagged, database, "a", "b", "c")
                await until(lambda: len(receiver.got) == 3)
                assert len(slow.got) == 1

    asyncio.run(work())


def test_the_alert_of_a_purged_attacker_tells_nothing(database: Database) -> None:
    clock = Clock()

    async def work() -> None:
        async with receiving(status(503, "Retry-After: 60")) as receiver:
            a_hook(database, receiver.url)
            async with alerting(database, clock=clock):
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: len(receiver.got) == 1)
                await asyncio.to_thread(purge_attacker, database, "198.51.100.7")
                clock.ahead_s += 61
                await until(lambda: [state for _, state, _ in deliveries(database)] == ["dead"])
            assert len(receiver.got) == 1
            assert notes(database)[0][3] == "its tag is stored no more"

    asyncio.run(work())


def test_what_waited_too_long_is_given_up(database: Database) -> None:
    clock = Clock()

    async def work() -> None:
        async with receiving(*[status(500)] * 9) as receiver:
            a_hook(database, receiver.url)
            pace = Pace(retries_s=(3_600.0,), tries=100, look_s=0.05, poll_s=0.02, lease_s=2.0)
            async with alerting(database, clock=clock, pace=pace):
                await asyncio.to_thread(tagged, database, "a", "b")
                await until(lambda: len(receiver.got) == 1)
                clock.ahead_s += 86_500
                await until(lambda: [state for _, state, _ in deliveries(database)] == ["dead"] * 2)
            assert {error.partition(";")[0] for *_, error in notes(database)} == {"waited too long"}

    asyncio.run(work())


def test_what_ended_long_ago_is_deleted(database: Database) -> None:
    clock = Clock()

    async def work() -> None:
        async with receiving() as receiver:
            a_hook(database, receiver.url)
            async with alerting(database, clock=clock):
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: deliveries(database) == [("tag", "delivered", 1)])
            clock.ahead_s += 86_500
            async with alerting(database, clock=clock, holder="two"):
                await until(lambda: deliveries(database) == [])

    asyncio.run(work())


def test_one_process_works_at_a_time(database: Database) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            a_hook(database, receiver.url)
            async with alerting(database), alerting(database, holder="two", reads=False) as second:
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: len(receiver.got) == 1)
                assert not second.is_reading

    asyncio.run(work())


def test_alerts_go_to_syslog(database: Database) -> None:
    async def work() -> None:
        async with log_datagrams() as (udp, datagrams), log_stream() as (tcp, stream):
            a_hook(database, f"udp://127.0.0.1:{udp}", spelling="cef")
            a_hook(database, f"tcp://127.0.0.1:{tcp}", spelling="rfc5424")
            async with alerting(database):
                await asyncio.to_thread(tagged, database, "id")
                await until(lambda: len(datagrams) == 1 and bool(stream))
            assert re.match(rb"<36>1 \S+ \S+ decnet \d+ tag - CEF:0\|DECNET\|DECNET TTP\|", datagrams[0])
            assert re.match(rb"\d+ <36>1 2026-11-18T12:00:00.000000Z \S+ decnet \d+ tag \[decnet@32473 ", stream)

    asyncio.run(work())


def test_a_sample_is_sent_when_it_is_asked_for(database: Database) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            hook = a_hook(database, receiver.url)
            async with alerting(database):
                add = partial(hooks.add_delivery, hook_id=hook.id, kind="test", now=Clock()())
                await asyncio.to_thread(database.write, add)
                await until(lambda: len(receiver.got) == 1)
            assert receiver.got[0].told["kind"] == "test"
            assert receiver.got[0].told["tag"]["address"] == "192.0.2.1"

    asyncio.run(work())


@pytest.mark.timeout(60)
def test_what_the_relay_hands_to_nats_is_told_once(tmp_path: Path) -> None:
    async def work(database: Database, nats: OnNats) -> None:
        stop, clock = asyncio.Event(), Clock()
        relay = asyncio.create_task(Relay(database, await nats.open(), holder="relay", clock=clock).run(stop))
        try:
            async with receiving() as receiver:
                await asyncio.to_thread(a_hook, database, receiver.url)
                async with alerting(database, bus=await nats.open(), clock=clock) as worker:
                    messages = await asyncio.to_thread(tagged, database, "wget http://203.0.113.7/x", "id")
                    await until(lambda: len(receiver.got) == 2)
                    handled = worker.counters.handled
                    await asyncio.to_thread(database.write, partial(add_messages, messages=messages, now=0))
                    await until(lambda: worker.counters.handled > handled)
                    await never(receiver, 2)
                assert {got.told["tag"]["technique_id"] for got in receiver.got} == {"T1105"}
        finally:
            stop.set()
            with contextlib.suppress(asyncio.CancelledError):
                await relay
            await nats.close()

    with own_database("postgresql", tmp_path) as database:
        asyncio.run(work(database, OnNats()))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("backend", ["mariadb", "postgresql"])
def test_alerts_go_out_from_a_server_too(backend: str, tmp_path: Path) -> None:
    with own_database(backend, tmp_path) as database:
        bus = MemoryBus(MemoryStore())
        clock = Clock()
        stop = asyncio.Event()

        async def work() -> None:
            relay = asyncio.create_task(Relay(database, bus, holder="relay", clock=clock).run(stop))
            async with receiving(status(500)) as receiver:
                await asyncio.to_thread(a_hook, database, receiver.url, per_minute=2)
                async with alerting(database, bus=bus, clock=clock):
                    await asyncio.to_thread(tagged, database, "a", "b", "c")
                    await until(lambda: [one[:2] for one in deliveries(database)] == [("tag", "delivered")] * 2)
                    clock.ahead_s += 61
                    await until(lambda: len(receiver.got) == 4)
                    assert receiver.got[3].told["suppressed"]["count"] == 1
                    clock.ahead_s += 100_000
            stop.set()
            with contextlib.suppress(asyncio.CancelledError):
                await relay
            await bus.close()

        asyncio.run(work())
