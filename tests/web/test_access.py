from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING

import httpx
import jwt
import pytest

from decnet.db import access
from decnet.web.access import throttle, tokens
from decnet.web.access.passwords import is_right
from decnet.web.access.principal import CSRF_COOKIE, CSRF_HEADER
from tests.web.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from tests.web.conftest import Api


def log_in(api: Api, name: str = "viewer", password: str = PASSWORD) -> httpx.Response:
    """By a client without cookies."""
    return httpx.post(f"{api.url}/auth/login", json={"name": name, "password": password})


def tokens_of(api: Api, name: str = "viewer") -> dict[str, str]:
    told: dict[str, str] = log_in(api, name).json()
    return told


@pytest.fixture
def browser(api: Api) -> Iterator[httpx.Client]:
    """A client that keeps cookies and is logged in as an administrator."""
    with httpx.Client(base_url=api.url) as client:
        assert client.post("/auth/login", json={"name": "admin", "password": PASSWORD}).status_code == 200
        yield client


def test_a_log_in_gives_tokens_that_name_the_account(api: Api) -> None:
    with api.asking(tokens_of(api)["access_token"]) as client:
        mine = client.get("/auth/me").json()
    assert (mine["name"], mine["kind"], mine["scope"]) == ("viewer", "user", "viewer")


@pytest.mark.parametrize(("name", "password"), [("viewer", "wrong"), ("nobody", PASSWORD), ("viewer", "")])
def test_a_wrong_name_and_a_wrong_password_are_the_same_refusal(api: Api, name: str, password: str) -> None:
    refused = log_in(api, name, password)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"] == "the name or the password is wrong"


def test_an_unknown_account_costs_the_time_of_a_known_one(api: Api) -> None:
    def slowest_of_three(stored: str | None) -> float:
        took = []
        for _ in range(3):
            started = time.process_time()
            is_right("some password", stored)
            took.append(time.process_time() - started)
        return max(took)

    known = api.place.database.read(lambda connection: access.password_hash_of(connection, "viewer"))
    assert known is not None
    is_right("some password", None)
    assert slowest_of_three(None) > slowest_of_three(known) / 10


def test_wrong_passwords_in_a_row_cost_time_also_for_the_right_one(api: Api) -> None:
    for _ in range(throttle.FREE):
        assert log_in(api, password="wrong").status_code == 401
    refused = log_in(api)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert log_in(api, "admin").status_code == 429, "the address has to wait, whichever account it tries"


def test_what_waiting_costs_doubles_up_to_a_quarter_of_an_hour(api: Api) -> None:
    def waits(failures: int) -> int:
        def work(connection: Connection) -> int:
            access.forget_failures(connection, "account x")
            for _ in range(failures):
                throttle.note_failure(connection, ["account x"], now=0)
            return throttle.wait_s(connection, ["account x"], now=0)

        return api.place.database.write(work)

    assert [waits(n) for n in (0, 4, 5, 6, 7, 50)] == [0, 0, 2, 4, 8, 900]


def test_a_right_password_forgets_the_failures_of_the_account(api: Api) -> None:
    for _ in range(throttle.FREE - 1):
        log_in(api, password="wrong")
    assert log_in(api).status_code == 200
    held = api.place.database.read(lambda connection: access.failures_of(connection, ["account viewer"]))
    assert held == []


# --- tokens


def test_a_tampered_access_token_is_nobody(api: Api) -> None:
    good = tokens_of(api)["access_token"]
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    forged = {
        "none": jwt.encode(claims, "", algorithm="none"),
        "other key": jwt.encode(claims, b"x" * 32, algorithm="HS256"),
        "other algorithm": _signed_by_sha512(claims, api.place.key),
        "no signature": f"{head}.{body}.",
        "changed body": f"{head}.{body[:-2]}AA.{signature}",
        "no expiry": jwt.encode({**claims, "exp": None}, tokens.signing_key(api.place.key), algorithm="HS256"),
        "other issuer": jwt.encode({**claims, "iss": "x"}, tokens.signing_key(api.place.key), algorithm="HS256"),
        "long": good + "A" * 10_000,
        "words": "x",
    }
    for what, token in forged.items():
        with api.asking(token) as client:
            assert client.get("/auth/me").status_code == 401, what


def _signed_by_sha512(claims: dict[str, object], key: bytes) -> str:
    with warnings.catch_warnings(action="ignore"):
        return jwt.encode(claims, tokens.signing_key(key), algorithm="HS512")


def test_an_access_token_expires_by_our_own_clock() -> None:
    key = tokens.signing_key(b"k" * 32)
    token = tokens.access_token(key, 7, now_us=1_000_000_000)
    last = 1_000_000_000 + tokens.ACCESS_S * 1_000_000
    assert tokens.login_in(key, token, now_us=last - 1) == 7
    assert tokens.login_in(key, token, now_us=last) is None


def test_a_refresh_token_is_good_once_and_a_second_use_ends_the_log_in(api: Api) -> None:
    first = tokens_of(api)
    body = {"refresh_token": first["refresh_token"]}
    second = api.client.post("/auth/refresh", json=body)
    assert second.status_code == 200
    api.client.cookies.clear()
    assert api.client.post("/auth/refresh", json=body).status_code == 401
    newest = {"refresh_token": second.json()["refresh_token"]}
    assert api.client.post("/auth/refresh", json=newest).status_code == 401, "the thief's token ended it for both"
    with api.asking(second.json()["access_token"]) as client:
        assert client.get("/auth/me").status_code == 401


def test_a_made_up_refresh_token_ends_nobodys_log_in(api: Api) -> None:
    told = tokens_of(api)
    number = told["refresh_token"].split("_")[1]
    for text in (f"dr_{number}_guess", f"dr_{number}_guess.0123", "dr__", "x", told["access_token"]):
        assert api.client.post("/auth/refresh", json={"refresh_token": text}).status_code == 401
    assert api.client.post("/auth/refresh", json={"refresh_token": told["refresh_token"]}).status_code == 200


def test_logging_out_ends_the_log_in_and_takes_the_cookies_back(browser: httpx.Client) -> None:
    csrf = {CSRF_HEADER: browser.cookies[CSRF_COOKIE]}
    kept = dict(browser.cookies)
    assert browser.post("/auth/logout", headers=csrf).status_code == 204
    assert not browser.cookies
    with httpx.Client(base_url=browser.base_url, cookies=kept) as thief:
        assert thief.get("/auth/me").status_code == 401


def test_every_log_in_is_a_new_one_whatever_cookies_came_with_it(api: Api) -> None:
    fixed = tokens_of(api)
    with httpx.Client(base_url=api.url, cookies={"decnet_access": fixed["access_token"]}) as victim:
        victim.post("/auth/login", json={"name": "admin", "password": PASSWORD})
    with api.asking(fixed["access_token"]) as attacker:
        assert attacker.get("/auth/me").json()["name"] == "viewer"


# --- browsers


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(api: Api) -> None:
    set_cookies = log_in(api).headers.get_list("set-cookie")
    by_name = {text.partition("=")[0]: text.lower() for text in set_cookies}
    assert all("samesite=strict" in text for text in by_name.values())
    assert "httponly" in by_name["decnet_access"]
    assert "httponly" in by_name["decnet_refresh"]
    assert "path=/api/v1/auth" in by_name["decnet_refresh"]
    assert "httponly" not in by_name["decnet_csrf"]


def test_a_change_by_cookie_needs_the_csrf_token(browser: httpx.Client) -> None:
    new = {"name": "mallory"}
    assert browser.post("/users", json=new).status_code == 403
    assert browser.post("/users", json=new, headers={CSRF_HEADER: "0" * 64}).status_code == 403
    assert browser.post("/auth/refresh").status_code == 403
    right = {CSRF_HEADER: browser.cookies[CSRF_COOKIE]}
    assert browser.post("/users", json=new, headers=right).status_code == 201
    assert browser.post("/auth/refresh", headers=right).status_code == 200


def test_the_csrf_token_of_one_log_in_is_no_good_for_another(api: Api, browser: httpx.Client) -> None:
    others = tokens_of(api)["csrf_token"]
    assert browser.post("/users", json={"name": "mallory"}, headers={CSRF_HEADER: others}).status_code == 403


# --- accounts and keys


def test_a_disabled_account_is_out_at_once(api: Api, admin: httpx.Client) -> None:
    told = tokens_of(api)
    number = next(one["id"] for one in admin.get("/users").json() if one["name"] == "viewer")
    assert admin.patch(f"/users/{number}", json={"disabled": True}).json()["disabled_at"] is not None
    with api.asking(told["access_token"]) as client:
        assert client.get("/auth/me").status_code == 401
    assert log_in(api).status_code == 401
    assert admin.patch(f"/users/{number}", json={"disabled": False}).json()["disabled_at"] is None
    assert log_in(api).status_code == 200


def test_a_new_password_is_in_force_and_ends_what_the_old_one_began(api: Api, admin: httpx.Client) -> None:
    told = tokens_of(api)
    number = next(one["id"] for one in admin.get("/users").json() if one["name"] == "viewer")
    assert admin.patch(f"/users/{number}", json={"password": "another long one"}).status_code == 200
    with api.asking(told["access_token"]) as client:
        assert client.get("/auth/me").status_code == 401
    assert log_in(api).status_code == 401
    assert log_in(api, password="another long one").status_code == 200


def test_the_last_administrator_stays_one(admin: httpx.Client) -> None:
    number = next(one["id"] for one in admin.get("/users").json() if one["name"] == "admin")
    assert admin.patch(f"/users/{number}", json={"role": "viewer"}).status_code == 409
    assert admin.patch(f"/users/{number}", json={"disabled": True}).status_code == 409
    assert admin.delete(f"/users/{number}").status_code == 409
    assert admin.post("/users", json={"name": "second", "role": "admin"}).status_code == 201
    assert admin.delete(f"/users/{number}").status_code == 204


def test_a_made_password_is_shown_once_and_opens_the_account(api: Api, admin: httpx.Client) -> None:
    made = admin.post("/users", json={"name": "alice"}).json()
    assert log_in(api, "alice", made["password"]).status_code == 200
    assert made["password"] not in admin.get("/users").text
    assert admin.post("/users", json={"name": "alice"}).status_code == 409


def test_a_key_is_good_until_it_is_revoked_and_is_stored_as_a_hash(api: Api, admin: httpx.Client) -> None:
    made = admin.post("/keys", json={"name": "splunk"}).json()
    with api.asking(made["key"]) as program:
        assert program.get("/auth/me").json()["scope"] == "viewer"
        assert admin.delete(f"/sensors/{made['id']}").status_code == 404, "a key is no sensor"
        assert admin.delete(f"/keys/{made['id']}").status_code == 204
        assert program.get("/auth/me").status_code == 401
    assert admin.delete(f"/keys/{made['id']}").status_code == 404
    secret = made["key"].split("_", 2)[2].encode()
    assert secret not in (api.place.overlay.parent / "decnet.sqlite").read_bytes()  # type: ignore[union-attr]


def test_another_secret_with_the_number_of_a_key_is_nobody(api: Api) -> None:
    number = api.key("admin").split("_")[1]
    for token in (f"dk_{number}_guess", f"dk_{number}_", "dk__x", "dk_99999999999999999999_x", "dk_0_x", "dk_-1_x"):
        with api.asking(token) as client:
            assert client.get("/auth/me").status_code == 401


def test_what_an_administrator_does_is_written_down(admin: httpx.Client) -> None:
    admin.post("/users", json={"name": "alice"})
    admin.post("/sensors", json={"name": "dmz"})
    admin.post("/keys", json={"name": "splunk"})
    done = [(one["action"], one["target"]) for one in admin.get("/audit", params={"limit": 3}).json()["items"]]
    assert done == [("key added", "splunk"), ("sensor added", "dmz"), ("user added", "alice")]


def test_pages_of_the_audit_log_hold_each_entry_once(admin: httpx.Client) -> None:
    for number in range(5):
        admin.post("/keys", json={"name": f"key {number}"})
    whole = [one["id"] for one in admin.get("/audit", params={"limit": 1000}).json()["items"]]
    found, cursor = [], None
    while True:
        page = admin.get("/audit", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == whole


@pytest.mark.parametrize("cursor", ["x", "=", "é", "AAAA", "gqFh", "\x00"])
def test_a_cursor_that_is_none_of_ours_leads_nowhere(admin: httpx.Client, cursor: str) -> None:
    assert admin.get("/audit", params={"cursor": cursor}).status_code == 404
