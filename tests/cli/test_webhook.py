"""Receivers of alerts on the command line."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

PUBLIC = "https://8.8.8.8/alerts"


def test_a_receiver_is_made_listed_and_revoked(decnet: CommandLine) -> None:
    done = decnet.run(
        *("webhook", "add", "soc", PUBLIC, "--technique", "T1059", "--technique", "T1105", "--tactic", "TA0002"),
        *("--min-confidence", "0.8", "--per-minute", "5", "--json"),
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["secret"].startswith("whsec_")
    (listed,) = json.loads(decnet.run("webhook", "list", "--json").stdout)
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert (listed["techniques"], listed["tactics"], listed["per_minute"]) == (["T1059", "T1105"], ["TA0002"], 5)
    assert "soc" in decnet.run("webhook", "list").stdout
    assert decnet.run("webhook", "revoke", "1").stdout == "revoked\n"
    again = decnet.run("webhook", "revoke", "1")
    assert (again.returncode, again.stderr) == (1, "decnet: 1: no such webhook; see `decnet webhook list`\n")
    audit = sqlite3.connect(decnet.folder / "data" / "decnet.sqlite").execute("SELECT action, target FROM audit")
    assert audit.fetchall() == [("webhook added", "soc"), ("webhook deleted", "soc")]


def test_the_secret_is_all_that_is_printed(decnet: CommandLine) -> None:
    done = decnet.run("webhook", "add", "soc", PUBLIC)
    assert done.stdout.startswith("whsec_")
    assert done.stdout.count("\n") == 1
    assert decnet.run("webhook", "add", "logs", "udp://8.8.8.8", "--format", "cef").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("soc", "http://127.0.0.1:9000/"), 1, "127.0.0.1 is an address of this host"),
        (("soc", "http://localhost/"), 1, "DECNET_WEBHOOK_NETWORKS"),
        (("soc", "https://user@8.8.8.8/"), 1, "user name"),
        (("soc", "udp://8.8.8.8", "--format", "json"), 1, "takes rfc5424 or cef"),
        (("soc\x1b[2J", PUBLIC), 2, "name"),
        (("soc", PUBLIC, "--technique", "bash"), 2, "techniques"),
        (("soc", PUBLIC, "--identity", "x"), 2, "identities"),
        (("soc", PUBLIC, "--per-minute", "0"), 2, "per_minute"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    decnet: CommandLine, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = decnet.run("webhook", "add", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "\x1b[2J" not in done.stderr
