from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from decnet.cli.opening import open_installation
from decnet.ttp.store.filesystem import default_rules_folder
from decnet.web.routes.accounts import make_key
from tests.databases import rows
from tests.web.conftest import served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.conftest import Api

RULE = "R0012"


def state_of(client: httpx.Client, rule_id: str = RULE) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/ttp/rules/{rule_id}").json()["state"]
    return found


def test_the_catalogue_names_every_rule_that_ships(viewer: httpx.Client) -> None:
    entries = viewer.get("/ttp/rules").json()
    ids = [entry["rule_id"] for entry in entries]
    shipped = {path.stem for path in (default_rules_folder() / "ttp").glob("R*.yaml")}
    assert ids == sorted(shipped)
    (entry,) = [entry for entry in entries if entry["rule_id"] == RULE]
    assert {emit["technique_id"] for emit in entry["emits"]} == {"T1105"}
    assert entry["emits"][0]["name"] == "Ingress Tool Transfer"
    assert entry["state"]["mode"] == "enabled"
    assert 0 < entry["measured"]["precision"] <= 1


def test_fires_are_those_of_the_stored_tags(viewer: httpx.Client, api: Api) -> None:
    counts = dict(rows(api.place.database, "SELECT rule_id, count(*) FROM tag GROUP BY rule_id"))
    entries = viewer.get("/ttp/rules").json()
    assert {entry["rule_id"]: entry["fires"]["total"] for entry in entries if entry["fires"]["total"]} == counts
    silent = [entry for entry in entries if not entry["fires"]["total"]]
    assert all(entry["fires"]["last_seen"] is None for entry in silent)


def test_a_rule_shows_its_text_and_its_examples_tried(viewer: httpx.Client) -> None:
    rule = viewer.get(f"/ttp/rules/{RULE}").json()
    assert rule["text"] == (default_rules_folder() / "ttp" / f"{RULE}.yaml").read_text("utf-8")
    assert rule["file"] == f"{RULE}.yaml"
    assert len(rule["cases"]) >= 6
    assert all(case["passed"] for case in rule["cases"])


def test_a_viewer_changes_no_state(viewer: httpx.Client) -> None:
    assert viewer.post(f"/ttp/rules/{RULE}/state", json={"mode": "disabled"}).status_code == 403
    assert viewer.delete(f"/ttp/rules/{RULE}/state").status_code == 403
    assert state_of(viewer)["mode"] == "enabled"


def test_an_order_is_in_force_at_once_and_in_the_store(admin: httpx.Client, folder: Path) -> None:
    order = {"mode": "clipped", "confidence_max": 0.5, "reason": "noisy"}
    given = admin.post(f"/ttp/rules/{RULE}/state", json=order)
    assert given.status_code == 200
    assert {name: given.json()[name] for name in order} == order
    assert state_of(admin) == given.json()
    assert stored_mode(folder) == "clipped"
    assert admin.delete(f"/ttp/rules/{RULE}/state").status_code == 204
    assert state_of(admin)["mode"] == "enabled"
    assert stored_mode(folder) == "enabled"
    assert admin.delete(f"/ttp/rules/{RULE}/state").status_code == 204


def stored_mode(folder: Path) -> str:
    with open_installation(folder) as installation:
        return asyncio.run(installation.rule_store().get_state(RULE)).mode


def test_the_history_of_a_rule_is_told_page_by_page_the_newest_first(admin: httpx.Client) -> None:
    for number in range(5):
        body = {"mode": "disabled", "reason": f"number {number}"}
        assert admin.post(f"/ttp/rules/{RULE}/state", json=body).status_code == 200
    reasons, cursor = [], None
    while True:
        page = admin.get(f"/ttp/rules/{RULE}/history", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        reasons += [state["reason"] for state in page.json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert reasons == [f"number {number}" for number in (4, 3, 2, 1, 0)]


def test_an_order_is_written_down(admin: httpx.Client) -> None:
    admin.post(f"/ttp/rules/{RULE}/state", json={"mode": "disabled", "reason": "too loud"})
    newest = admin.get("/audit").json()["items"][0]
    assert (newest["action"], newest["target"], newest["detail"]) == ("rule disabled", RULE, "reason too loud")
    assert newest["actor"] == state_of(admin)["set_by"]


def test_an_order_ends_when_it_is_due(admin: httpx.Client, api: Api) -> None:
    assert state_of(admin)["mode"] == "enabled"  # the rules are loaded by now
    body = {"mode": "disabled", "expires_at": api.place.clock() + 2_000_000}
    assert admin.post(f"/ttp/rules/{RULE}/state", json=body).status_code == 200
    assert state_of(admin)["mode"] == "disabled"
    deadline = time.monotonic() + 15
    while state_of(admin)["mode"] != "enabled":
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "off"},
        {"mode": "clipped"},
        {"mode": "clipped", "confidence_max": 7},
        {"mode": "clipped", "confidence_max": 0},
        {"mode": "disabled", "confidence_max": 0.5},
        {"mode": "enabled", "expires_at": 2**52},
        {"mode": "disabled", "expires_at": 2**53},
        {"mode": "disabled", "reason": "x" * 501},
        {"mode": "disabled", "set_by": "mallory"},
        {},
        [],
    ],
)
def test_an_order_that_makes_no_sense_is_refused(admin: httpx.Client, body: Any) -> None:
    assert admin.post(f"/ttp/rules/{RULE}/state", json=body).status_code == 400


def test_an_end_in_the_past_is_no_end(admin: httpx.Client) -> None:
    assert admin.post(f"/ttp/rules/{RULE}/state", json={"mode": "disabled", "expires_at": 1}).status_code == 409


def test_a_reason_may_hold_what_is_no_text(admin: httpx.Client) -> None:
    body = b'{"mode": "disabled", "reason": "nul \\u0000 escape \\u001b[31m"}'
    given = admin.post(f"/ttp/rules/{RULE}/state", content=body, headers={"Content-Type": "application/json"})
    assert given.status_code == 200
    assert given.json()["reason"] == "nul ␛0 escape \x1b[31m"


@pytest.mark.parametrize("path", ["", "/history", "/state"])
def test_an_unknown_rule_is_404_and_no_rule_400(admin: httpx.Client, path: str) -> None:
    for rule_id, status in (("R9999", 404), ("..%2fsecret.key", 404), ("nobody", 400)):
        if path == "/state":
            answer = admin.post(f"/ttp/rules/{rule_id}{path}", json={"mode": "disabled"})
        else:
            answer = admin.get(f"/ttp/rules/{rule_id}{path}")
        assert answer.status_code in {status, 404}


@pytest.mark.timeout(60)
def test_a_rule_file_that_changes_is_told_of_without_a_restart(admin: httpx.Client, folder: Path) -> None:
    assert admin.get("/ttp/rules/faults").json() == []
    own = folder / "rules" / "ttp"
    own.mkdir(parents=True, exist_ok=True)
    text = (default_rules_folder() / "ttp" / f"{RULE}.yaml").read_text("utf-8")
    (own / "R9001.yaml").write_text("rule_id: R9001\n", "utf-8")
    (own / f"{RULE}.yaml").write_text(text.replace("maturity: stable", "maturity: sandbox"), "utf-8")
    deadline = time.monotonic() + 30
    while not (found := admin.get("/ttp/rules/faults").json()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {fault["file"] for fault in found} >= {"R9001.yaml"}
    assert all(fault["line"] for fault in found)
    assert RULE in {entry["rule_id"] for entry in admin.get("/ttp/rules").json()}


def test_a_pack_that_cannot_be_used_is_faults_and_no_fault(folder: Path, tmp_path: Path) -> None:
    """No rules at all: what there is to say stands under faults."""
    shutil.copytree(default_rules_folder(), tmp_path / "pack")
    for path in (tmp_path / "pack" / "ttp").glob("*.yaml"):
        path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DECNET_RULES_DIR", str(tmp_path / "pack"))
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(served(folder)) as (place, url):
            key = make_key(place.database, "a viewer", "viewer", actor="test", now=place.clock()).key
            with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
                assert client.get("/ttp/rules").json() == []
                assert client.get("/ttp/rules/faults").json()
