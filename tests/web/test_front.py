"""The dashboard's files over the same socket as the API."""

from __future__ import annotations

import asyncio
from gzip import compress
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.responses import PlainTextResponse

from decnet.web.front import Front

if TYPE_CHECKING:
    from pathlib import Path

    from tests.web.conftest import Api

PAGE = b"<!doctype html><title>page</title>"
SCRIPT = b"export {};" * 50


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "dashboard"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "assets" / "index-a1.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-a1.js.gz").write_bytes(compress(SCRIPT))
    (tmp_path / "secret").write_text("not to be served")
    return folder


def asked(folder: Path, path: str, method: str = "GET", encoding: str = "identity") -> httpx.Response:
    """The answer of a dashboard whose files lie in ``folder``."""

    async def ask() -> httpx.Response:
        front = Front(PlainTextResponse("refused", status_code=404), folder)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://localhost") as client:
            return await client.request(method, path, headers={"Accept-Encoding": encoding})

    return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/", "/index.html", "/identities/0f9b6c1e-3c1d-5a43-9a7e-0d5b8e3f6a11", "/rules"])
def test_every_page_of_the_dashboard_is_the_one_page(built: Path, path: str) -> None:
    answer = asked(built, path)
    assert answer.content == PAGE
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"


def test_a_file_named_by_its_content_is_kept_and_sent_packed_to_whom_it_suits(built: Path) -> None:
    packed = asked(built, "/assets/index-a1.js", encoding="gzip")
    assert packed.content == SCRIPT
    assert packed.headers["content-encoding"] == "gzip"
    assert "immutable" in packed.headers["cache-control"]
    plain = asked(built, "/assets/index-a1.js")
    assert plain.content == SCRIPT
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/assets/index-b2.js", "/api/v1/nothing", "/api"])
def test_what_is_not_there_is_no_page(built: Path, path: str) -> None:
    assert asked(built, path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/../secret", "/assets/../../secret", "/%2e%2e/secret", "/assets/%2e%2e%2f%2e%2e%2fsecret"]
)
def test_no_path_leaves_the_folder(built: Path, path: str) -> None:
    assert b"not to be served" not in asked(built, path).content


def test_only_reading_is_for_the_dashboard(built: Path) -> None:
    assert asked(built, "/rules", "POST").status_code == 404
    assert asked(built, "/rules", "HEAD").status_code == 200


def test_a_checkout_without_a_built_dashboard_says_how_to_build_it(tmp_path: Path) -> None:
    answer = asked(tmp_path / "missing", "/")
    assert answer.status_code == 503
    assert "make dashboard" in answer.text


def test_the_page_is_under_the_same_policy_as_the_api(api: Api) -> None:
    root = api.url.removesuffix("/api/v1")
    answer = httpx.get(f"{root}/rules")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert httpx.get(f"{root}/api/v1/nothing").headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{root}/api/v1/auth/login").status_code == 405


def test_the_matrix_is_mitre_s(viewer: httpx.Client) -> None:
    matrix = viewer.get("/attack/matrix").json()
    assert [one["id"] for one in matrix["tactics"]][:3] == ["TA0043", "TA0042", "TA0001"]
    assert {"TA0005": "Stealth", "TA0112": "Defense Impairment"}.items() <= {
        one["id"]: one["name"] for one in matrix["tactics"]
    }.items()
    execution = next(one for one in matrix["tactics"] if one["id"] == "TA0002")
    interpreter = next(one for one in execution["techniques"] if one["id"] == "T1059")
    assert "T1059.004" in [one["id"] for one in interpreter["subs"]]
    assert [one["name"] for one in execution["techniques"]] == sorted(one["name"] for one in execution["techniques"])
