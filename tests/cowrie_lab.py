"""A real Cowrie on this machine, for tests that attack one and for the script that records one.

Cowrie lives in a virtual environment of its own (`make .venv-cowrie/.installed`); the environment variable
DECNET_TEST_COWRIE names another one. Each lab writes into the folder that it is given and nowhere else.

Cowrie's own wget, curl, tftp and nc refuse addresses that are not globally routable, loopback included, and ask
the system's name servers for host names. So that no packet leaves the machine, visitors should name hosts by an
address of a documentation range (RFC 5737): Cowrie refuses those without a word in its log.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import asyncssh

PROJECT = Path(__file__).resolve().parent.parent

ACCEPTED_LOGINS = (
    ("root", "Summer2024!"),
    ("root", "xc3511"),
    ("root", ""),
    ("admin", "admin123"),
    ("oracle", "oracle"),
    ("ubuntu", "ubuntu"),
)
"""The logins that a lab lets in; it refuses every other. Cowrie's file format allows ASCII without colons."""

COMMAND_TIMEOUT_S = 30.0

_READY = ("Ready to accept SSH connections", "Ready to accept Telnet connections")
_SSH_PORT = re.compile(r"CowrieSSHFactory starting on (\d+)")
_TELNET_PORT = re.compile(r"HoneyPotTelnetFactory starting on (\d+)")
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0


class CowrieNotReadyError(RuntimeError):
    """Cowrie ended, or was not ready in time; the message carries what it printed."""


@dataclass(frozen=True, slots=True)
class CowrieLab:
    """A running Cowrie: its two doors and the log that it writes, one JSON object per line."""

    address: str
    ssh_port: int
    telnet_port: int
    log: Path

    def events(self, eventid: str | None = None) -> list[dict[str, Any]]:
        """What is in the log so far, oldest first; only those of one event id when it is given."""
        if not self.log.exists():
            return []
        text = self.log.read_text(encoding="utf-8")
        complete = text[: text.rfind("\n") + 1].splitlines()
        events: list[dict[str, Any]] = [json.loads(line) for line in complete]
        return [event for event in events if eventid in {None, event["eventid"]}]

    def wait_for(self, eventid: str, *, count: int = 1, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """The events of one id, once there are `count` of them. Raises TimeoutError when they do not come."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.events(eventid)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.log}: {len(found)} of {count} {eventid} events after {timeout_s} s")
            time.sleep(0.05)
        return found


def cowrie_missing() -> str | None:
    """Why no lab can start here, with the way out, or None when one can."""
    if not _twistd().exists():
        return f"{_twistd()} does not exist; run `make .venv-cowrie/.installed` or set DECNET_TEST_COWRIE"
    if os.getuid() == 0 and shutil.which("unshare") is None:
        return "it refuses to run as root, and `unshare` (util-linux) is not there to lower the rank"
    return None


def require_cowrie() -> None:
    """Skip the running test when Cowrie is missing; fail it when DECNET_TEST_REQUIRE names cowrie."""
    from tests.require import lacking

    missing = cowrie_missing()
    if missing is not None:
        lacking("cowrie", missing)


@contextmanager
def running_cowrie(
    folder: Path,
    *,
    sensor: str = "lab",
    address: str = "127.0.0.1",
    settings: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[CowrieLab]:
    """A Cowrie that listens on free ports of `address` until the block ends, and then is gone.

    `settings` adds to or replaces lines of cowrie.cfg: section, option, value. The sensor's uuid is computed from
    its name, so that two labs of one name are one sensor. Raises CowrieNotReadyError when Cowrie does not come up.
    """
    missing = cowrie_missing()
    if missing is not None:
        raise CowrieNotReadyError(missing)
    _furnish(folder, sensor, address, settings or {})
    output = folder / "server.txt"
    with output.open("wb") as sink:
        # twistd's path is ours and no shell is involved.
        process = subprocess.Popen(
            _command(), cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
        try:
            ssh_port, telnet_port = _wait_until_ready(process, output)
            yield CowrieLab(address, ssh_port, telnet_port, folder / "var/log/cowrie/cowrie.json")
        finally:
            _stop(process)


async def run_command(connection: asyncssh.SSHClientConnection, command: str | bytes, *, stdin: bytes = b"") -> None:
    """The command has ended on a channel of its own. Bytes go over the wire as they are, valid UTF-8 or not.

    asyncssh's own `run` fails with AttributeError when Cowrie ends a silent command, which it does at once, before
    asyncssh has noticed that it began. Here that counts as ended. Raises TimeoutError when the command goes on.
    """
    with suppress(AttributeError, BrokenPipeError):
        # asyncssh encodes text and lets bytes through, but declares text only.
        process = await connection.create_process(cast("str", command), encoding=None)
        if stdin:
            process.stdin.write(stdin)
        process.stdin.write_eof()
        try:
            await asyncio.wait_for(process.wait_closed(), COMMAND_TIMEOUT_S)
        except TimeoutError as error:
            raise TimeoutError(f"{command!r} still runs in Cowrie after {COMMAND_TIMEOUT_S} s") from error


def _twistd() -> Path:
    """Where Cowrie's twistd should be."""
    return Path(os.environ.get("DECNET_TEST_COWRIE") or PROJECT / ".venv-cowrie").absolute() / "bin" / "twistd"


def _command() -> list[str]:
    """Cowrie in the foreground. It refuses uid 0, so root starts it in a user namespace where it is nobody."""
    rank = ["unshare", "--user"] if os.getuid() == 0 else []
    logger = ["--logger", "cowrie.python.logfile.stdoutLogger"]
    return [*rank, str(_twistd()), "--nodaemon", "--pidfile=", "--umask=0022", *logger, "cowrie"]


def _environment() -> dict[str, str]:
    """Ours without the variables by which Cowrie would let the environment overrule its configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COWRIE_")}


def _furnish(folder: Path, sensor: str, address: str, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Lay out in `folder` what Cowrie expects around itself: configuration, logins, state folders, identity."""
    for place in ("etc", "var/log/cowrie", "var/lib/cowrie/downloads", "var/lib/cowrie/tty"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    logins = "".join(f"{username}:x:{password}\n" for username, password in ACCEPTED_LOGINS)
    (folder / "etc/userdb.txt").write_text(logins, encoding="ascii")
    (folder / "var/lib/cowrie/uuid").write_text(str(uuid.uuid5(uuid.NAMESPACE_DNS, sensor)), encoding="ascii")
    configuration = ConfigParser(interpolation=None)
    configuration.read_dict(_defaults(sensor, address))
    configuration.read_dict(settings)
    with (folder / "cowrie.cfg").open("w", encoding="utf-8") as file:
        configuration.write(file)


def _defaults(sensor: str, address: str) -> dict[str, dict[str, str]]:
    """The configuration of a lab; everything else is as Cowrie ships it, with the JSON log as its only output.

    Without the two internet_facing addresses Cowrie looks for a route to a public name server.
    """
    return {
        "honeypot": {
            "hostname": "svr04",
            "sensor_name": sensor,
            "internet_facing_ip": "192.0.2.10",
            "internet_facing_ipv6": "2001:db8::10",
        },
        "ssh": {"listen_endpoints": f"tcp:0:interface={address}"},
        "telnet": {
            "enabled": "true",
            "listen_endpoints": f"tcp:0:interface={address}",
            "cve_2026_24061_vulnerable": "true",
        },
        "output_jsonlog": {"enabled": "true", "logfile": "var/log/cowrie/cowrie.json"},
    }


def _wait_until_ready(process: subprocess.Popen[bytes], output: Path) -> tuple[int, int]:
    """The SSH and Telnet ports, once both doors are open. Nothing knocks: a knock would stand in the log."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        printed = output.read_text(encoding="utf-8", errors="replace")
        ssh, telnet = _SSH_PORT.search(printed), _TELNET_PORT.search(printed)
        if ssh and telnet and all(line in printed for line in _READY):
            return int(ssh[1]), int(telnet[1])
        if process.poll() is not None:
            raise CowrieNotReadyError(f"cowrie ended with status {process.returncode}:\n{printed}")
        if time.monotonic() > deadline:
            raise CowrieNotReadyError(f"cowrie was not ready after {_START_TIMEOUT_S} s:\n{printed}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask Cowrie to end, which closes and logs its open sessions; insist when it does not."""
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
