"""``decnet serve`` with its API: from a line of a log to somebody who looks, as a user has it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.cli.test_tag import cowrie_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
PATIENCE_S = 40.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(folder: Path, *command: str, **own: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"DECNET_DATA_DIR": str(folder / "data")} | own
    line = [sys.executable, "-m", "decnet", *command, "--json"]
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        yield process
        process.kill()


def told(process: subprocess.Popen[str], key: str) -> dict[str, str]:
    """The next line that has ``key``."""
    assert process.stdout is not None
    for line in process.stdout:
        found: dict[str, str] = json.loads(line)
        if key in found:
            return found
    raise AssertionError(f"{key} was not told")


def answering(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if httpx.get(f"{url}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the API does not answer"
        time.sleep(0.1)


def test_a_line_of_a_log_is_news_for_whoever_is_logged_in(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.touch()
    port = free_port()
    url = f"http://127.0.0.1:{port}/api/v1"
    with running(tmp_path, "serve", str(log), DECNET_WEB_LISTEN=f"127.0.0.1:{port}") as process:
        first = told(process, "password")
        told(process, "serving")
        answering(url)
        login = httpx.post(f"{url}/auth/login", json={"name": first["account"], "password": first["password"]})
        bearer = {"Authorization": f"Bearer {login.json()['access_token']}"}
        with httpx.stream("GET", f"{url}/stream", headers=bearer, timeout=PATIENCE_S) as news:
            log.write_text(cowrie_line("cat /etc/shadow") + "\n")
            data = next(line for line in news.iter_lines() if line.startswith("data: ") and "R0014" in line)
        assert json.loads(data.removeprefix("data: "))["rule_id"] == "R0014"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_the_first_password_is_told_once_and_the_api_ends_politely(tmp_path: Path) -> None:
    for is_first in (True, False):
        with running(tmp_path, "web", "--listen", "127.0.0.1:0") as process:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            assert ("password" in line) == is_first
            served = told(process, "serving") if is_first else line
            assert httpx.get(f"http://127.0.0.1:{served['port']}/api/v1/health/live").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


def test_a_place_that_is_taken_is_told_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with running(tmp_path, "web", "--listen", place) as process:
            assert process.wait(PATIENCE_S) == 1
            assert process.stderr is not None
            assert "DECNET_WEB_LISTEN" in process.stderr.read()
