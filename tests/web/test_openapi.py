"""The description of the API: kept in a file that people and generators read, and true of what is served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from decnet.web.app import bare_app
from scripts.write_api_page import PAGE, api_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from decnet.models.access import Scope
    from tests.web.conftest import Api

EXAMPLES = int(os.environ.get("DECNET_TEST_EXAMPLES", "20"))
"""Of each route; `make fuzz` asks for more."""
NOT_ASKED = "/stream$"
"""It has no end; see test_stream.py."""


def test_the_description_is_the_one_in_the_file(api: Api, golden: Callable[[str, str], None]) -> None:
    golden("openapi.json", json.dumps(bare_app(api.place).openapi(), indent=1, ensure_ascii=False) + "\n")


def test_the_page_of_the_reference_is_made_of_it(api: Api) -> None:
    assert PAGE.read_text("utf-8") == api_page(bare_app(api.place).openapi()), "run python -m scripts.write_api_page"


def test_every_route_says_what_it_is_for(api: Api) -> None:
    for path, operations in bare_app(api.place).openapi()["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), f"{method} {path}"
            assert any(status.startswith("2") for status in operation["responses"]), f"{method} {path}"
            assert "422" not in operation["responses"], f"{method} {path}"


@pytest.mark.timeout(400 * max(1, EXAMPLES // 20))
@pytest.mark.parametrize("scope", [None, "admin"])
def test_every_route_answers_as_it_is_described(api: Api, scope: Scope | None, tmp_path: Path) -> None:
    """Schemathesis asks what the description allows and what it does not: no 5xx, no status, no body but those."""
    keep_the_key_out_of_reach(api)
    done = asked(api, scope, tmp_path, examples=EXAMPLES)
    assert done.returncode == 0, done.stdout[-6_000:]


def keep_the_key_out_of_reach(api: Api) -> None:
    """Who asks everything also revokes keys by small numbers: its own gets a large one."""
    sql = (
        "INSERT INTO access_key (id, name, scope, digest, created_by, created_at) VALUES (?, 'x', 'viewer', x'', '', 0)"
    )
    api.place.database.write(lambda connection: connection.exec_driver_sql(sql, (10**12,)))


def asked(api: Api, scope: Scope | None, folder: Path, *, examples: int) -> subprocess.CompletedProcess[str]:
    """All checks of schemathesis on every route, by somebody with a key of that scope, or with none."""
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{api.url}/openapi.json",
        "--url",
        api.url.removesuffix("/api/v1"),
    ]
    command += ["--checks", "all", "--max-examples", str(examples), "--seed", "1", "--no-color", "--workers", "1"]
    command += [
        "--exclude-path-regex",
        NOT_ASKED,
        "--phases",
        "examples,coverage,fuzzing",
        "--generation-database",
        "none",
    ]
    if scope is not None:
        command += ["--header", f"Authorization: Bearer {api.key(scope)}"]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=380 * max(1, EXAMPLES // 20), check=False, cwd=folder
    )
