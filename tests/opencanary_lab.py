"""A real OpenCanary on this machine, for tests that visit one.

OpenCanary lives in a virtual environment of its own (`make .venv-opencanary/.installed`); the environment variable
DECNET_TEST_OPENCANARY names another one. Each lab writes into the folder that it is given and nowhere else, listens on
free ports of the loopback address, and sends nothing by itself.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROJECT = Path(__file__).resolve().parent.parent

VISITED = ("ftp", "http", "mysql", "redis", "ssh", "telnet")

_SYSTEM_SETTINGS = Path("/etc/opencanaryd/opencanary.conf")
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0


class OpenCanaryNotReadyError(RuntimeError):
    """OpenCanary ended, or was not ready in time; the message carries what it printed."""


@dataclass(frozen=True, slots=True)
class OpenCanaryLab:
    """A running OpenCanary: the port of each service, and the log that it writes, one JSON object per line."""

    address: str
    ports: Mapping[str, int]
    log: Path

    def records(self, logtype: int | None = None) -> list[dict[str, Any]]:
        """What is in the log so far, oldest first; only those of one log type when it is given."""
        if not self.log.exists():
            return []
        text = self.log.read_text(encoding="utf-8")
        complete = text[: text.rfind("\n") + 1].splitlines()
        records: list[dict[str, Any]] = [json.loads(line) for line in complete]
        return [record for record in records if logtype in {None, record["logtype"]}]

    def wait_for(self, logtype: int, *, count: int = 1, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """The records of one log type, once there are `count` of them. Raises TimeoutError when they do not come."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.records(logtype)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.log}: {len(found)} of {count} records of {logtype} after {timeout_s} s")
            time.sleep(0.05)
        return found


def opencanary_missing() -> str | None:
    """Why no lab can start here, with the way out, or None when one can."""
    if not _twistd().exists():
        return f"{_twistd()} does not exist; run `make .venv-opencanary/.installed` or set DECNET_TEST_OPENCANARY"
    if _SYSTEM_SETTINGS.exists():
        return f"{_SYSTEM_SETTINGS} exists, and OpenCanary reads it before any other; move it away"
    return None


def require_opencanary() -> None:
    """Skip the running test when OpenCanary is missing; fail it when DECNET_TEST_REQUIRE names opencanary."""
    from tests.require import lacking

    missing = opencanary_missing()
    if missing is not None:
        lacking("opencanary", missing)


@contextmanager
def running_opencanary(
    folder: Path,
    services: Sequence[str] = VISITED,
    *,
    sensor: str = "lab",
    address: str = "127.0.0.1",
    settings: Mapping[str, object] | None = None,
) -> Iterator[OpenCanaryLab]:
    """An OpenCanary with `services` on free ports of `address` until the block ends, and then is gone.

    `settings` adds to or replaces keys of opencanary.conf. Raises OpenCanaryNotReadyError when it does not come up.
    """
    missing = opencanary_missing()
    if missing is not None:
        raise OpenCanaryNotReadyError(missing)
    folder.mkdir(parents=True, exist_ok=True)
    log, output = folder / "opencanary.log", folder / "server.txt"
    ports = _free_ports(address, services)
    configuration = _defaults(sensor, address, log, folder, ports) | dict(settings or {})
    (folder / "opencanary.conf").write_text(json.dumps(configuration, indent=1), encoding="utf-8")
    with output.open("wb") as sink:
        # twistd's path is ours and no shell is involved.
        process = subprocess.Popen(
            [str(_twistd()), "--nodaemon", "--pidfile=", "--python", str(_twistd().with_name("opencanary.tac"))],
            cwd=folder,
            env=os.environ | {"HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_ready(process, output, ports)
            yield OpenCanaryLab(address, ports, log)
        finally:
            _stop(process)


def _twistd() -> Path:
    """Where OpenCanary's twistd should be."""
    return Path(os.environ.get("DECNET_TEST_OPENCANARY") or PROJECT / ".venv-opencanary").absolute() / "bin" / "twistd"


def _free_ports(address: str, services: Sequence[str]) -> dict[str, int]:
    """A free port for each service: OpenCanary does not take 0 for any port, so the choice is made before."""
    with ExitStack() as held:
        taken = [held.enter_context(socket.create_server((address, 0))) for _ in services]
        return {service: each.getsockname()[1] for service, each in zip(services, taken, strict=True)}


def _defaults(sensor: str, address: str, log: Path, folder: Path, ports: Mapping[str, int]) -> dict[str, object]:
    """The configuration of a lab: the services asked for, everything that they can log, and one file to log to."""
    handler = {"class": "logging.FileHandler", "filename": str(log), "formatter": "plain"}
    logger = {"formatters": {"plain": {"format": "%(message)s"}}, "handlers": {"file": handler}}
    return {
        "device.node_id": sensor,
        "device.listen_addr": address,
        "logger": {"class": "PyLogger", "kwargs": logger},
        **{f"{service}.enabled": True for service in ports},
        **{f"{service}.port": port for service, port in ports.items()},
        "ftp.log_auth_attempt_initiated": True,
        "http.skin": "basicLogin",
        "http.log_unimplemented_method_requests": True,
        "http.log_redirect_request": True,
        "mysql.log_connection_made": True,
        "ssh.key_path": str(folder),
        "telnet.log_tcp_connection": True,
    }


def _wait_until_ready(process: subprocess.Popen[bytes], output: Path, ports: Mapping[str, int]) -> None:
    """Every door is open. Nothing knocks: a knock would stand in the log."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        printed = output.read_text(encoding="utf-8", errors="replace")
        if all(re.search(rf" starting on {port}\b", printed) for port in ports.values()):
            return
        if process.poll() is not None:
            raise OpenCanaryNotReadyError(f"opencanary ended with status {process.returncode}:\n{printed}")
        if time.monotonic() > deadline:
            raise OpenCanaryNotReadyError(f"opencanary was not ready after {_START_TIMEOUT_S} s:\n{printed}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask OpenCanary to end; insist when it does not."""
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
