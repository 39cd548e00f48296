from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.db.migrations import HEAD
from tests.cli.forked import run_forked
from tests.databases import empty_server_database

if TYPE_CHECKING:
    import subprocess


def decnet(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run_forked(arguments, stdin="", folder=Path.cwd(), environment=os.environ | settings)


def test_upgrade_makes_the_schema_of_the_embedded_database(tmp_path: Path) -> None:
    done = decnet("db", "upgrade", "--json", DECNET_DATA_DIR=str(tmp_path))
    told = json.loads(done.stdout)
    assert (told["before"], told["after"]) == (None, HEAD)
    again = decnet("db", "upgrade", DECNET_DATA_DIR=str(tmp_path))
    assert f"is at schema {HEAD}" in again.stdout


@pytest.mark.parametrize("backend", ["mariadb", "postgresql"])
@pytest.mark.timeout(60)
def test_a_log_is_tagged_into_a_server_once_it_has_our_schema(backend: str, tmp_path: Path) -> None:
    with empty_server_database(backend) as url:
        settings = {"DECNET_DATA_DIR": str(tmp_path), "DECNET_DB_URL": url}
        refused = decnet("ttp", "tag", "demo/cowrie.json", **settings)
        assert refused.returncode == 1
        assert "decnet db upgrade" in refused.stderr
        assert decnet("db", "upgrade", **settings).returncode == 0
        first = json.loads(decnet("ttp", "tag", "demo/cowrie.json", "--json", **settings).stdout)
        again = json.loads(decnet("ttp", "tag", "demo/cowrie.json", "--again", "--json", **settings).stdout)
        own = json.loads(decnet("ttp", "tag", "demo/cowrie.json", "--json", DECNET_DATA_DIR=str(tmp_path)).stdout)
        assert first["totals"] == own["totals"] == again["totals"]
        assert first["techniques"] == own["techniques"]
        assert again["files"][0]["new_tags"] == 0
