"""The enrich worker between a real journal, a real database and a server that plays the providers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from decnet.bus.journal import JournalBus, JournalSettings
from decnet.bus.topics import ATTACKER_OBSERVED, SESSION_ENDED
from decnet.db.actors import Actors
from decnet.db.intel import newest_verdicts, verdicts_stored
from decnet.db.outbox import add_messages, messages_after
from decnet.intake.store import Intake
from decnet.intel.abuseipdb import AbuseIPDB
from decnet.intel.base import Limit
from decnet.intel.feodo import Feodo
from decnet.intel.threatfox import ThreatFox
from decnet.models.actor import attacker_uuid, session_uuid
from decnet.models.finding import unpacked_finding
from decnet.models.intel import Agreement, IntelEnriched, Verdict
from decnet.models.message import Message, partition_of
from decnet.models.sighting import AttackerObserved, packed_sighting
from decnet.workers.enrich import EnrichWorker, Pace
from tests.databases import rows
from tests.events import a_command
from tests.intel.provider_server import (
    QUOTA_SPENT,
    Reply,
    abuseipdb_check,
    feodo_list,
    provider_server,
    threatfox_hits,
    told,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.intel.base import Provider
    from decnet.models.finding import Finding
    from tests.intel.provider_server import ProviderServer

ATTACKER, OTHER = "118.25.6.39", "45.9.148.99"
PATIENCE_S = 15.0
DAY_US = 86_400_000_000
PACE = Pace(retries_s=(0.1,), poll_s=0.02, lease_s=3.0)
MANY = Limit(1_000, 86_400)


@pytest.fixture
def site() -> Iterator[ProviderServer]:
    with provider_server() as server:
        yield server


class Clock:
    """The time of this host, moved on by hand."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000 + self.ahead


def visit(database: Database, address: str, session: str = "s1") -> None:
    """``address`` was here, and its session is announced to be over."""
    event = a_command("whoami", src=address, session=session)
    ended = msgspec.msgpack.encode(session_uuid("svr04", session))
    message = Message(SESSION_ENDED.pattern, partition_of(attacker_uuid(address)), (ended,))

    def work(connection: Connection) -> None:
        Intake(Actors()).store(connection, [event])
        add_messages(connection, [message], now=0)

    database.write(work)


@asynccontextmanager
async def enriching(
    database: Database, providers: Sequence[Provider], clock: Clock, pace: Pace = PACE, holder: str = "one"
) -> AsyncIterator[EnrichWorker]:
    """A worker at work as long as the context lasts."""
    bus = JournalBus(database, JournalSettings(poll_s=0.02, lease_s=2.0))
    worker = EnrichWorker(database, providers, holder=holder, clock=clock, pace=pace)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(bus, stop))
    try:
        yield worker
    finally:
        stop.set()
        await working
        await bus.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - the database has no event to wait for
            await asyncio.sleep(0.01)


async def never(holds: Callable[[], bool], during_s: float = 0.5) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(during_s):
            await until(holds)
        pytest.fail("it came about")


def abuseipdb(site: ProviderServer, limit: Limit = MANY) -> AbuseIPDB:
    return AbuseIPDB("key", url=f"{site.url}/check", limit=limit)


def threatfox(site: ProviderServer) -> ThreatFox:
    return ThreatFox("key", url=f"{site.url}/threatfox", limit=MANY)


def feodo(site: ProviderServer, clock: Clock) -> Feodo:
    return Feodo(clock, url=f"{site.url}/feodo.json")


def answered(database: Database) -> int:
    return int(rows(database, "SELECT count(*) FROM intel_lookup WHERE answered_at IS NOT NULL")[0][0])


def announced(database: Database, topic: str) -> list[bytes]:
    partitions = range(32)
    found = [database.read(partial(messages_after, partition=part, position=0, limit=1_000)) for part in partitions]
    return [item for part in found for one in part if one.message.topic == topic for item in one.message.items]


def findings(database: Database) -> list[Finding]:
    return [unpacked_finding(item) for item in announced(database, "finding.intel_verdict")]


def test_a_verdict_is_stored_with_its_finding_and_announced(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = told(abuseipdb_check(ATTACKER, 100, [18, 22]))
    clock = Clock()

    async def run() -> None:
        async with enriching(database, [abuseipdb(site)], clock):
            visit(database, ATTACKER)
            await until(lambda: answered(database) == 1)

    before = clock()
    asyncio.run(run())

    (found,) = findings(database)
    verdict = found.figures
    assert isinstance(verdict, Verdict)
    assert (verdict.score, verdict.categories) == (100, (18, 22))
    assert found.attacker_uuid == attacker_uuid(ATTACKER)
    assert before <= found.observed_at <= clock()
    assert rows(database, "SELECT source_id, source_kind, observed_at, revision FROM finding") == [
        (found.source_id, "intel_verdict", found.observed_at, 1)
    ]
    (item,) = announced(database, "attacker.intel.enriched")
    enriched = msgspec.msgpack.decode(item, type=IntelEnriched)
    assert (enriched.provider, enriched.indicator, enriched.standing) == ("abuseipdb", ATTACKER, "malicious")
    assert enriched.source_id == found.source_id


def test_an_attacker_is_asked_about_while_the_first_session_still_goes_on(
    database: Database, site: ProviderServer
) -> None:
    site.replies["/check"] = told(abuseipdb_check(ATTACKER, 100, [18]))
    seen = packed_sighting(AttackerObserved(attacker_uuid(ATTACKER), ATTACKER, 0))
    message = Message(ATTACKER_OBSERVED.pattern, partition_of(attacker_uuid(ATTACKER)), (seen,))

    def work(connection: Connection) -> None:
        Intake(Actors()).store(connection, [a_command("whoami", src=ATTACKER)])
        add_messages(connection, [message], now=0)

    async def run() -> None:
        async with enriching(database, [abuseipdb(site)], Clock()):
            database.write(work)
            await until(lambda: answered(database) == 1)

    asyncio.run(run())


def test_addresses_that_are_not_the_internets_are_never_sent_out(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = told(abuseipdb_check(ATTACKER, 0))
    inner = ("10.1.2.3", "192.168.0.9", "172.20.1.1", "127.0.0.1", "100.64.3.4", "fd12::1", "169.254.1.1")

    async def run() -> None:
        async with enriching(database, [abuseipdb(site)], Clock()):
            for number, address in enumerate(inner):
                visit(database, address, f"in{number}")
            visit(database, ATTACKER)
            await until(lambda: answered(database) == 1)

    asyncio.run(run())

    assert [asked.query["ipAddress"] for asked in site.asked] == [[ATTACKER]]


def test_what_is_known_is_kept_for_a_day_and_then_asked_anew(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = told(abuseipdb_check(ATTACKER, 100, [18]))
    clock = Clock()

    async def run() -> None:
        async with enriching(database, [abuseipdb(site)], clock):
            visit(database, ATTACKER, "s1")
            await until(lambda: answered(database) == 1)
            clock.ahead += DAY_US - 60_000_000
            visit(database, ATTACKER, "s2")
            await never(lambda: len(site.asked) > 1)
            clock.ahead += 60_000_000
            visit(database, ATTACKER, "s3")
            await until(lambda: len(site.asked) == 2)
            await until(lambda: rows(database, "SELECT due_at FROM intel_lookup") == [(None,)])

    asyncio.run(run())

    (found,) = findings(database)  # the same was said: nothing is announced, and its time is that of the first receipt
    assert rows(database, "SELECT observed_at FROM finding") == [(found.observed_at,)]


def test_a_quota_is_kept_until_its_window_is_over(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = told(abuseipdb_check(ATTACKER, 0))
    clock = Clock()
    clock.ahead = -(clock() % DAY_US)  # a UTC day begins, so that it does not end within the test
    pace = Pace(kept_s=2 * 86_400, poll_s=0.02, lease_s=3.0)  # what waits for the next day is not dropped as too old

    async def run() -> None:
        async with enriching(database, [abuseipdb(site, Limit(2, 86_400))], clock, pace):
            for number in range(3):
                visit(database, f"45.9.148.{number + 1}", f"s{number}")
            await until(lambda: len(site.asked) == 2)
            await never(lambda: len(site.asked) > 2)
            clock.ahead += DAY_US - 3_600_000_000
            await never(lambda: len(site.asked) > 2, 0.2)
            clock.ahead += 3_600_000_000
            visit(database, "45.9.148.9", "s9")
            await until(lambda: len(site.asked) == 4)

    asyncio.run(run())


def test_a_provider_that_fails_delays_no_other_and_answers_soon_after_it_recovered(
    database: Database, site: ProviderServer
) -> None:
    site.replies["/check"] = Reply(500, b"oops")
    site.replies["/threatfox"] = told(threatfox_hits((f"{ATTACKER}:443", "botnet_cc", 100)))
    site.replies["/feodo.json"] = told(feodo_list((ATTACKER, "Emotet")))
    clock = Clock()

    async def run() -> None:
        providers: list[Provider] = [abuseipdb(site), threatfox(site), feodo(site, clock)]
        async with enriching(database, providers, clock) as worker:
            visit(database, ATTACKER)
            await until(lambda: worker.answers == 2)
            await until(lambda: len(site.asked_at("/check")) > 2)
            assert worker.answers == 2
            site.replies["/check"] = told(abuseipdb_check(ATTACKER, 90, [14]))
            await until(lambda: worker.answers == 3)
            await until(lambda: len(list(database.read(partial(verdicts_stored, provider="abuseipdb")))) == 1)

    asyncio.run(run())


def test_a_provider_that_drips_delays_no_other(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = Reply(200, b" " * 10, drip_s=0.5)
    site.replies["/threatfox"] = told(threatfox_hits((f"{ATTACKER}:443", "botnet_cc", 100)))

    async def run() -> None:
        async with enriching(database, [abuseipdb(site), threatfox(site)], Clock()) as worker:
            visit(database, ATTACKER)
            await until(lambda: answered(database) == 1)
            assert worker.answers == 1

    asyncio.run(run())


def test_a_provider_that_wants_to_be_left_alone_is(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = told(QUOTA_SPENT, 429, Retry_After="3600")
    clock = Clock()

    async def run() -> None:
        async with enriching(database, [abuseipdb(site)], clock):
            visit(database, ATTACKER)
            await until(lambda: len(site.asked) == 1)
            await never(lambda: len(site.asked) > 1)
            site.replies["/check"] = told(abuseipdb_check(ATTACKER, 90, [14]))
            clock.ahead += 3_601_000_000
            await until(lambda: answered(database) == 1)

    asyncio.run(run())


def test_one_address_that_a_provider_refuses_does_not_hold_up_the_rest(
    database: Database, site: ProviderServer
) -> None:
    site.replies["/check"] = Reply(422, b"{}")
    pace = Pace(retries_s=(3_600,), poll_s=0.02, lease_s=3.0)

    async def run() -> None:
        async with enriching(database, [abuseipdb(site)], Clock(), pace):
            visit(database, ATTACKER)
            await until(lambda: len(site.asked) == 1)
            site.replies["/check"] = told(abuseipdb_check(OTHER, 90, [14]))
            visit(database, OTHER, "s2")
            await until(lambda: answered(database) == 1)

    asyncio.run(run())

    assert [asked.query["ipAddress"] for asked in site.asked] == [[ATTACKER], [OTHER]]


class Faulty:
    """A provider whose client has a mistake."""

    name = "faulty"
    limit: Limit | None = None

    def __init__(self) -> None:
        self.asked = 0

    async def verdict_on(self, address: str) -> Verdict | None:
        self.asked += 1
        if self.asked == 1:
            raise TypeError("an answer that nobody foresaw")
        return Verdict(self.name, address)

    async def aclose(self) -> None:
        """Nothing is open."""


def test_a_fault_that_nobody_foresaw_costs_one_provider_one_try(database: Database, site: ProviderServer) -> None:
    site.replies["/threatfox"] = told(threatfox_hits((f"{ATTACKER}:443", "botnet_cc", 100)))
    faulty = Faulty()

    async def run() -> None:
        async with enriching(database, [faulty, threatfox(site)], Clock()) as worker:
            visit(database, ATTACKER)
            await until(lambda: worker.answers == 2)

    asyncio.run(run())
    assert faulty.asked == 2


def test_what_was_not_asked_yet_outlives_the_process(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = Reply(500)
    clock = Clock()

    async def run() -> None:
        async with enriching(database, [abuseipdb(site)], clock):
            visit(database, ATTACKER)
            await until(lambda: len(site.asked) > 0)
        site.replies["/check"] = told(abuseipdb_check(ATTACKER, 90, [14]))
        async with enriching(database, [abuseipdb(site)], clock, holder="two"):
            await until(lambda: answered(database) == 1)

    asyncio.run(run())


def test_of_two_workers_one_asks(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = told(abuseipdb_check(ATTACKER, 90, [14]))
    clock = Clock()

    async def run() -> None:
        async with (
            enriching(database, [abuseipdb(site)], clock),
            enriching(database, [abuseipdb(site)], clock, holder="two"),
        ):
            for number in range(20):
                visit(database, f"45.9.148.{number + 1}", f"s{number}")
            await until(lambda: answered(database) == 20)

    asyncio.run(run())

    assert len(site.asked) == 20


def test_what_providers_say_together_is_announced_whenever_it_changes(database: Database, site: ProviderServer) -> None:
    site.replies["/check"] = told(abuseipdb_check(ATTACKER, 90, [14]))
    site.replies["/threatfox"] = told(threatfox_hits((f"{ATTACKER}:443", "botnet_cc", 100)))
    clock = Clock()

    async def run() -> None:
        async with enriching(database, [abuseipdb(site), threatfox(site)], clock):
            visit(database, ATTACKER, "s1")
            await until(lambda: answered(database) == 3)
            for number, score in enumerate((0, 90), 2):
                reports = [[14]] if score else []
                site.replies["/check"] = told(abuseipdb_check(ATTACKER, score, *reports))
                clock.ahead += DAY_US + 1
                visit(database, ATTACKER, f"s{number}")
                await until(lambda number=number: len(site.asked) == 2 * number)  # type: ignore[misc]
                await until(lambda: not rows(database, "SELECT 1 FROM intel_lookup WHERE due_at IS NOT NULL"))

    asyncio.run(run())

    together = [one.figures for one in findings(database) if isinstance(one.figures, Agreement)]
    said = [[verdict.provider for verdict in agreement.verdicts] for agreement in together]
    assert said == [["abuseipdb", "threatfox"], ["threatfox"], ["abuseipdb", "threatfox"]]
    assert together[0] == together[2]
    (number,) = rows(database, "SELECT id FROM attacker")[0]
    current = database.read(partial(newest_verdicts, attacker_id=number))
    assert tuple(current) == together[2].verdicts
