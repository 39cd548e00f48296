"""Receivers of alerts over the API: made, changed, tried, looked at, deleted, and never inside by accident."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from decnet.alerts.target import AllowedNetworks
from decnet.alerts.webhook import hook_secret
from decnet.db import hooks
from decnet.models.tag import TagUuid
from tests.databases import rows

if TYPE_CHECKING:
    import httpx

    from tests.web.conftest import Api

PUBLIC = "https://8.8.8.8/alerts"


def made(admin: httpx.Client, **changes: Any) -> dict[str, Any]:
    answer = admin.post("/webhooks", json={"name": "soc", "url": PUBLIC} | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def audited(admin: httpx.Client) -> list[tuple[str, str, str]]:
    items = admin.get("/audit").json()["items"]
    return [(one["action"], one["target"], one["detail"]) for one in items if "web" in one["action"]]


def test_the_secret_is_shown_once(api: Api, admin: httpx.Client) -> None:
    hook = made(admin)
    (stored,) = api.place.database.read(hooks.all_hooks)
    assert hook["secret"] == hook_secret(api.place.key, stored.salt)
    assert hook["format"] == "json"
    for answer in (admin.get("/webhooks"), admin.get(f"/webhooks/{hook['id']}")):
        assert "whsec_" not in answer.text
    everything = str([rows(api.place.database, f"SELECT * FROM {table}") for table in ("hook", "audit")])
    assert hook["secret"] not in everything


def test_what_is_wanted_is_kept(admin: httpx.Client) -> None:
    wanted = {
        "techniques": ["T1059", "T1059.004"],
        "tactics": ["TA0002"],
        "identities": ["01020304-0506-0708-090a-0b0c0d0e0f10"],
        "min_confidence": 0.8,
        "per_minute": 5,
    }
    hook = made(admin, **wanted)
    found = admin.get(f"/webhooks/{hook['id']}").json()
    assert {name: found[name] for name in wanted} == wanted
    changed = admin.patch(f"/webhooks/{hook['id']}", json={"techniques": [], "per_minute": 6}).json()
    assert (changed["techniques"], changed["tactics"], changed["per_minute"]) == ([], ["TA0002"], 6)


def test_changes_are_written_down_without_paths(admin: httpx.Client) -> None:
    number = made(admin, url=PUBLIC + "?token=hidden")["id"]
    admin.patch(f"/webhooks/{number}", json={"disabled": True, "url": PUBLIC + "?token=hidden2"})
    admin.post(f"/webhooks/{number}/test")
    admin.delete(f"/webhooks/{number}")
    assert audited(admin) == [
        ("webhook deleted", "soc", f"number {number}"),
        ("webhook tested", "soc", f"number {number}; delivery 1"),
        ("webhook changed", "soc", f"number {number}; disabled, url"),
        ("webhook added", "soc", f"number {number}, https://8.8.8.8:443"),
    ]
    assert "hidden" not in admin.get("/audit").text


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "https://user:pass@8.8.8.8/",
        "https://8.8.8.8:22/",
        "ftp://8.8.8.8/",
        "udp://127.0.0.1",
        "tcp://8.8.8.8/path",
        "",
        "x" * 3_000,
        "https://8.8.8.8/\u0000",
    ],
)
def test_an_address_inside_is_refused(admin: httpx.Client, url: str) -> None:
    assert admin.post("/webhooks", json={"name": "soc", "url": url}).status_code in {400, 409}
    number = made(admin)["id"]
    assert admin.patch(f"/webhooks/{number}", json={"url": url}).status_code in {400, 409}
    assert admin.get(f"/webhooks/{number}").json()["url"] == PUBLIC


def test_an_address_inside_is_taken_where_the_operator_names_it(api: Api, admin: httpx.Client) -> None:
    object.__setattr__(api.place, "alert_networks", AllowedNetworks(["127.0.0.0/8"]))
    assert made(admin, url="http://127.0.0.1:9000/")["url"] == "http://127.0.0.1:9000/"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"techniques": ["T1"]},
        {"techniques": ["T1059"] * 51},
        {"tactics": ["execution"]},
        {"identities": ["x"]},
        {"min_confidence": 1.1},
        {"min_confidence": -0.1},
        {"per_minute": 0},
        {"per_minute": 2**31},
        {"format": "xml"},
        {"format": "cef"},
        {"secret": "mine"},
    ],
)
def test_what_is_malformed_is_refused(admin: httpx.Client, changes: dict[str, Any]) -> None:
    assert admin.post("/webhooks", json={"name": "soc", "url": PUBLIC} | changes).status_code in {400, 409}
    assert admin.get("/webhooks").json() == []


def test_syslog_has_formats_and_no_secret(admin: httpx.Client) -> None:
    hook = made(admin, url="tls://8.8.8.8", format="cef")
    assert (hook["format"], hook["secret"]) == ("cef", None)
    assert admin.patch(f"/webhooks/{hook['id']}", json={"url": "udp://8.8.8.8"}).json()["format"] == "cef"
    assert admin.patch(f"/webhooks/{hook['id']}", json={"url": PUBLIC}).status_code == 409


def test_a_webhook_is_switched_off_and_on(admin: httpx.Client) -> None:
    number = made(admin)["id"]
    assert admin.patch(f"/webhooks/{number}", json={"disabled": True}).json()["disabled_at"] is not None
    assert admin.patch(f"/webhooks/{number}", json={"disabled": False}).json()["disabled_at"] is None


def test_deliveries_come_in_pages_and_by_state(api: Api, admin: httpx.Client) -> None:
    number = made(admin)["id"]
    keys = [(5 + at, TagUuid(bytes([at]) * 16)) for at in range(5)]
    api.place.database.write(partial(hooks.add_tag_deliveries, hook_id=number, keys=keys, now=9))
    end = partial(hooks.end_delivery, delivery_id=2, state="dead", tries=8, error="status 500", now=10)
    api.place.database.write(end)
    first = admin.get(f"/webhooks/{number}/deliveries", params={"limit": 3}).json()
    rest = admin.get(f"/webhooks/{number}/deliveries", params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    (dead,) = admin.get(f"/webhooks/{number}/deliveries", params={"state": "dead"}).json()["items"]
    assert (dead["tries"], dead["error"], dead["ended_at"]) == (8, "status 500", 10)
    assert (dead["observed_at"], dead["tag"]) == (6, "01010101-0101-0101-0101-010101010101")


def test_a_dead_delivery_waits_again(api: Api, admin: httpx.Client) -> None:
    number = made(admin)["id"]
    delivery = admin.post(f"/webhooks/{number}/test").json()["id"]
    end = partial(hooks.end_delivery, delivery_id=delivery, state="dead", tries=8, error="status 500", now=10)
    api.place.database.write(end)
    answer = admin.post(f"/webhooks/{number}/deliveries/{delivery}/replay")
    assert (answer.status_code, answer.json()["state"], answer.json()["tries"]) == (202, "waiting", 0)


def test_a_sample_waits_for_the_worker(admin: httpx.Client) -> None:
    number = made(admin)["id"]
    answer = admin.post(f"/webhooks/{number}/test")
    assert (answer.status_code, answer.json()["kind"], answer.json()["state"]) == (202, "test", "waiting")


def test_what_is_deleted_takes_its_deliveries_along(api: Api, admin: httpx.Client) -> None:
    number = made(admin)["id"]
    keys = [(at, TagUuid(at.to_bytes(16, "big"))) for at in range(1_001)]
    api.place.database.write(partial(hooks.add_tag_deliveries, hook_id=number, keys=keys, now=9))
    assert admin.delete(f"/webhooks/{number}").status_code == 204
    assert rows(api.place.database, "SELECT count(*) FROM hook_delivery") == [(0,)]
    assert admin.get("/webhooks").json() == []


def test_an_unknown_one_is_404(admin: httpx.Client) -> None:
    number = made(admin)["id"]
    other = made(admin)["id"]
    mine = admin.post(f"/webhooks/{other}/test").json()["id"]
    assert admin.get("/webhooks/99").status_code == 404
    assert admin.patch("/webhooks/99", json={}).status_code == 404
    assert admin.delete("/webhooks/99").status_code == 404
    assert admin.get("/webhooks/99/deliveries").status_code == 404
    assert admin.post("/webhooks/99/test").status_code == 404
    assert admin.post(f"/webhooks/{number}/deliveries/{mine}/replay").status_code == 404
    for bad in ("0", "-1", "x", str(2**53), str(2**64)):
        assert admin.get(f"/webhooks/{bad}").status_code == 400


def test_there_is_an_end_to_webhooks(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decnet.web.routes.webhooks.MOST_HOOKS", 1)
    made(admin)
    assert admin.post("/webhooks", json={"name": "soc", "url": PUBLIC}).status_code == 409


def test_viewers_see_none_of_it(viewer: httpx.Client) -> None:
    assert viewer.get("/webhooks").status_code == 403
    assert viewer.post("/webhooks", json={"name": "soc", "url": PUBLIC}).status_code == 403
