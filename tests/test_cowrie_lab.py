"""The laboratory itself: a real Cowrie starts, records a visit and stops."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import asyncssh
import pytest

from tests.cowrie_lab import CowrieLab, CowrieNotReadyError, cowrie_missing, require_cowrie, run_command, running_cowrie

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def log_in_and_run(lab: CowrieLab, command: str) -> None:
    async with asyncssh.connect(
        lab.address, lab.ssh_port, username="root", password="Summer2024!", known_hosts=None, config=None
    ) as connection:
        await run_command(connection, command)


def test_lab_records_a_login_and_a_command_then_stops(tmp_path: Path) -> None:
    require_cowrie()
    with running_cowrie(tmp_path, sensor="decoy-1") as lab:
        asyncio.run(log_in_and_run(lab, "uname -a; id"))
        lab.wait_for("cowrie.session.closed")

    (login,) = lab.events("cowrie.login.success")
    assert (login["username"], login["src_ip"], login["sensor"]) == ("root", "127.0.0.1", "decoy-1")
    assert [event["input"] for event in lab.events("cowrie.command.input")] == ["uname -a; id"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((lab.address, lab.ssh_port), timeout=1)


def test_lab_that_cannot_start_says_why(tmp_path: Path) -> None:
    require_cowrie()
    refused = pytest.raises(CowrieNotReadyError, match="enable SSH or Telnet")
    with refused, running_cowrie(tmp_path, settings={"ssh": {"enabled": "false"}, "telnet": {"enabled": "false"}}):
        pass


def test_missing_cowrie_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNET_TEST_COWRIE", str(tmp_path))

    assert "DECNET_TEST_COWRIE" in str(cowrie_missing())
