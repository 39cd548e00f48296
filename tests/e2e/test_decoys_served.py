"""``decnet serve --decoys`` and ``decnet decoy smtp`` as an operator runs them."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from decnet.db.engine import open_database
from tests.databases import rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
PATIENCE_S = 60.0
MAIL = b"From: PayPal <a@x.example>\r\nSubject: account\r\nX-Mailer: gophish\r\n\r\nhello\r\n"


def started(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """The program with a data folder of its own and every decoy on a free port."""
    settings = {
        "DECNET_DATA_DIR": str(tmp_path),
        "DECNET_SMTP_LISTEN": "127.0.0.1:0",
        "DECNET_CANARY_LISTEN": "127.0.0.1:0",
    }
    command = [sys.executable, "-m", "decnet", *arguments, "--json"]
    return subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True)


def told(program: subprocess.Popen[str], key: str, value: Any) -> dict[str, Any]:
    """The first line with this value."""
    assert program.stdout is not None
    for line in program.stdout:
        facts: dict[str, Any] = json.loads(line)
        if facts.get(key) == value:
            return facts
    raise AssertionError(f"{key} {value} was not told")


def ends_politely(program: subprocess.Popen[str]) -> bool:
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=PATIENCE_S)
    return program.returncode == 0


def test_a_mail_that_is_sent_to_the_served_decoy_is_tagged(tmp_path: Path) -> None:
    program = started(tmp_path, "serve", "--no-web", "--decoys")
    try:
        port = told(program, "decoy", "smtp")["port"]
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail("a@x.example", ["b@y.example"], MAIL)
        database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
        deadline = time.monotonic() + PATIENCE_S
        rules: set[str] = set()
        while not rules >= {"R0043", "R0078"} and time.monotonic() < deadline:
            rules = {rule for (rule,) in rows(database, "SELECT DISTINCT rule_id FROM tag")}
            time.sleep(0.1)
        database.close()
        assert rules >= {"R0043", "R0078"}
        assert ends_politely(program)
    finally:
        program.kill()
        program.communicate()


def test_the_decoy_runs_alone_and_in_other_words(tmp_path: Path) -> None:
    program = started(tmp_path, "decoy", "smtp", "--flavour", "exim", "--host", "mx.decoy.example")
    try:
        port = told(program, "serving", ["smtp"])["port"]
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("pc.example")
            assert (client.ehlo_resp or b"").startswith(b"mx.decoy.example\n")
            assert client.docmd("QUIT") == (221, b"mx.decoy.example closing connection")
        assert ends_politely(program)
    finally:
        program.kill()
        program.communicate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--relay", "sometimes"), "choose one of open, auth, closed"),
        (("--flavour", "sendmail"), "choose one of postfix, exim, exchange"),
        (("--host", "../../etc"), "is no name of a host"),
    ],
)
def test_a_choice_that_there_is_not_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    settings = os.environ | {"DECNET_DATA_DIR": str(tmp_path), "COLUMNS": "160"}
    command = [sys.executable, "-m", "decnet", "decoy", "smtp", *arguments]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in done.stderr
