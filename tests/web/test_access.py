from __future__ import annotations

from typing import TYPE_CHECKING

from tests.web.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.web.conftest import Api


def test_a_log_in_gives_tokens_that_name_the_account(api: Api) -> None:
    told = api.client.post("/auth/login", json={"name": "viewer", "password": PASSWORD}).json()
    mine = api.client.get("/auth/me", headers={"Authorization": f"Bearer {told['access_token']}"}).json()
    assert (mine["name"], mine["scope"]) == ("viewer", "viewer")
