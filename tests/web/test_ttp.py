"""Techniques, tags and activity of the recorded attack over the API."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from decnet.db.views import technique_counts
from decnet.web.pages import cursor_of
from tests.databases import rows
from tests.web.pages import all_items, got, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.web.conftest import Api

NOBODY = "00000000-0000-4000-8000-000000000000"
SCOPES = {"attacker": "attackers", "identity": "identities", "campaign": "campaigns", "session": "sessions"}
DAY_US = 86_400_000_000


def techniques(client: httpx.Client, path: str = "/ttp/techniques", **query: object) -> Counter[tuple[str, ...]]:
    items = got(client, path, **query)["items"]
    return Counter({(one["tactic"], one["technique_id"], one["sub_technique_id"] or ""): one["count"] for one in items})


def test_techniques_are_those_of_the_command_line(api: Api, viewer: httpx.Client) -> None:
    expected = api.place.database.read(lambda connection: technique_counts(connection, 0.6))
    items = got(viewer, "/ttp/techniques")["items"]
    assert [(one["technique_id"], one["sub_technique_id"], one["count"], one["first_seen"]) for one in items] == [
        (one.technique_id, one.sub_technique_id, one.count, one.first_seen_us) for one in expected
    ]
    transfer = next(one for one in items if one["technique_id"] == "T1105")
    assert transfer["name"] == "Ingress Tool Transfer"
    assert transfer["tactic_name"] == "Command and Control"
    assert transfer["url"] == "https://attack.mitre.org/techniques/T1105/"


def test_sums_by_any_table_count_the_same_tags(viewer: httpx.Client) -> None:
    everything = techniques(viewer, min_confidence=0)
    last = max(one["last_seen"] for one in got(viewer, "/ttp/techniques")["items"])
    assert techniques(viewer, min_confidence=0, since=last - DAY_US, until=last + 1) == everything  # by hour
    assert techniques(viewer, min_confidence=0, since=last - 9 * DAY_US) == everything  # by day
    assert techniques(viewer, min_confidence=0, source_kind="command") == techniques(
        viewer, min_confidence=0, source_kind="command", since=last - 9 * DAY_US
    )
    assert techniques(viewer, min_confidence=0, decoy="nobody") == Counter()
    assert techniques(viewer, since=last + DAY_US) == Counter()


def test_filters_of_techniques_filter(viewer: httpx.Client) -> None:
    items = got(viewer, "/ttp/techniques")["items"]
    assert {one["tactic"] for one in got(viewer, "/ttp/techniques", tactic="TA0011")["items"]} == {"TA0011"}
    assert [one["name"] for one in got(viewer, "/ttp/techniques", text="ingress")["items"]] == ["Ingress Tool Transfer"]
    sure = got(viewer, "/ttp/techniques", min_confidence=0.9)["items"]
    assert 0 < len(sure) < len(items)
    commands = techniques(viewer, source_kind="command")
    assert 0 < sum(commands.values()) < sum(one["count"] for one in items)


def test_what_has_not_changed_is_not_sent_again(viewer: httpx.Client) -> None:
    first = viewer.get("/ttp/techniques")
    again = viewer.get("/ttp/techniques", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = viewer.get("/ttp/techniques?tactic=TA0011", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize("scope", SCOPES)
def test_techniques_of_all_owners_make_those_of_the_fleet(viewer: httpx.Client, scope: str) -> None:
    fleet = techniques(viewer, min_confidence=0)
    summed: Counter[tuple[str, ...]] = Counter()
    for owner in all_items(viewer, f"/{SCOPES[scope]}"):
        summed += techniques(viewer, f"/ttp/by-{scope}/{owner['uuid']}", min_confidence=0)
    if scope == "session":  # what only several sessions show belongs to none
        assert set(summed) <= set(fleet)
        assert all(summed[use] <= fleet[use] for use in summed)
    else:
        assert summed == fleet


@pytest.mark.parametrize("scope", SCOPES)
def test_tags_of_a_technique_are_as_many_as_its_sum_says(viewer: httpx.Client, scope: str) -> None:
    owners = [one for one in all_items(viewer, f"/{SCOPES[scope]}") if one["tags"]]
    owner = max(owners, key=lambda one: one["tags"])["uuid"]
    sums: Counter[str] = Counter()
    for (_, technique, _), count in techniques(viewer, f"/ttp/by-{scope}/{owner}", min_confidence=0).items():
        sums[technique] += count
    for technique, count in sums.items():
        path = f"/ttp/tags/by-{scope}/{owner}/{technique}"
        found = all_items(viewer, path, min_confidence=0, limit=3)
        assert len(found) == count
        assert {one["technique_id"] for one in found} == {technique}
        keys = [(one["observed_at"], one["uuid"]) for one in found]
        assert keys == sorted(set(keys), reverse=True)


def test_pages_of_tags_hold_every_tag_once_and_the_newest_first(api: Api, viewer: httpx.Client) -> None:
    sql = (
        "SELECT count(*), count(nullif(name, '')) FROM tag JOIN sensor ON sensor.id = decky_id WHERE confidence >= 0.6"
    )
    ((stored, on_decoys),) = rows(api.place.database, sql)
    for query, count in (({}, stored), ({"decoy": "decoy-ssh-01"}, on_decoys)):
        found = all_items(viewer, "/ttp/tags", limit=7, **query)
        keys = [(one["observed_at"], one["uuid"]) for one in found]
        assert len(keys) == count
        assert keys == sorted(set(keys), reverse=True)


def test_filters_of_tags_filter(viewer: httpx.Client) -> None:
    everything = all_items(viewer, "/ttp/tags", limit=1_000)
    middle = everything[len(everything) // 2]["observed_at"]
    cases: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
        ({"technique": "T1105"}, lambda one: one["technique_id"] == "T1105"),
        ({"technique": "T1059.004"}, lambda one: one["sub_technique_id"] == "T1059.004"),
        ({"tactic": "TA0007"}, lambda one: one["tactic"] == "TA0007"),
        ({"source_kind": "session"}, lambda one: one["source_kind"] == "session"),
        ({"min_confidence": 0.85}, lambda one: one["confidence"] >= 0.85),
        ({"since": middle}, lambda one: one["observed_at"] >= middle),
        ({"until": middle, "tactic": "TA0007"}, lambda one: one["observed_at"] < middle and one["tactic"] == "TA0007"),
    ]
    for query, holds in cases:
        expected = [one["uuid"] for one in everything if holds(one)]
        assert [one["uuid"] for one in all_items(viewer, "/ttp/tags", limit=5, **query)] == expected
        assert expected


def test_a_tag_is_found_by_its_key(viewer: httpx.Client) -> None:
    listed = next(one for one in all_items(viewer, "/ttp/tags") if one["technique_id"] == "T1105")
    found = got(viewer, f"/ttp/tags/{listed['observed_at']}/{listed['uuid']}")
    assert found == listed
    assert found["address"].startswith("198.51.100.")
    assert found["evidence"]["matched"]
    assert got(viewer, f"/events/{found['source_id']}")["session_uuid"] == found["session_uuid"]
    assert refused(viewer, f"/ttp/tags/{listed['observed_at'] + 1}/{listed['uuid']}") == 404


@pytest.mark.parametrize("bucket", ["hour", "day"])
def test_activity_counts_the_tags_of_each_tactic(viewer: httpx.Client, bucket: str) -> None:
    since = max(one["last_seen"] for one in got(viewer, "/ttp/techniques")["items"]) - 2 * DAY_US
    answer = got(viewer, "/ttp/activity", bucket=bucket, since=since)
    counted: Counter[str] = Counter()
    for one in answer["items"]:
        counted[one["tactic"]] += one["count"]
    expected: Counter[str] = Counter()
    for (tactic, _, _), count in techniques(viewer).items():
        expected[tactic] += count
    assert counted == expected
    assert answer["bucket"] == bucket


def test_activity_of_a_long_time_is_that_of_its_newest_part(viewer: httpx.Client) -> None:
    for bucket, length in (("hour", DAY_US // 24), ("day", DAY_US)):
        answer = got(viewer, "/ttp/activity", bucket=bucket, since=0)
        assert answer["until"] - answer["since"] == 400 * length
        assert answer["items"]
    assert got(viewer, "/ttp/activity", bucket="hour", since=9, until=7)["items"] == []


def test_activity_of_a_technique_counts_what_is_below_it(viewer: httpx.Client) -> None:
    for wanted in ("T1059", "T1059.004"):
        answer = got(viewer, "/ttp/activity", technique=wanted)
        expected = sum(count for (_, technique, sub), count in techniques(viewer).items() if wanted in {technique, sub})
        assert expected
        assert sum(one["count"] for one in answer["items"]) == expected


def test_activity_by_decoy_comes_by_the_day(viewer: httpx.Client) -> None:
    assert got(viewer, "/ttp/activity", decoy="x")["items"] == []
    answer = got(viewer, "/ttp/activity", bucket="hour", source_kind="command")
    assert answer["bucket"] == "day"
    assert sum(one["count"] for one in answer["items"]) == sum(techniques(viewer, source_kind="command").values())


def test_an_empty_store_has_empty_answers(empty_api: Api) -> None:
    with empty_api.as_("viewer") as client:
        assert got(client, "/ttp/techniques") == {"items": [], "next": None}
        assert got(client, "/ttp/tags") == {"items": [], "next": None}
        assert got(client, "/ttp/tags", technique="T1105") == {"items": [], "next": None}
        assert got(client, "/ttp/activity")["items"] == []


def test_who_is_unknown_is_not_found(viewer: httpx.Client) -> None:
    for scope in SCOPES:
        assert refused(viewer, f"/ttp/by-{scope}/{NOBODY}") == 404
        assert refused(viewer, f"/ttp/tags/by-{scope}/{NOBODY}/T1105") == 404
    assert refused(viewer, f"/ttp/tags/1/{NOBODY}") == 404


def test_what_is_malformed_is_refused(viewer: httpx.Client) -> None:
    for path in (
        "/ttp/by-attacker/nobody",
        f"/ttp/by-fleet/{NOBODY}",
        f"/ttp/tags/by-attacker/{NOBODY}/T1",
        f"/ttp/tags/by-attacker/{NOBODY}/T1105'--",
        f"/ttp/tags/-1/{NOBODY}",
        f"/ttp/tags/{2**53}/{NOBODY}",
        f"/ttp/tags/1e3/{NOBODY}",
    ):
        assert refused(viewer, path) == 400, path
    for query in (
        {"technique": "x"},
        {"tactic": "TA1"},
        {"min_confidence": "nan"},
        {"min_confidence": 1.5},
        {"since": -1},
        {"until": 2**53},
        {"limit": 0},
        {"limit": 1_001},
        {"decoy": "a\0b"},
        {"source_kind": "Command"},
    ):
        assert refused(viewer, "/ttp/tags", **query) == 400, query


def test_a_cursor_that_is_none_of_ours_leads_nowhere(viewer: httpx.Client) -> None:
    forged = [cursor_of(place) for place in ((2**60, 1), (-(2**60), b"x" * 16), (1, b"x" * 17), (b"x" * 15,), "x")]
    for path in ("/ttp/tags", "/attackers", "/identities", "/campaigns", "/sessions", "/events"):
        for cursor in ("gA", "*", "kgEC" * 3, *forged):
            assert refused(viewer, path, cursor=cursor) == 404, path
