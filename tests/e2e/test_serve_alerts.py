"""From a line in a log to the receiver of the guide, which checks signatures, with programs as people start them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import CommandLine
from tests.e2e.test_serve import Host, until

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "alerts.md"
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def secret(tmp_path: Path, port: int) -> str:
    """The secret of a hook at that port."""
    decnet = CommandLine(tmp_path, {"DECNET_WEBHOOK_NETWORKS": "127.0.0.1"})
    done = decnet.run("webhook", "add", "soc", f"http://127.0.0.1:{port}/", "--technique", "T1003", "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["secret"])


@pytest.fixture
def heard(tmp_path: Path, port: int, secret: str) -> Iterator[Path]:
    """What the receiver of the guide prints."""
    match = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert match
    program = match[1].replace("9000", str(port))
    path = tmp_path / "heard"
    with path.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=file,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"SECRET": secret},
        )
    yield path
    process.kill()
    process.wait()


def test_what_is_typed_is_told_to_the_receiver_of_the_guide(tmp_path: Path, heard: Path) -> None:
    host = Host(tmp_path)
    with host.running("serve", str(host.log), "--no-web", DECNET_WEBHOOK_NETWORKS="127.0.0.1"):
        until(lambda: bool(host.rows("SELECT 1 FROM bus_position WHERE consumer = 'alerts'")))
        host.write("cat /etc/shadow", "ls")
        until(lambda: bool(heard.read_text()))
    assert heard.read_text().startswith("T1003.008 /etc/passwd and /etc/shadow (Credential Access) by ")
