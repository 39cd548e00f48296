"""One box for everything over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from decnet.db import session_pages
from tests.databases import rows
from tests.web.pages import got, refused

if TYPE_CHECKING:
    import httpx

    from tests.web.conftest import Api


def hits(client: httpx.Client, text: str) -> list[tuple[str, str]]:
    return [(hit["kind"], hit["id"]) for hit in got(client, "/search", q=text)["items"]]


@pytest.mark.parametrize("text", ["198.51.100.12", " ::FFFF:198.51.100.12 "])
def test_an_address_leads_to_its_attacker(viewer: httpx.Client, text: str) -> None:
    (attacker,) = got(viewer, "/attackers", address="198.51.100.12")["items"]
    assert hits(viewer, text) == [("attacker", attacker["uuid"])]
    assert hits(viewer, "2001:db8::1") == []


def test_a_uuid_leads_to_whoever_has_it(viewer: httpx.Client) -> None:
    for path, kind in (
        ("attackers", "attacker"),
        ("identities", "identity"),
        ("campaigns", "campaign"),
        ("sessions", "session"),
    ):
        uuid = got(viewer, f"/{path}")["items"][0]["uuid"]
        found = got(viewer, "/search", q=uuid.upper())["items"]
        assert [(hit["kind"], hit["id"]) for hit in found] == [(kind, uuid)]
        assert got(viewer, found[0]["url"])["uuid"] == uuid
    event = got(viewer, "/events")["items"][0]["id"]
    assert hits(viewer, event) == [("event", event)]


def test_a_technique_is_found_by_its_id_and_by_its_name(viewer: httpx.Client) -> None:
    assert hits(viewer, "t1105") == [("technique", "T1105")]
    assert ("technique", "T1105") in hits(viewer, "ingress tool")
    assert hits(viewer, "T1059")[0] == ("technique", "T1059")
    found = got(viewer, "/search", q="T1105")["items"][0]
    assert got(viewer, found["url"])["items"]


def test_a_rule_is_found_by_its_id(viewer: httpx.Client) -> None:
    assert hits(viewer, "R0012") == [("rule", "R0012")]
    assert hits(viewer, "r0012") == [("rule", "R0012")]
    assert hits(viewer, "R9999") == []


def test_a_digest_leads_to_the_events_that_hold_it(api: Api, viewer: httpx.Client) -> None:
    (payload,) = rows(api.place.database, 'SELECT payload FROM event WHERE payload LIKE \'%"sha256":"%\' LIMIT 1')[0]
    digest = payload.partition('"sha256":"')[2][:64]
    found = got(viewer, "/search", q=digest.upper())["items"]
    assert found
    assert {hit["kind"] for hit in found} == {"file"}
    for hit in found:
        assert digest in str(got(viewer, hit["url"])["payload"])
    assert hits(viewer, "0" * 64) == []


def test_other_text_is_looked_for_in_commands(api: Api, viewer: httpx.Client) -> None:
    stored = rows(
        api.place.database,
        "SELECT count(*) FROM event WHERE source_kind = 'command' AND instr(payload, '/bin/busybox wget') > 0",
    )[0][0]
    answer = got(viewer, "/search", q="/bin/busybox wget")
    assert len(answer["items"]) == stored > 0
    assert all("/bin/busybox wget" in hit["title"] and hit["session_uuid"] for hit in answer["items"])
    assert answer["is_complete"]


def test_an_answer_says_when_older_events_were_not_looked_at(
    viewer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_pages, "MOST_LOOKED_AT", 50)
    answer = got(viewer, "/search", q="no such command")
    assert (answer["is_complete"], answer["items"]) == (False, [])


@pytest.mark.parametrize("text", ["%", "_", "' OR 1=1 --", '"', "\\", "␛0", "é", "🦑", "%00x", "x" * 200])
def test_no_text_breaks_the_search(viewer: httpx.Client, text: str) -> None:
    found: list[Any] = got(viewer, "/search", q=text)["items"]
    assert all(text in hit["title"] or hit["kind"] == "technique" for hit in found)


def test_what_is_malformed_is_refused(viewer: httpx.Client) -> None:
    for query in ({}, {"q": ""}, {"q": "x" * 201}, {"q": "a\0b"}):
        assert refused(viewer, "/search", **query) == 400


def test_an_empty_store_holds_techniques_alone(empty_api: Api) -> None:
    with empty_api.as_("viewer") as client:
        for text in ("wget", "198.51.100.12", "T1105", "0" * 64, "00000000-0000-4000-8000-000000000000"):
            assert all(kind == "technique" for kind, _ in hits(client, text))
