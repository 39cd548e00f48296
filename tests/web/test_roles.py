"""Each route asks for a role, and who has another one is refused: every route, found from the application itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from decnet.web.app import bare_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.web.conftest import Api

OPEN = {
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/openapi.json"),
}
ANYONE = {("POST", "/auth/logout"), ("GET", "/auth/me")}
SCOPES = ("viewer", "admin", "metrics", "sensor")
ADMIN_ONLY = ("/users", "/keys", "/sensors", "/audit", "/webhooks")
UUID = "00000000-0000-0000-0000-000000000000"


def allowed(method: str, path: str) -> set[str]:
    """Which scopes CONTRACTS gives a route to."""
    if (method, path) in ANYONE:
        return set(SCOPES)
    if path.startswith("/intake"):
        return {"sensor"}
    if path == "/metrics":
        return {"metrics", "admin"}
    if path.startswith(ADMIN_ONLY) or path.endswith("/state") or (path.endswith("/replay") and method == "POST"):
        return {"admin"}
    return {"viewer", "admin"}


def routes(api: Api) -> Iterator[tuple[str, str]]:
    for path, operations in bare_app(api.place).openapi()["paths"].items():
        for method in operations:
            yield method.upper(), path.removeprefix("/api/v1")


def filled(path: str) -> str:
    """The path with a value for each parameter; what it names need not be there."""
    parts = []
    for part in path.split("/"):
        name = part.strip("{}")
        known = {
            "number": "999999999",
            "technique": "T1059",
            "observed_at": "1",
            "rule_id": "R0012",
            "format": "cowrie",
        }
        parts.append(known.get(name, UUID) if part.startswith("{") else part)
    return "/".join(parts)


@pytest.mark.timeout(120)
def test_no_route_is_open_but_those_that_must_be(api: Api) -> None:
    for method, path in routes(api):
        answer = api.client.request(method, filled(path))
        if (method, path) not in OPEN:
            assert answer.status_code == 401, f"{method} {path}"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_reaches_what_is_for_it_and_nothing_else(api: Api, scope: str) -> None:
    with api.as_(scope) as client:  # type: ignore[arg-type]
        for method, path in routes(api):
            if (method, path) in OPEN or path == "/stream":
                continue
            status = asked(client, method, filled(path))
            may = scope in allowed(method, path)
            assert (status != 403) == may, f"{scope} {method} {path}: {status}"


def asked(client: httpx.Client, method: str, path: str) -> int:
    """The status alone; a stream is not read to its end."""
    with client.stream(method, path, json={} if method in {"POST", "PATCH"} else None) as answer:
        return answer.status_code
