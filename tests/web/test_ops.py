from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.topics import TAGGED
from decnet.db.clocks import note_heard
from decnet.db.journal import StoredLetter, add_letter
from decnet.db.outbox import backlog
from decnet.db.refusals import add_refusals

if TYPE_CHECKING:
    import httpx

    from tests.web.conftest import Api


def test_a_sensor_is_told_with_how_long_it_is_quiet(api: Api, viewer: httpx.Client) -> None:
    before = {one["name"] for one in viewer.get("/ops/sensors").json()}
    heard = api.place.clock() - 60_000_000
    name = min(before)
    api.place.database.write(partial(note_heard, heard={name: heard}))
    told = next(one for one in viewer.get("/ops/sensors").json() if one["name"] == name)
    assert told["heard_at"] == heard
    assert 60 <= told["quiet_s"] < 120


def test_each_worker_tells_how_far_behind_it_is(viewer: httpx.Client) -> None:
    told = viewer.get("/ops/workers").json()
    assert {one["name"] for one in told["workers"]} >= {"attribute", "ttp", "cluster", "enrich"}
    assert all(one["waiting"] == 0 for one in told["workers"])


def test_a_dead_letter_is_told_and_handed_out_again(api: Api, viewer: httpx.Client, admin: httpx.Client) -> None:
    letter = StoredLetter(0, "ttp", 3, TAGGED.pattern, b"\x80", "it \x1b[31mfailed", 5, 1_000)
    api.place.database.write(partial(add_letter, letter=letter))
    told = viewer.get("/ops/deadletters").json()[0]
    assert (told["worker"], told["tries"], told["died_at"], told["item_hex"]) == ("ttp", 5, 1_000, "80")
    waiting, _ = api.place.database.read(backlog)
    assert admin.post(f"/ops/deadletters/{told['id']}/replay").status_code == 204
    assert api.place.database.read(backlog)[0] == waiting + 1
    assert viewer.get("/ops/deadletters").json() == []
    assert admin.post(f"/ops/deadletters/{told['id']}/replay").status_code == 404
    assert admin.get("/audit", params={"limit": 1}).json()["items"][0]["action"] == "dead letter replayed"


def test_refusals_are_told_by_sensor_and_reason_page_by_page(api: Api, viewer: httpx.Client) -> None:
    counts = {"no JSON": (3, "<x>"), "too long": (1, "y")}
    for sensor in ("a", "b"):
        api.place.database.write(partial(add_refusals, sensor=sensor, counts=counts, now=7))
    first = viewer.get("/ops/refusals", params={"limit": 3}).json()
    rest = viewer.get("/ops/refusals", params={"limit": 3, "cursor": first["next"]}).json()
    found = [(one["sensor"], one["reason"], one["count"]) for one in first["items"] + rest["items"]]
    assert found == [(sensor, reason, count) for sensor in "ab" for reason, (count, _) in sorted(counts.items())]
    assert rest["next"] is None


def test_metrics_count_what_is_stored_and_how_the_api_answered(api: Api, viewer: httpx.Client) -> None:
    viewer.get("/ops/workers")
    viewer.get("/nothing/at/all")
    with api.as_("metrics") as prometheus:
        text = prometheus.get("/metrics").text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(figures['decnet_stored{what="tags"}']) > 100
    assert float(figures['decnet_stored{what="attackers"}']) > 1
    assert figures['decnet_worker_waiting{worker="ttp"}'] == "0.0"
    assert 'decnet_http_requests_total{method="GET",route="/ops/workers",status="200"}' in figures
    assert "/nothing" not in text
