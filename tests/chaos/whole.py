"""Chaos for whole installations: ``python -m tests.chaos.whole --kills 50 --events 200000`` (part of ``make chaos``).

The same log goes through an undisturbed installation, through an embedded one and through one on NATS and MariaDB, the
latter two under kills; all that they store must be the same. Prints one line per run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos import visits
from tests.chaos.deployment import distributed, embedded
from tests.chaos.stored import assert_same
from tests.servers import own_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.deployment import Deployment
    from tests.chaos.stored import Stored

VICTIMS = ("ttp0", "relay", "mariadb", "attribute", "intake", "nats", "cluster", "ttp1", "ttp2", "ttp3")


def victims(kills: int, chance: random.Random) -> list[str]:
    """Who is killed in a distributed installation, in which order: everybody about as often."""
    found: list[str] = []
    while len(found) < kills:
        found += chance.sample(VICTIMS, len(VICTIMS))
    return found[:kills]


def main() -> None:
    """Run all three and compare."""
    options = argparse.ArgumentParser()
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    given = options.parse_args()
    chance = random.Random(given.seed)  # noqa: S311 - a run must be repeatable
    sys.stdout.write(json.dumps({"seed": given.seed}) + "\n")
    lines = visits.lines(given.events)
    wanted = _play(embedded(_folder()), lines, chance)
    assert_same(_play(embedded(_folder(), ["serve"] * given.kills), lines, chance), wanted)
    with ExitStack() as stack:
        servers = (stack.enter_context(own_server("mariadb")), stack.enter_context(own_server("nats")))
        under_kills = distributed(_folder(), servers, victims(given.kills, chance))
        assert_same(_play(under_kills, lines, chance), wanted)


def _play(deployment: Deployment, lines: Sequence[str], chance: random.Random) -> Stored:
    found = deployment.run(lines, chance)
    sys.stdout.write(json.dumps({"lines": len(lines), "tags": found["tags"].total()} | deployment.summary()) + "\n")
    sys.stdout.flush()
    return found


def _folder() -> Path:
    """A folder of its own, which stays: it is what there is to look at when runs differ."""
    return Path(tempfile.mkdtemp(prefix="decnet-chaos-"))


if __name__ == "__main__":
    main()
