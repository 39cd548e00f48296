"""One of several processes that store overlapping sets: ``python -m tests.contract.writer URL SEED``.

Prints as JSON how many events and tags it was told are new.
"""

from __future__ import annotations

import json
import random
import sys
from typing import TYPE_CHECKING

from decnet.db.actors import Actors
from decnet.db.engine import open_database
from decnet.db.tags import TagWriter
from decnet.intake.store import Intake
from tests.events import NOON, SECOND, a_command, a_tag

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.models.event import Event

EVENTS = 1_500
BATCH = 60


def all_events() -> list[Event]:
    """What the processes share: commands of 40 attackers over 3 hours, two sessions each."""
    return [
        a_command(
            f"wget {number}",
            at=NOON + number * 7 * SECOND,
            src=f"198.51.100.{number % 40}",
            session=f"s{number % 80}",
        )
        for number in range(EVENTS)
    ]


def events_of(seed: int) -> list[Event]:
    """Two thirds of all events in an order of one's own."""
    return random.Random(seed).sample(all_events(), EVENTS * 2 // 3)  # noqa: S311 - an order, not a secret


def main(url: str, seed: int) -> None:
    """Store the events of this process, each with two tags."""
    mine = events_of(seed)
    database = open_database(url)
    actors = Actors()
    intake, tags = Intake(actors, announce=True), TagWriter(actors, shard=seed)
    told = {"events": 0, "tags": 0}
    for start in range(0, len(mine), BATCH):
        part = mine[start : start + BATCH]

        def work(connection: Connection, part: list[Event] = part) -> tuple[int, int]:
            new, _ = intake.store(connection, part, now=NOON)
            found = [a_tag(event, technique=name) for event in part for name in ("T1105", "T1083")]
            return len(new), len(tags.insert_tags(connection, found, now=NOON))

        events, written = database.write(work, tags.forget)
        told["events"] += events
        told["tags"] += written
    database.close()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
