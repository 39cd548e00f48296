"""Each provider against a server that answers as the provider documents it, field by field."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from decnet.errors import ProviderFailed, SettingsError
from decnet.intel import http
from decnet.intel.abuseipdb import AbuseIPDB
from decnet.intel.base import Limit, is_public, limit_of
from decnet.intel.feodo import Feodo
from decnet.intel.greynoise import GreyNoise
from decnet.intel.threatfox import ThreatFox
from decnet.models.intel import Threat, Verdict
from tests.intel.provider_server import (
    NO_RESULT,
    QUOTA_SPENT,
    Reply,
    abuseipdb_check,
    feodo_list,
    greynoise_community,
    greynoise_paid,
    threatfox_hits,
    told,
)

if TYPE_CHECKING:
    from decnet.intel.base import Provider
    from tests.intel.provider_server import ProviderServer

ADDRESS = "118.25.6.39"
KEY = "k3y-of-the-operator"
LIMIT = Limit(1_000, 86_400)


def verdict_of(provider: Provider, address: str = ADDRESS) -> Verdict | None:
    async def ask() -> Verdict | None:
        try:
            return await provider.verdict_on(address)
        finally:
            await provider.aclose()

    return asyncio.run(ask())


def abuseipdb(site: ProviderServer) -> AbuseIPDB:
    return AbuseIPDB(KEY, url=f"{site.url}/api/v2/check", limit=LIMIT)


def greynoise(site: ProviderServer) -> GreyNoise:
    return GreyNoise(KEY, url=f"{site.url}/v3/community/", limit=LIMIT)


def threatfox(site: ProviderServer) -> ThreatFox:
    return ThreatFox(KEY, url=f"{site.url}/api/v1/", limit=LIMIT)


def test_abuseipdb_is_asked_for_its_reports_because_only_they_have_categories(site: ProviderServer) -> None:
    site.replies["/api/v2/check"] = told(abuseipdb_check(ADDRESS, 100, [18, 22], [22], [14]))

    verdict = verdict_of(abuseipdb(site))

    assert verdict is not None
    assert (verdict.score, verdict.categories, verdict.standing) == (100, (14, 18, 22), "malicious")
    assert verdict.pointer == "https://www.abuseipdb.com/check/118.25.6.39"
    (asked,) = site.asked
    assert asked.query == {"ipAddress": [ADDRESS], "maxAgeInDays": ["30"], "verbose": [""]}
    assert asked.headers["Key"] == KEY


@pytest.mark.parametrize(
    ("score", "more", "standing"),
    [
        (74, {}, "suspicious"),
        (25, {}, "suspicious"),
        (24, {}, "unknown"),
        (100, {"isWhitelisted": True}, "benign"),
    ],
)
def test_an_address_stands_by_its_score_at_abuseipdb(
    site: ProviderServer, score: int, more: dict[str, Any], standing: str
) -> None:
    site.replies["/api/v2/check"] = told(abuseipdb_check(ADDRESS, score, [18], **more))

    verdict = verdict_of(abuseipdb(site))

    assert verdict is not None
    assert verdict.standing == standing


def test_abuseipdb_has_no_opinion_on_an_address_that_nobody_reported(site: ProviderServer) -> None:
    site.replies["/api/v2/check"] = told(abuseipdb_check(ADDRESS, 0))

    assert verdict_of(abuseipdb(site)) is None


def test_greynoise_says_a_classification_for_free(site: ProviderServer) -> None:
    site.replies[f"/v3/community/{ADDRESS}"] = told(greynoise_community(ADDRESS, "malicious"))

    verdict = verdict_of(greynoise(site))

    assert verdict is not None
    assert (verdict.classification, verdict.tags, verdict.standing) == ("malicious", (), "malicious")
    assert site.asked[0].headers["key"] == KEY


def test_greynoise_says_tags_on_a_paid_plan_in_the_spelling_of_the_table(site: ProviderServer) -> None:
    tags = (("ssh-bruteforcer", "SSH Bruteforcer"), ("tor-exit-node", "Tor Exit Node"))
    site.replies[f"/v3/community/{ADDRESS}"] = told(greynoise_paid(ADDRESS, "malicious", *tags))

    verdict = verdict_of(greynoise(site))

    assert verdict is not None
    assert verdict.tags == ("ssh_bruteforcer", "tor_exit_node")
    assert verdict.classification == "malicious"


def test_greynoise_takes_a_business_service_for_benign(site: ProviderServer) -> None:
    site.replies[f"/v3/community/{ADDRESS}"] = told(greynoise_community(ADDRESS, "malicious", riot=True))

    verdict = verdict_of(greynoise(site))

    assert verdict is not None
    assert (verdict.standing, verdict.classification) == ("benign", "benign")


def test_greynoise_never_saw_what_is_not_found(site: ProviderServer) -> None:
    message = "IP not observed scanning the internet or contained in RIOT data set."
    site.replies[f"/v3/community/{ADDRESS}"] = told(
        {"ip": ADDRESS, "noise": False, "riot": False, "message": message}, 404
    )

    assert verdict_of(greynoise(site)) is None


def test_threatfox_hits_are_kept_by_type_of_threat(site: ProviderServer) -> None:
    site.replies["/api/v1/"] = told(
        threatfox_hits((f"{ADDRESS}:443", "botnet_cc", 75), (f"http://{ADDRESS}/x.sh", "payload_delivery", 100))
    )

    verdict = verdict_of(threatfox(site))

    assert verdict is not None
    assert verdict.standing == "malicious"
    assert verdict.threats == (
        Threat("botnet_cc", 75, "ip:port", "Cobalt Strike"),
        Threat("payload_delivery", 100, "ip:port", "Cobalt Strike"),
    )
    (asked,) = site.asked
    assert (asked.method, json.loads(asked.body)) == ("POST", {"query": "search_ioc", "search_term": ADDRESS})
    assert asked.headers["Auth-Key"] == KEY


@pytest.mark.parametrize("ioc", [f"{ADDRESS}1:443", f"1{ADDRESS}:443", f"http://example.net/?{ADDRESS}", "", "[::"])
def test_threatfox_hits_on_something_else_are_passed_over(site: ProviderServer, ioc: str) -> None:
    site.replies["/api/v1/"] = told(threatfox_hits((ioc, "botnet_cc", 100)))

    assert verdict_of(threatfox(site)) is None


def test_threatfox_finds_nothing(site: ProviderServer) -> None:
    site.replies["/api/v1/"] = told(NO_RESULT)

    assert verdict_of(threatfox(site)) is None


def test_threatfox_says_that_a_key_is_wrong_with_status_200(site: ProviderServer) -> None:
    site.replies["/api/v1/"] = told({"query_status": "unknown_auth_key"})

    with pytest.raises(ProviderFailed, match="unknown_auth_key"):
        verdict_of(threatfox(site))


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.mark.parametrize("entries", [[], [(ADDRESS, "Dridex")]])
def test_the_list_of_feodo_is_fetched_once_an_hour_empty_or_not(
    site: ProviderServer, entries: list[tuple[str, str]]
) -> None:
    site.replies["/list.json"] = told(feodo_list(*entries))
    clock = Clock()

    async def ask() -> list[Verdict | None]:
        feodo = Feodo(clock, url=f"{site.url}/list.json")
        found = [await feodo.verdict_on(ADDRESS), await feodo.verdict_on("9.9.9.9")]
        clock.now += 3_599 * 1_000_000
        found.append(await feodo.verdict_on(ADDRESS))
        assert len(site.asked) == 1
        clock.now += 1_000_000
        found.append(await feodo.verdict_on(ADDRESS))
        await feodo.aclose()
        return found

    first, other, *later = asyncio.run(ask())
    assert len(site.asked) == 2
    assert other is None
    assert later == [first, first]
    assert (first is None) is not bool(entries)
    if first is not None:
        assert (first.listed, first.malware, first.standing) == (True, "Dridex", "malicious")


def test_one_bad_entry_does_not_cost_the_others(site: ProviderServer) -> None:
    site.replies["/list.json"] = told([*feodo_list(("none", "x"), (ADDRESS, "Emotet")), {"ip_address": ADDRESS}])

    verdict = verdict_of(Feodo(Clock(), url=f"{site.url}/list.json"))

    assert verdict is not None


def test_a_spent_quota_says_how_long_to_wait(site: ProviderServer) -> None:
    site.replies["/api/v2/check"] = told(QUOTA_SPENT, 429, Retry_After="29241")

    with pytest.raises(ProviderFailed) as caught:
        verdict_of(abuseipdb(site))

    assert caught.value.retry_after_s == 29_241


@pytest.mark.parametrize(
    ("reply", "fault", "is_about_address"),
    [
        (told(QUOTA_SPENT, 429, Retry_After="soon"), "status 429", False),
        (told(QUOTA_SPENT, 429, Retry_After="9" * 400), "status 429", False),
        (Reply(500, b"oops"), "its server has a fault", False),
        (Reply(503), "status 503", False),
        (told({"errors": [{"detail": "Authentication failed.", "status": 401}]}, 401), "the key is refused", False),
        (told({"errors": [{"detail": "The ip address must be valid.", "status": 422}]}, 422), "status 422", True),
        (Reply(302, headers={"Location": "http://127.0.0.1:9/"}), "it has moved; set DECNET_ABUSEIPDB_URL", False),
        (Reply(200, b"<html>maintenance</html>"), "not as documented", False),
        (Reply(200, b""), "not as documented", False),
        (Reply(200, b"\xff\xfe"), "not as documented", False),
        (Reply(200, b"[" * 100_000), "not as documented", False),
        (told({"data": {"abuseConfidenceScore": "high"}}), "not as documented", False),
        (told(None), "not as documented", False),
        (Reply(200, b'{"data": {', cut=100), "RemoteProtocolError", False),
        (Reply(200, b" " * (http.MAX_BODY_BYTES + 1)), "longer than 8,388,608 bytes", False),
    ],
)
def test_what_cannot_be_used_is_one_kind_of_failure(
    site: ProviderServer, reply: Reply, fault: str, *, is_about_address: bool
) -> None:
    site.replies["/api/v2/check"] = reply

    with pytest.raises(ProviderFailed, match=fault) as caught:
        verdict_of(abuseipdb(site))

    assert caught.value.is_about_address is is_about_address
    assert KEY not in str(caught.value)


def test_a_body_that_drips_is_given_up(site: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT_S", 0.3)
    site.replies["/api/v2/check"] = Reply(200, b" " * 10, drip_s=0.2)

    with pytest.raises(ProviderFailed, match="no whole answer"):
        verdict_of(abuseipdb(site))


def test_a_server_that_is_away_is_a_failure() -> None:
    with pytest.raises(ProviderFailed, match="ConnectError"):
        verdict_of(AbuseIPDB(KEY, url="http://127.0.0.1:9/check", limit=LIMIT))


def test_absurd_figures_are_brought_into_range(site: ProviderServer) -> None:
    many = [list(range(1, 1_000))]
    site.replies["/api/v2/check"] = told(abuseipdb_check(ADDRESS, 10**9, *many))

    verdict = verdict_of(abuseipdb(site))

    assert verdict is not None
    assert verdict.score == 100
    assert len(verdict.categories) == 64


@pytest.mark.parametrize("url", ["http://api.example.net/check", "ftp://127.0.0.1/", "nonsense", "http://["])
def test_a_key_is_never_sent_unprotected(url: str) -> None:
    with pytest.raises(SettingsError, match="DECNET_ABUSEIPDB_URL"):
        AbuseIPDB(KEY, url=url, limit=LIMIT)


def test_neither_the_address_nor_the_key_is_logged(site: ProviderServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site.replies["/api/v2/check"] = told(abuseipdb_check(ADDRESS, 100, [18]))

    verdict_of(abuseipdb(site))

    assert ADDRESS not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "192.168.1.1", "172.16.0.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.1", "224.0.0.1"),
        *("240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "fe80::1", "fd00::1", "::1", "::", "ff02::1"),
        *("2001:db8::1", "::ffff:10.0.0.1", "2002:0a00:0001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "x", ""),
    ],
)
def test_private_reserved_and_tunnelled_addresses_are_not(address: str) -> None:
    assert not is_public(address)


def test_a_limit_counts_in_windows_of_utc() -> None:
    day = limit_of("1000/day")
    assert day == LIMIT
    noon = 86_400_000_000 * 3 + 43_200_000_000
    assert day.window(noon) == 3
    assert day.end(noon) == 86_400_000_000 * 4


def test_an_answer_that_says_the_same_has_the_same_digest() -> None:
    one = Verdict("abuseipdb", ADDRESS, score=90, categories=(18, 22))
    assert one.digest == Verdict("abuseipdb", ADDRESS, "malicious", score=90, categories=(22, 18), pointer="x").digest
    assert one.digest != Verdict("abuseipdb", ADDRESS, score=91, categories=(18, 22)).digest
