"""Attackers, identities and campaigns over the API."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from decnet.db.clusters import campaigns, identities
from decnet.db.edges import StoredEdge, write_campaign_edges, write_identity_edges
from decnet.db.intel import due_lookup, set_intel_bumps, store_answer, want_lookups
from decnet.db.membership import write_memberships
from decnet.models.actor import AttackerUuid, campaign_uuid, identity_uuid
from decnet.models.ids import uuid_text
from decnet.models.intel import Verdict
from tests.databases import rows
from tests.web.pages import all_items, got, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.web.conftest import Api

NOBODY = "00000000-0000-4000-8000-000000000000"
LISTS = ("attackers", "identities", "campaigns")


def attackers(api: Api) -> list[AttackerUuid]:
    """All of them, the first seen first."""
    found = rows(api.place.database, "SELECT uuid FROM attacker ORDER BY first_seen, id")
    return [AttackerUuid(uuid) for (uuid,) in found]


def joined(api: Api) -> list[AttackerUuid]:
    """Three attackers that are two identities, the first two one, and one campaign; with reasons."""
    first, second, third, *_ = attackers(api)

    def work(connection: Any) -> None:
        write_memberships(connection, {first: first, second: first, third: third}, {first: first, third: first})
        edge = StoredEdge(1.0, ("payload", "script"), "payload:abc")
        write_identity_edges(connection, {first: [edge], second: [edge]})
        write_campaign_edges(connection, {identity_uuid(third): [StoredEdge(1.0, ("hand_off",), f"session:{NOBODY}")]})

    api.place.database.write(work)
    return [first, second, third]


@pytest.mark.parametrize("path", LISTS)
def test_pages_hold_everybody_once_and_the_last_seen_first(viewer: httpx.Client, path: str) -> None:
    found = all_items(viewer, f"/{path}", limit=4)
    assert len(found) == len({one["uuid"] for one in found}) == 15
    seen = [one["last_seen"] for one in found]
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("path", LISTS)
def test_ties_of_time_lose_nobody(api: Api, viewer: httpx.Client, path: str) -> None:
    api.place.database.write(lambda connection: connection.exec_driver_sql("UPDATE attacker SET last_seen = 7").close())
    joined(api)
    found = [one["uuid"] for one in all_items(viewer, f"/{path}", limit=2)]
    assert len(found) == len(set(found)) == {"attackers": 15, "identities": 14, "campaigns": 13}[path]


@pytest.mark.parametrize("path", LISTS)
def test_a_ranking_has_the_most_techniques_first(viewer: httpx.Client, path: str) -> None:
    found = all_items(viewer, f"/{path}", sort="techniques", limit=4)
    assert len({one["uuid"] for one in found}) == 15
    techniques = [one["techniques"] for one in found]
    assert techniques == sorted(techniques, reverse=True)
    assert techniques[0] > techniques[-1]


def test_lists_say_what_the_command_line_says(api: Api, viewer: httpx.Client) -> None:
    joined(api)
    names = ("attackers", "first_seen", "last_seen", "events", "tags", "techniques")
    lists: list[tuple[str, Callable[..., list[Any]]]] = [("identities", identities), ("campaigns", campaigns)]
    for path, stored in lists:
        expected = {uuid_text(row.uuid): row for row in api.place.database.read(partial(stored, limit=100, least=1))}
        found = {one["uuid"]: one for one in all_items(viewer, f"/{path}", limit=3)}
        assert found.keys() == expected.keys()
        for uuid, one in found.items():
            assert [one[name] for name in names] == [getattr(expected[uuid], name) for name in names]
            assert one["addresses"] == list(expected[uuid].addresses)
            assert one["joined_by"] == list(expected[uuid].joined_by)


def test_filters_of_attackers_filter(viewer: httpx.Client) -> None:
    everybody = all_items(viewer, "/attackers")
    middle = everybody[7]["last_seen"]
    assert all_items(viewer, "/attackers", since=middle, limit=3) == everybody[:8]
    assert all_items(viewer, "/attackers", until=middle, limit=3) == everybody[8:]
    assert [one["address"] for one in all_items(viewer, "/attackers", address="198.51.100.12")] == ["198.51.100.12"]
    assert all_items(viewer, "/attackers", address="198.51.100.1_") == []
    for path, scope in (("attackers", "attacker"), ("identities", "identity"), ("campaigns", "campaign")):
        shown = {one["uuid"] for one in all_items(viewer, f"/{path}", technique="T1105", limit=2)}
        expected = {
            one["uuid"]
            for one in all_items(viewer, f"/{path}")
            if any(
                seen["technique_id"] == "T1105"
                for seen in got(viewer, f"/ttp/by-{scope}/{one['uuid']}", min_confidence=0)["items"]
            )
        }
        assert shown == expected != set()


def test_an_attacker_is_told_with_what_is_known_of_it(api: Api, viewer: httpx.Client) -> None:
    listed = got(viewer, "/attackers", address="198.51.100.16")["items"][0]
    number = rows(api.place.database, "SELECT id FROM attacker WHERE address = '198.51.100.16'")[0][0]

    def work(connection: Any) -> None:
        want_lookups(connection, ["greynoise"], [number], now=1, kept_us=1)
        lookup = due_lookup(connection, "greynoise", now=2)
        assert lookup is not None
        store_answer(
            connection, "greynoise", lookup, Verdict("greynoise", standing="malicious", tags=("mirai",)), now=3
        )
        set_intel_bumps(connection, {lookup.attacker_uuid: 0.05})

    api.place.database.write(work)
    found = got(viewer, f"/attackers/{listed['uuid']}")
    assert {name: found[name] for name in listed} == listed | {"intel_bump": 0.05}
    assert (
        found["sessions"]
        == rows(api.place.database, "SELECT count(*) FROM session WHERE attacker_id = :id", id=number)[0][0]
    )
    assert [(one["provider"], one["standing"], one["tags"]) for one in found["verdicts"]] == [
        ("greynoise", "malicious", ["mirai"])
    ]
    assert found["traits"]["fingerprints"]
    for one in found["seen"]:
        assert one["shown_confidence"] == pytest.approx(min(one["max_confidence"] + 0.05, 1.0))


def test_an_identity_is_told_with_its_attackers_and_why_they_are_one(api: Api, viewer: httpx.Client) -> None:
    first, second, third = joined(api)
    head, gone = identity_uuid(first), identity_uuid(second)
    found = got(viewer, f"/identities/{uuid_text(head)}")
    assert {one["uuid"] for one in found["members"]} == {uuid_text(first), uuid_text(second)}
    assert found["members"][0]["reasons"] == [{"weight": 1.0, "kinds": ["payload", "script"], "reason": "payload:abc"}]
    assert found["merged"] == [uuid_text(gone)]
    assert found["joined_by"] == ["payload", "script"]
    assert got(viewer, f"/identities/{uuid_text(gone)}") == found
    assert got(viewer, f"/ttp/by-identity/{uuid_text(gone)}") == got(viewer, f"/ttp/by-identity/{uuid_text(head)}")
    assert uuid_text(third) not in str(found)


def test_an_identity_is_told_with_what_its_attackers_show_and_what_others_say_of_them(
    api: Api, viewer: httpx.Client
) -> None:
    first, second, _ = joined(api)
    numbers = rows(api.place.database, "SELECT id, address FROM attacker ORDER BY first_seen, id")[:2]

    def work(connection: Any) -> None:
        want_lookups(connection, ["greynoise"], [number for number, _ in numbers], now=1, kept_us=1)
        while (lookup := due_lookup(connection, "greynoise", now=2)) is not None:
            store_answer(connection, "greynoise", lookup, Verdict("greynoise", standing="malicious"), now=3)

    api.place.database.write(work)
    found = got(viewer, f"/identities/{uuid_text(identity_uuid(first))}")
    assert {(one["address"], one["standing"]) for one in found["verdicts"]} == {
        (address, "malicious") for _, address in numbers
    }
    each = [got(viewer, f"/attackers/{uuid_text(one)}")["traits"] for one in (first, second)]
    shown = {tuple(one) for traits in each for one in traits["fingerprints"]}
    assert {tuple(one) for one in found["traits"]["fingerprints"]} == shown != set()
    assert found["traits"]["sessions"] == sum(traits["sessions"] for traits in each)


def test_sessions_of_an_identity_are_those_of_its_attackers(api: Api, viewer: httpx.Client) -> None:
    first, second, _ = joined(api)
    for name in (first, second):
        found = all_items(viewer, "/sessions", identity=uuid_text(identity_uuid(name)), limit=3)
        assert {one["attacker_uuid"] for one in found} == {uuid_text(first), uuid_text(second)}


@pytest.mark.parametrize("scope", ["attacker", "identity", "campaign", "session"])
def test_the_days_of_an_owner_sum_up_to_its_techniques(viewer: httpx.Client, scope: str) -> None:
    plural = {"identity": "identities"}.get(scope, f"{scope}s")
    uuid = max(all_items(viewer, f"/{plural}"), key=lambda one: one["tags"])["uuid"]
    summed: Counter[tuple[str, str, str | None]] = Counter()
    for one in got(viewer, f"/ttp/activity/by-{scope}/{uuid}")["items"]:
        assert one["started_at"] % 86_400_000_000 == 0
        summed[one["tactic"], one["technique_id"], one["sub_technique_id"]] += one["count"]
    assert summed == {
        (one["tactic"], one["technique_id"], one["sub_technique_id"]): one["count"]
        for one in got(viewer, f"/ttp/by-{scope}/{uuid}")["items"]
    }
    assert refused(viewer, f"/ttp/activity/by-{scope}/{NOBODY}") == 404


def test_credentials_are_counted_and_no_secret_is_told(api: Api, viewer: httpx.Client) -> None:
    uuid = max(all_items(viewer, "/identities"), key=lambda one: one["events"])["uuid"]
    answer = viewer.get(f"/identities/{uuid}")
    tried = answer.json()["credentials"]
    assert tried["attempts"] == sum(times for _, times in tried["accounts"]) > 0
    assert 0 < tried["succeeded"] <= tried["attempts"]
    payloads = rows(api.place.database, "SELECT payload FROM event WHERE source_kind = 'auth_attempt'")
    secrets = {json.loads(payload).get("secret") for (payload,) in payloads} - {None}
    assert secrets
    assert not any(secret in answer.text for secret in secrets)


def test_a_campaign_is_told_with_its_identities_and_its_phases(api: Api, viewer: httpx.Client) -> None:
    first, _, third = joined(api)
    head = uuid_text(campaign_uuid(identity_uuid(first)))
    found = got(viewer, f"/campaigns/{head}")
    assert {one["uuid"] for one in found["members"]} == {uuid_text(identity_uuid(each)) for each in (first, third)}
    for one in found["members"]:
        assert one["addresses"] == got(viewer, f"/identities/{one['uuid']}")["addresses"]
    reasons = {one["uuid"]: one["reasons"] for one in found["members"]}
    assert reasons[uuid_text(identity_uuid(third))] == [
        {"weight": 1.0, "kinds": ["hand_off"], "reason": f"session:{NOBODY}"}
    ]
    assert found["attackers"] == 3
    assert sum(one["count"] for one in found["phases"]) == found["tags"]
    assert {(one["tactic"], one["phase"]) for one in found["phases"]} >= {("TA0001", "delivery")}
    assert sum(one["count"] for one in found["spans"]) == found["tags"]
    assert {one["identity_uuid"] for one in found["spans"]} == {one["uuid"] for one in found["members"]}
    assert all(one["first_seen"] <= one["last_seen"] for one in found["spans"])
    gone = uuid_text(campaign_uuid(identity_uuid(third)))
    assert got(viewer, f"/campaigns/{gone}") == found
    assert found["merged"].count(gone) == 1


def test_a_hand_off_is_told_with_the_visits_on_its_two_sides(api: Api, viewer: httpx.Client) -> None:
    """The dropper fetches, then somebody careful looks around on the same decoy."""
    by_address = {one["address"]: one for one in all_items(viewer, "/attackers")}
    giver, taker = by_address["198.51.100.15"], by_address["198.51.100.18"]
    left, taken = (
        max(all_items(viewer, "/sessions", attacker=one["uuid"]), key=lambda one: one["tags"]) for one in (giver, taker)
    )
    edge = StoredEdge(0.75, ("hand_off",), f"session:{left['uuid']}")
    heads = [AttackerUuid(UUID(one["uuid"]).bytes) for one in (giver, taker)]

    def work(connection: Any) -> None:
        write_memberships(connection, {one: one for one in heads}, dict.fromkeys(heads, heads[0]))
        write_campaign_edges(connection, {identity_uuid(one): [edge] for one in heads})

    api.place.database.write(work)
    (found,) = got(viewer, f"/campaigns/{giver['campaign_uuid']}")["hand_offs"]
    seen = {
        uuid: got(viewer, f"/ttp/by-session/{uuid}", min_confidence=0)["items"]
        for uuid in (left["uuid"], taken["uuid"])
    }
    assert found == {
        "giver_uuid": giver["identity_uuid"],
        "taker_uuid": taker["identity_uuid"],
        "decoy": "decoy-ssh-01",
        "session_uuid": left["uuid"],
        "left_at": max(one["last_seen"] for one in seen[left["uuid"]] if one["tactic"] in {"TA0003", "TA0011"}),
        "taker_session_uuid": taken["uuid"],
        "taken_at": min(one["first_seen"] for one in seen[taken["uuid"]] if one["tactic"] in {"TA0007", "TA0008"}),
        "weight": 0.75,
    }


def test_an_empty_store_has_nobody(empty_api: Api) -> None:
    with empty_api.as_("viewer") as client:
        for path in LISTS:
            for sort in ("last_seen", "techniques"):
                assert got(client, f"/{path}", sort=sort) == {"items": [], "next": None}


def test_who_is_unknown_is_not_found_and_what_is_malformed_is_refused(viewer: httpx.Client) -> None:
    for path in LISTS:
        assert refused(viewer, f"/{path}/{NOBODY}") == 404
        assert refused(viewer, f"/{path}/x") == 400
        assert refused(viewer, f"/{path}/..%2f..%2fetc%2fpasswd") in {400, 404}
        for query in ({"sort": "events"}, {"since": 1 << 60}, {"limit": -1}):
            assert refused(viewer, f"/{path}", **query) == 400
        assert refused(viewer, f"/{path}", sort="techniques", cursor="kgEC") == 404
