"""The laboratory itself: a real OpenCanary starts, records a visit and stops."""

from __future__ import annotations

import ftplib
import socket
from typing import TYPE_CHECKING

import pytest

from tests.opencanary_lab import (
    OpenCanaryNotReadyError,
    opencanary_missing,
    require_opencanary,
    running_opencanary,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_lab_records_a_login_then_stops(tmp_path: Path) -> None:
    require_opencanary()
    with running_opencanary(tmp_path, ["ftp"], sensor="decoy-1") as lab:
        with ftplib.FTP() as client, pytest.raises(ftplib.error_perm):  # noqa: S321 - it is what attackers try
            client.connect(lab.address, lab.ports["ftp"], timeout=10)
            client.login("root", "x")
        (login,) = lab.wait_for(2000)
    assert (login["logdata"], login["src_host"]) == ({"USERNAME": "root", "PASSWORD": "x"}, "127.0.0.1")
    assert login["node_id"] == "decoy-1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((lab.address, lab.ports["ftp"]), timeout=1)


def test_lab_that_cannot_start_says_why(tmp_path: Path) -> None:
    require_opencanary()
    refused = pytest.raises(OpenCanaryNotReadyError, match="Invalid port number")
    with refused, running_opencanary(tmp_path, ["ftp"], settings={"ftp.port": 0}):
        pass


def test_missing_opencanary_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECNET_TEST_OPENCANARY", str(tmp_path))
    assert "DECNET_TEST_OPENCANARY" in str(opencanary_missing())
