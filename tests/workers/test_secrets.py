"""Passwords: digests everywhere, and as they were typed in one table alone, where the operator wants that."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from decnet.models.secret import MAX_KEPT_CHARS, KeptSecrets
from tests.cli.conftest import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]
PASSWORD = "hunter2-canary"


def login(number: int, password: str) -> str:
    """A line of Cowrie's log."""
    return json.dumps(
        {
            "eventid": "cowrie.login.failed",
            "username": "root",
            "password": password,
            "message": f"login attempt [root/{password}] failed",
            "sensor": "svr04",
            "timestamp": f"2026-11-18T12:00:{number:02}.000000Z",
            "src_ip": "198.51.100.7",
            "session": "0123456789ab",
            "protocol": "ssh",
        }
    )


def tagged(folder: Path, **settings: str) -> tuple[dict[str, list[tuple[object, ...]]], str]:
    """Every table after a brute force was tagged, and what was printed."""
    log = folder / "cowrie.json"
    log.write_text("".join(login(number, PASSWORD) + "\n" for number in range(6)))
    done = replace(CommandLine(folder), settings=settings).run("--verbose", "ttp", "tag", str(log), "--json")
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(folder / "data" / "decnet.sqlite") as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
    return found, done.stdout + done.stderr


def test_by_default_no_password_is_stored_anywhere(tmp_path: Path) -> None:
    tables, printed = tagged(tmp_path)

    assert tables["event"]
    assert tables["clear_secret"] == []
    assert PASSWORD not in repr(tables)
    assert PASSWORD not in printed


def test_where_the_operator_wants_it_one_table_alone_has_the_password(tmp_path: Path) -> None:
    tables, printed = tagged(tmp_path, DECNET_STORE_SECRETS="clear")

    ((digest, secret),) = tables.pop("clear_secret")
    assert secret == PASSWORD
    assert str(digest) in repr(tables["event"])
    assert PASSWORD not in repr(tables)
    assert PASSWORD not in printed
    assert "passwords are stored as they are typed" in printed


def test_the_setting_has_two_words(tmp_path: Path) -> None:
    done = replace(CommandLine(tmp_path), settings={"DECNET_STORE_SECRETS": "yes"}).run("ttp", "tag", "-")

    assert done.returncode == 1
    assert "DECNET_STORE_SECRETS 'yes' is not among the choices" in done.stderr


def test_what_is_kept_waits_until_it_is_stored_and_is_not_kept_twice() -> None:
    kept = KeptSecrets(lambda secret: f"<{secret[:5]}>" if secret else "")

    assert kept("one") == "<one>"
    assert kept("") == ""
    kept("x" * (MAX_KEPT_CHARS + 1))
    assert kept.waiting == {"<one>": "one"}
    kept.note_stored()
    kept("one")
    assert kept.waiting == {}
