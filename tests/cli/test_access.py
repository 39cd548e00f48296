from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from decnet.sources.jsonl_record import MAX_NAME_CHARS

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def test_an_account_is_made_listed_locked_out_and_let_in_again(decnet: CommandLine) -> None:
    made = json.loads(decnet.run("user", "add", "alice", "--admin", "--json").stdout)
    assert (made["name"], made["role"]) == ("alice", "admin")
    assert len(made["password"]) >= 20
    assert decnet.run("user", "add", "alice").returncode == 1
    assert decnet.run("user", "revoke", "alice").returncode == 0
    assert json.loads(decnet.run("user", "list", "--json").stdout)[0]["disabled_at"] is not None
    assert "password" in decnet.run("user", "password", "alice").stdout
    assert json.loads(decnet.run("user", "list", "--json").stdout)[0]["disabled_at"] is None


def test_a_password_comes_from_standard_input_and_is_not_shown(decnet: CommandLine) -> None:
    done = decnet.run("user", "add", "bob", stdin="a password of bob\n")
    assert done.returncode == 0
    assert "a password of bob" not in done.stdout + done.stderr
    short = decnet.run("user", "password", "bob", stdin="short\n")
    assert (short.returncode, "12 to 256" in short.stderr) == (2, True)


@pytest.mark.parametrize(("kind", "words"), [("key", ["--scope", "metrics"]), ("sensor", [])])
def test_a_key_is_printed_once_and_revoked_by_its_number(decnet: CommandLine, kind: str, words: list[str]) -> None:
    made = decnet.run(kind, "add", "a name", *words)
    key = made.stdout.strip()
    assert key.startswith("dk_1_")
    assert key not in decnet.run(kind, "list").stdout
    assert decnet.run(kind, "revoke", "1").returncode == 0
    again = decnet.run(kind, "revoke", "1")
    assert (again.returncode, f"decnet {kind} list" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "add", "a b"),
        ("key", "add", "x\x1b[31m"),
        ("user", "add", "x" * 65),
        ("sensor", "add", "x" * (MAX_NAME_CHARS + 1)),
    ],
)
def test_a_name_that_would_need_escaping_or_is_too_long_is_refused(
    decnet: CommandLine, arguments: tuple[str, ...]
) -> None:
    done = decnet.run(*arguments)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


def test_a_sensor_has_a_name_of_any_length_that_records_may_name(decnet: CommandLine) -> None:
    assert decnet.run("sensor", "add", "x" * MAX_NAME_CHARS).returncode == 0


def test_whoever_is_not_there_cannot_be_changed(decnet: CommandLine) -> None:
    for command in ("revoke", "password"):
        done = decnet.run("user", command, "nobody")
        assert (done.returncode, "no such account" in done.stderr) == (1, True)
    assert decnet.run("key", "add", "x", "--scope", "sensor").returncode == 2
