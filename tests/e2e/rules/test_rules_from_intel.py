"""From the documented answer of a provider to the stored tag, through both workers and a real journal."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from decnet.bus.journal import JournalBus, JournalSettings
from decnet.bus.topics import SESSION_ENDED
from decnet.db.actors import Actors
from decnet.db.intel import Lookup, attackers_of_sessions, store_answer, want_lookups
from decnet.db.outbox import add_messages
from decnet.db.views import techniques_of_attacker
from decnet.intake.store import Intake, event_messages
from decnet.intel.abuseipdb import AbuseIPDB
from decnet.intel.base import Limit
from decnet.intel.digests import write_digests
from decnet.intel.feodo import Feodo
from decnet.intel.greynoise import GreyNoise
from decnet.intel.threatfox import ThreatFox
from decnet.models.actor import attacker_uuid, session_uuid
from decnet.models.intel import Verdict
from decnet.models.message import Message, partition_of
from decnet.models.rule_state import RuleState
from decnet.ttp.live import LiveRules
from decnet.ttp.store.base import LoadedRules
from decnet.workers.enrich import EnrichWorker, Pace
from decnet.workers.tagging import TaggingWorker
from tests.cli.conftest import CommandLine
from tests.cli.test_tag import rows as rows_of
from tests.databases import rows
from tests.events import NOON, a_command
from tests.intel.provider_server import (
    Reply,
    abuseipdb_check,
    feodo_list,
    greynoise_community,
    greynoise_paid,
    provider_server,
    threatfox_hits,
    told,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.intel.base import Provider
    from decnet.ttp.pack import Pack
    from tests.intel.provider_server import ProviderServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]
ADDRESS = "118.25.6.39"
WHO = attacker_uuid(ADDRESS)
LIMIT = Limit(1_000, 86_400)
PATIENCE_S = 30.0

Shown = dict[str, tuple[str, float]]
"""Tactic and confidence by technique."""


@pytest.fixture
def site() -> Iterator[ProviderServer]:
    with provider_server() as server:
        yield server


@pytest.fixture
def rules(pack: Pack) -> LiveRules:
    """The rules that ship; those about verdicts are enough here."""
    return LiveRules(LoadedRules(pack, {}))


def providers(site: ProviderServer) -> list[Provider]:
    return [
        AbuseIPDB("key", url=f"{site.url}/check", limit=LIMIT),
        GreyNoise("key", url=f"{site.url}/greynoise", limit=LIMIT),
        ThreatFox("key", url=f"{site.url}/threatfox", limit=LIMIT),
        Feodo(lambda: NOON, url=f"{site.url}/feodo.json"),
    ]


def say_nothing(site: ProviderServer) -> None:
    """No provider has an opinion."""
    site.replies["/check"] = told(abuseipdb_check(ADDRESS, 0))
    site.replies["/threatfox"] = told({"query_status": "no_result", "data": "Your search did not yield any results"})
    site.replies["/feodo.json"] = told([])


@asynccontextmanager
async def at_work(
    database: Database, rules: LiveRules, site: ProviderServer, clock: Callable[[], int] = lambda: NOON
) -> AsyncIterator[None]:
    """Both workers."""
    bus = JournalBus(database, JournalSettings(poll_s=0.02, lease_s=5.0))
    pace = Pace(retries_s=(0.1,), poll_s=0.02, lease_s=3.0)
    enrich = EnrichWorker(database, providers(site), holder="one", clock=clock, pace=pace)
    ttp = TaggingWorker(database, rules, clock=lambda: NOON)
    stop = asyncio.Event()
    working = [asyncio.create_task(worker.run(bus, stop)) for worker in (enrich, ttp)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*working)
        await bus.close()


def visit(database: Database, *commands: str) -> None:
    """The attacker was here, and the session is over."""
    events = [a_command(text, src=ADDRESS) for text in commands or ("frobnicate",)]
    ended = msgspec.msgpack.encode(session_uuid("svr04", "s1"))

    def work(connection: Connection) -> None:
        Intake(Actors()).store(connection, events)
        messages = [*event_messages(events), Message(SESSION_ENDED.pattern, partition_of(WHO), (ended,))]
        add_messages(connection, messages, now=0)

    database.write(work)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - the database has no event to wait for
            await asyncio.sleep(0.02)


def is_settled(database: Database, answers: int = 4) -> bool:
    """Every provider has answered, and the ttp worker has read everything."""
    answered = "SELECT count(*) FROM intel_lookup WHERE answered_at IS NOT NULL AND provider <> 'agreement'"
    unread = "SELECT count(*) FROM outbox JOIN bus_position ON bus_position.partition = outbox.partition "
    unread += "WHERE consumer = 'ttp' AND id > position AND topic NOT LIKE 'attacker.intel%' AND topic NOT LIKE 'ttp.%'"
    return rows(database, answered) == [(answers,)] and rows(database, unread) == [(0,)]


def enriched(database: Database, rules: LiveRules, site: ProviderServer, *commands: str) -> None:
    async def run() -> None:
        async with at_work(database, rules, site):
            visit(database, *commands)
            await until(lambda: is_settled(database))

    asyncio.run(run())


def tags(database: Database, rule_id: str) -> tuple[Shown, list[dict[str, Any]]]:
    """What a rule wrote, and its evidence."""
    sql = "SELECT tactic, technique_id, sub_technique_id, confidence, evidence, source_kind, source_id FROM tag "
    found = rows(database, f"{sql} JOIN ttp ON ttp.id = tag.ttp_id WHERE rule_id = '{rule_id}'")
    assert {row[5] for row in found} <= {"intel_verdict"}
    assert all(row[6].startswith("intel:") for row in found)
    shown = {row[2] or row[1]: (row[0], round(row[3], 4)) for row in found}
    return shown, [json.loads(row[4]) for row in found]


@pytest.mark.rule("R0054")
def test_categories_of_abuseipdb_become_tags_by_the_score(
    database: Database, rules: LiveRules, site: ProviderServer
) -> None:
    say_nothing(site)
    site.replies["/check"] = told(abuseipdb_check(ADDRESS, 90, [18, 22], [14], [4]))

    enriched(database, rules, site)

    shown, evidence = tags(database, "R0054")
    assert shown == {
        "T1110": ("TA0006", 0.81),
        "T1110.001": ("TA0006", 0.81),
        "T1046": ("TA0007", 0.81),
        "T1595.001": ("TA0043", 0.81),
    }
    assert evidence[0] == {
        "provider": "abuseipdb",
        "signals": ["14", "18", "22"],
        "score": 0.9,
        "pointer": f"https://www.abuseipdb.com/check/{ADDRESS}",
    }


@pytest.mark.rule("R0055")
def test_a_bare_malicious_of_greynoise_is_half_as_sure(
    database: Database, rules: LiveRules, site: ProviderServer
) -> None:
    say_nothing(site)
    site.replies[f"/greynoise/{ADDRESS}"] = told(greynoise_community(ADDRESS, "malicious"))

    enriched(database, rules, site)

    shown, evidence = tags(database, "R0055")
    assert shown == {"T1071": ("TA0011", 0.35)}
    assert evidence[0]["signals"] == ["malicious"]


@pytest.mark.rule("R0055")
def test_a_tag_of_greynoise_names_what_was_done(database: Database, rules: LiveRules, site: ProviderServer) -> None:
    say_nothing(site)
    reply = greynoise_paid(ADDRESS, "malicious", ("ssh-bruteforcer", "SSH Bruteforcer"), ("mirai", "Mirai"))
    site.replies[f"/greynoise/{ADDRESS}"] = told(reply)

    enriched(database, rules, site)

    assert tags(database, "R0055")[0] == {"T1110.001": ("TA0006", 0.9)}


@pytest.mark.rule("R0056")
def test_a_server_on_the_list_of_feodo_is_a_botnets(database: Database, rules: LiveRules, site: ProviderServer) -> None:
    say_nothing(site)
    site.replies["/feodo.json"] = told(feodo_list((ADDRESS, "Emotet")))

    enriched(database, rules, site)

    shown, evidence = tags(database, "R0056")
    assert shown == {"T1071.001": ("TA0011", 0.85), "T1588.001": ("TA0042", 0.85)}
    assert (evidence[0]["provider"], evidence[0]["families"], evidence[0]["score"]) == ("feodo", ["Emotet"], 1.0)


@pytest.mark.rule("R0057")
def test_a_type_of_threat_of_threatfox_becomes_tags(database: Database, rules: LiveRules, site: ProviderServer) -> None:
    say_nothing(site)
    site.replies["/threatfox"] = told(
        threatfox_hits((f"{ADDRESS}:443", "botnet_cc", 75), (f"http://{ADDRESS}/x.sh", "payload_delivery", 100))
    )

    enriched(database, rules, site)

    shown, evidence = tags(database, "R0057")
    assert shown == {"T1071.001": ("TA0011", 0.675), "T1588.001": ("TA0042", 0.9), "T1105": ("TA0011", 0.9)}
    assert evidence[0]["families"] == ["Cobalt Strike"]
    assert evidence[0]["ioc_types"] == ["ip:port"]


def say_bad_without_a_reason(site: ProviderServer) -> None:
    """Two providers call the address malicious, and neither says anything that a table knows."""
    say_nothing(site)
    site.replies["/check"] = told(abuseipdb_check(ADDRESS, 95, [4]))
    site.replies["/threatfox"] = told(threatfox_hits((f"{ADDRESS}:443", "unheard_of", 100)))


@pytest.mark.rule("R0058")
def test_providers_that_agree_lift_what_views_show_and_write_no_tag(
    database: Database, rules: LiveRules, site: ProviderServer
) -> None:
    say_bad_without_a_reason(site)

    enriched(database, rules, site, "cat /etc/shadow")

    assert rows(database, "SELECT intel_bump FROM attacker") == [(0.05,)]
    assert rows(database, "SELECT count(*) FROM tag WHERE source_kind = 'intel_verdict'") == [(0,)]
    (number,) = rows(database, "SELECT id FROM attacker")[0]
    counts = database.read(partial(techniques_of_attacker, attacker_id=number, floor=0.3))
    stored = dict(rows(database, "SELECT rule_id, confidence FROM tag"))
    assert stored
    assert all(count.intel_bump == 0.05 for count in counts)
    assert {count.max_confidence for count in counts} == set(stored.values())
    assert all(count.shown_confidence == min(count.max_confidence + 0.05, 1.0) for count in counts)


@pytest.mark.rule("R0058")
def test_a_rule_that_is_switched_off_lifts_nothing(database: Database, pack: Pack, site: ProviderServer) -> None:
    say_bad_without_a_reason(site)
    off = {"R0058": RuleState(mode="disabled", set_by="test", set_at=0)}

    enriched(database, LiveRules(LoadedRules(pack, off)), site)

    assert rows(database, "SELECT intel_bump FROM attacker") == [(0.0,)]


def test_a_verdict_in_favour_of_an_address_takes_nothing_away(
    database: Database, rules: LiveRules, site: ProviderServer
) -> None:
    say_nothing(site)
    enriched(database, rules, site, "cat /etc/shadow")
    before = rows(database, "SELECT uuid, confidence, superseded FROM tag ORDER BY 1")
    assert before

    site.replies[f"/greynoise/{ADDRESS}"] = told(greynoise_community(ADDRESS, "benign"))
    database.write(lambda connection: connection.exec_driver_sql("DELETE FROM intel_lookup").close())
    enriched(database, rules, site)

    assert rows(database, "SELECT uuid, confidence, superseded FROM tag ORDER BY 1") == before


def test_a_provider_that_is_away_does_not_hold_up_tags_and_its_verdict_comes_later(
    database: Database, rules: LiveRules, site: ProviderServer
) -> None:
    say_nothing(site)
    site.replies["/check"] = Reply(500, b"oops")

    async def run() -> None:
        async with at_work(database, rules, site, lambda: time.time_ns() // 1_000):
            visit(database, "cat /etc/shadow")
            await until(lambda: bool(rows(database, "SELECT 1 FROM tag WHERE rule_id = 'R0014'")))
            await until(lambda: is_settled(database, answers=3))
            assert tags(database, "R0054")[0] == {}
            site.replies["/check"] = told(abuseipdb_check(ADDRESS, 100, [18]))
            await until(lambda: tags(database, "R0054")[0] == {"T1110": ("TA0006", 0.9)})

    asyncio.run(run())


def test_a_verdict_whose_message_was_lost_tags_when_a_session_ends_and_only_once(
    database: Database, rules: LiveRules, site: ProviderServer
) -> None:
    say_nothing(site)
    database.write(partial(Intake(Actors()).store, events=[a_command("frobnicate", src=ADDRESS)]))
    ((number, _),) = database.read(partial(attackers_of_sessions, uuids=[session_uuid("svr04", "s1")]))
    verdict = Verdict("abuseipdb", ADDRESS, "malicious", score=100, categories=(18,))

    def answered(connection: Connection) -> None:
        names = ["abuseipdb", "greynoise", "threatfox", "feodo"]
        want_lookups(connection, names, [number], now=NOON - 1_000_000, kept_us=0)
        lookup = Lookup(number, WHO, ADDRESS, 0)
        store_answer(connection, "abuseipdb", lookup, verdict, now=NOON - 1_000_000)  # and nothing is announced

    database.write(answered)
    assert rows(database, "SELECT count(*) FROM outbox") == [(0,)]

    enriched(database, rules, site)

    found = rows(database, "SELECT source_id, observed_at FROM tag WHERE rule_id = 'R0054'")
    assert found == rows(database, "SELECT source_id, observed_at FROM finding")


@pytest.mark.rule("R0064")
def test_a_file_that_cowrie_kept_is_looked_up_in_the_list_of_known_malware(tmp_path: Path) -> None:
    decnet = CommandLine(tmp_path)
    known, other = (hashlib.sha256(text).hexdigest() for text in (b"known", b"other"))
    write_digests(decnet.folder / "data" / "intel" / "malwarebazaar.digests", [bytes.fromhex(known)])
    log = decnet.folder / "cowrie.json"
    log.write_text("".join(downloaded(digest, second) + "\n" for second, digest in enumerate((known, other))))

    assert decnet.run("ttp", "tag", str(log)).returncode == 0

    sql = "SELECT tactic, technique_id, sub_technique_id, confidence, evidence FROM tag JOIN ttp ON ttp.id = ttp_id "
    found = rows_of(decnet, f"{sql} WHERE rule_id = 'R0064' ORDER BY 2")
    assert [row[:4] for row in found] == [("TA0011", "T1105", "", 0.9), ("TA0042", "T1588", "T1588.001", 0.9)]
    for row in found:
        assert json.loads(row[4]) == {"provider": "malwarebazaar", "sha256": known, "action": "downloaded"}


def downloaded(digest: str, second: int) -> str:
    """A line of Cowrie's log."""
    return json.dumps(
        {
            "eventid": "cowrie.session.file_download",
            "url": "http://198.51.100.9/bins.sh",
            "outfile": f"var/lib/cowrie/downloads/{digest}",
            "shasum": digest,
            "destfile": "",
            "sensor": "svr04",
            "timestamp": f"2026-11-18T12:00:{second:02}.000000Z",
            "message": f"Downloaded URL with SHA-256 {digest}",
            "src_ip": ADDRESS,
            "session": "0123456789ab",
            "protocol": "ssh",
        }
    )
