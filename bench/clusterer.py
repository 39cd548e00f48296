"""The clusterer through the database: stored traits and tags in, memberships, edges and roll-ups out.

``python -m bench.clusterer`` fills a SQLite file with a population whose owners are known, as attribution and tagging
would have, and lets the clusterer take in changes of some hundred attackers at a time.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.attribution import _resident_mb
from decnet.attribution.states import packed
from decnet.db.actors import Actors
from decnet.db.engine import open_database
from decnet.db.leases import acquire_lease
from decnet.db.tags import TagWriter
from decnet.db.traits import write_traits
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid
from decnet.workers.clustering import LEASE, Clustering
from tests.attribution.population import population
from tests.events import a_command, a_tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from decnet.attribution.sessions import SessionTraits
    from decnet.db.engine import Database
    from decnet.models.actor import AttackerUuid

ATTACKERS = 100_000
SESSIONS_EACH = 4
CHANGED, ROUNDS = 300, 20
TAGGED = 0.3
"""The share of sessions that have tags: one that fetched something or looked around."""
STEP = 2_000
LEASE_US = 3_600_000_000


def main(attackers: int = ATTACKERS) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'decnet.sqlite'}")
        chance = random.Random(7)
        addresses = _addresses(attackers)
        sessions = [one for one in population(attackers, sessions=SESSIONS_EACH).sessions if one.attacker in addresses]
        _store(database, sessions[: -CHANGED * ROUNDS], addresses, chance)
        before = _resident_mb()
        database.write(partial(acquire_lease, name=LEASE, holder="bench", now=_now(), length_us=LEASE_US))
        clustering = Clustering(database, _now, holder="bench", lease_us=LEASE_US)
        begun, wall = time.process_time(), time.monotonic()
        clustering.fill()
        filled = len(addresses) / (time.process_time() - begun), len(addresses) / (time.monotonic() - wall)
        rates = []
        for number in range(ROUNDS):
            end = len(sessions) - number * CHANGED
            new = sessions[end - CHANGED : end]
            _store(database, new, addresses, chance)
            begun, wall = time.process_time(), time.monotonic()
            clustering.take_in([one.session_id for one in new])
            changed = len({one.attacker for one in new})
            rates.append((changed / (time.process_time() - begun), changed / (time.monotonic() - wall)))
        memory_mb = _resident_mb() - before
        database.close()
    print(f"clusterer on SQLite, {len(addresses):,} attackers, {len(sessions):,} sessions, one core")
    print(f"  first filled           {filled[0]:,.0f} attackers per CPU second, {filled[1]:,.0f} per second")
    for place, unit in enumerate(("CPU second", "second")):
        found = [rate[place] for rate in rates]
        print(
            f"  changed attackers      median {statistics.median(found):,.0f} "
            f"(min {min(found):,.0f}, max {max(found):,.0f}, {ROUNDS} runs) per {unit}, {CHANGED} at a time"
        )
    print(f"  memory                 {memory_mb:,.0f} MB for the clusterer")


def _addresses(attackers: int) -> dict[AttackerUuid, str]:
    names = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(attackers + 16)]
    names += [f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(attackers + 16)]
    known = {attacker_uuid(name): name for name in names}
    seen = {one.attacker for one in population(attackers, sessions=SESSIONS_EACH).sessions}
    return {who: name for who, name in known.items() if who in seen}


def _store(
    database: Database, sessions: Iterable[SessionTraits], addresses: dict[AttackerUuid, str], chance: random.Random
) -> None:
    """A session row, its traits and, of some, a tag, as intake, attribution and tagging leave them."""
    actors = Actors()
    intake, tags = Intake(actors), TagWriter(actors)
    left = iter(sessions)
    while part := list(islice(left, STEP)):
        database.write(partial(_store_part, part=part, addresses=addresses, chance=chance, intake=intake, tags=tags))


def _store_part(
    connection: Connection,
    part: list[SessionTraits],
    addresses: dict[AttackerUuid, str],
    chance: random.Random,
    intake: Intake,
    tags: TagWriter,
) -> None:

    events = []
    found = []
    for one in part:
        made = a_command("id", at=one.started_at, src=addresses[one.attacker], session=one.session_id.hex())
        event = msgspec.structs.replace(made, session_id=one.session_id, decky_id=f"d{chance.randrange(200)}")
        events.append(event)
        if chance.random() < TAGGED:
            tactic, technique = chance.choice([("TA0011", "T1105"), ("TA0007", "T1033")])
            found.append(a_tag(event, tactic=tactic, technique=technique))
    intake.store(connection, events, now=0)
    tags.insert_tags(connection, found, now=0)
    write_traits(connection, {one.session_id: packed(one) for one in part})


def _now() -> int:
    return time.time_ns() // 1_000


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
