"""Sessions, their replay, and events over the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from decnet.web.shapes import capped
from tests.databases import rows
from tests.web.pages import all_items, got, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.web.conftest import Api

NOBODY = "00000000-0000-4000-8000-000000000000"


def test_pages_hold_every_session_once_and_the_last_begun_first(api: Api, viewer: httpx.Client) -> None:
    api.place.database.write(
        lambda connection: connection.exec_driver_sql(
            "UPDATE session SET started_at = started_at / 1000000 * 1000000"
        ).close()
    )
    found = all_items(viewer, "/sessions", limit=7)
    stored = rows(api.place.database, "SELECT uuid FROM session ORDER BY started_at DESC, id DESC")
    assert [UUID(one["uuid"]).bytes for one in found] == [uuid for (uuid,) in stored]


def test_filters_of_sessions_filter(viewer: httpx.Client) -> None:
    everything = all_items(viewer, "/sessions")
    middle = everything[len(everything) // 2]["started_at"]
    who, whose = everything[-1]["attacker_uuid"], everything[-1]["identity_uuid"]
    cases: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
        ({"attacker": who}, lambda one: one["attacker_uuid"] == who),
        ({"identity": whose}, lambda one: one["identity_uuid"] == whose),
        ({"protocol": "telnet"}, lambda one: one["protocol"] == "telnet"),
        ({"decoy": "decoy-ssh-01"}, lambda one: one["decoy"] == "decoy-ssh-01"),
        ({"min_commands": 2}, lambda one: one["commands"] >= 2),
        ({"logged_in": True}, lambda one: one["logins_succeeded"] > 0),
        ({"logged_in": False}, lambda one: one["logins_succeeded"] == 0),
        ({"since": middle}, lambda one: one["started_at"] >= middle),
        ({"until": middle, "protocol": "ssh"}, lambda one: one["started_at"] < middle and one["protocol"] == "ssh"),
    ]
    for query, holds in cases:
        expected = [one["uuid"] for one in everything if holds(one)]
        assert expected
        assert [one["uuid"] for one in all_items(viewer, "/sessions", limit=3, **query)] == expected, query
    assert all_items(viewer, "/sessions", decoy="nobody") == []


def test_a_session_is_told_with_its_techniques_and_tags(viewer: httpx.Client) -> None:
    listed = max(all_items(viewer, "/sessions"), key=lambda one: one["tags"])
    found = got(viewer, f"/sessions/{listed['uuid']}")
    assert {name: found[name] for name in listed} == listed
    assert sum(one["count"] for one in found["seen"]) == len(found["newest_tags"]) > 0
    assert {one["session_uuid"] for one in found["newest_tags"]} == {listed["uuid"]}


def test_a_replay_is_what_happened_in_its_order_with_every_tag(api: Api, viewer: httpx.Client) -> None:
    for listed in all_items(viewer, "/sessions"):
        steps = all_items(viewer, f"/sessions/{listed['uuid']}/replay", limit=5)
        stored = rows(
            api.place.database,
            "SELECT event.id FROM event JOIN session ON session.id = session_id WHERE uuid = :uuid "
            "ORDER BY observed_at, seq, event.id",
            uuid=UUID(listed["uuid"]).bytes,
        )
        assert [UUID(step["id"]).bytes for step in steps] == [key for (key,) in stored]
        on_events = {tag["uuid"] for step in steps for tag in step["tags"]}
        tagged = rows(
            api.place.database,
            "SELECT tag.uuid FROM tag JOIN session ON session.id = session_id WHERE session.uuid = :uuid "
            "AND source_id IN (SELECT lower(hex(id)) FROM event)",
            uuid=UUID(listed["uuid"]).bytes,
        )
        assert on_events == {str(UUID(bytes=uuid)) for (uuid,) in tagged}


def test_a_replay_shows_what_matched_and_what_was_decoded(api: Api, viewer: httpx.Client) -> None:
    shown = 0
    for listed in all_items(viewer, "/sessions", min_commands=1):
        for step in all_items(viewer, f"/sessions/{listed['uuid']}/replay"):
            for tag in step["tags"]:
                if step["source_kind"] == "command":
                    line = step["payload"]["command_text"].encode()
                    evidence = tag["evidence"]
                    assert 0 <= evidence["start"] < evidence["end"] <= len(line)
                    shown += 1
    commands = rows(api.place.database, "SELECT count(*) FROM tag WHERE source_kind = 'command'")[0][0]
    assert shown == commands > 100


def test_events_are_told_as_they_are_stored_secrets_as_digests(api: Api, viewer: httpx.Client) -> None:
    found = all_items(viewer, "/events", limit=100)
    stored = rows(api.place.database, "SELECT id, payload FROM event ORDER BY id DESC")
    assert [UUID(one["id"]).bytes for one in found] == [key for key, _ in stored]
    assert [one["payload"] for one in found] == [capped(json.loads(payload)) for _, payload in stored]
    one = next(one for one in found if one["source_kind"] == "auth_attempt")
    assert got(viewer, f"/events/{one['id']}") == one
    assert got(viewer, f"/events/{one['id'].replace('-', '')}") == one


def test_filters_of_events_filter(viewer: httpx.Client) -> None:
    everything = all_items(viewer, "/events", limit=1_000)
    second = everything[300]["observed_at"] // 1_000_000 * 1_000_000
    cases: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
        ({"source_kind": "payload"}, lambda one: one["source_kind"] == "payload"),
        ({"text": "busybox"}, lambda one: "busybox" in str(one["payload"])),
        ({"since": second}, lambda one: one["observed_at"] >= second),
        ({"until": second}, lambda one: one["observed_at"] < second),
        ({"text": "command_text"}, lambda _: False),
        ({"text": "BUSYBOX wget"}, lambda _: False),
    ]
    for query, holds in cases:
        expected = [one["id"] for one in everything if holds(one)]
        assert [one["id"] for one in all_items(viewer, "/events", limit=4, **query)] == expected, query


def test_long_text_is_cut_in_lists_and_whole_by_itself(api: Api, viewer: httpx.Client) -> None:
    ((key,), *_) = rows(api.place.database, "SELECT id FROM event WHERE source_kind = 'command'")
    long = json.dumps({"command_text": "a" * 10_000})
    api.place.database.write(
        lambda connection: connection.exec_driver_sql("UPDATE event SET payload = ? WHERE id = ?", (long, key)).close()
    )
    listed = next(one for one in all_items(viewer, "/events") if UUID(one["id"]).bytes == key)
    assert len(listed["payload"]["command_text"]) == 4_096
    assert listed["payload"]["command_text"].endswith("…")
    assert got(viewer, f"/events/{listed['id']}")["payload"]["command_text"] == "a" * 10_000


def test_an_empty_store_has_no_sessions(empty_api: Api) -> None:
    with empty_api.as_("viewer") as client:
        for path in ("/sessions", "/sessions?logged_in=true", "/events", "/events?text=wget"):
            assert got(client, path) == {"items": [], "next": None}


def test_what_is_unknown_is_not_found_and_what_is_malformed_is_refused(viewer: httpx.Client) -> None:
    for path in (f"/sessions/{NOBODY}", f"/sessions/{NOBODY}/replay", f"/events/{NOBODY}"):
        assert refused(viewer, path) == 404
    assert got(viewer, "/sessions", attacker=NOBODY)["items"] == []
    for path in ("/sessions/x", "/sessions/x/replay", "/events/%00", "/sessions/%2e%2e%2fx"):
        assert refused(viewer, path) in {400, 404}
    for query in (
        {"attacker": "x"},
        {"min_commands": -1},
        {"protocol": "a b"},
        {"logged_in": "maybe"},
    ):
        assert refused(viewer, "/sessions", **query) == 400, query
    assert refused(viewer, "/events", text="a\0") == 400
