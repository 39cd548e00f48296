"""Several processes store overlapping sets at once: nothing is lost, nothing doubled, "new" is said once in total."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from decnet.db.maintenance import fold_fleet_shards
from decnet.db.outbox import fresh_partitions, messages_after
from decnet.models.event import unpacked_event
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.contract.writer import all_events, events_of
from tests.databases import BACKENDS, own_database, rows

if TYPE_CHECKING:
    from pathlib import Path

    from decnet.db.engine import Database
    from decnet.models.event import Event

PROCESSES = 4


@pytest.mark.e2e
@pytest.mark.timeout(180)
@pytest.mark.parametrize("backend", BACKENDS)
def test_four_processes_store_overlapping_sets(backend: str, tmp_path: Path) -> None:
    with own_database(backend, tmp_path) as database:
        url = database.url.render_as_string(hide_password=False)
        children = [
            subprocess.Popen([sys.executable, "-m", "tests.contract.writer", url, str(seed)], stdout=subprocess.PIPE)
            for seed in range(PROCESSES)
        ]
        told = [json.loads(child.communicate()[0]) for child in children]

        union = stored_by_all()
        assert sum(one["events"] for one in told) == len(union)
        assert sum(one["tags"] for one in told) == 2 * len(union)
        assert rows(database, "SELECT count(*) FROM event") == [(len(union),)]
        assert rows(database, "SELECT count(*) FROM tag") == [(2 * len(union),)]
        assert rows(database, "SELECT sum(event_count) FROM attacker") == [(len(union),)]
        assert rows(database, "SELECT sum(command_count) FROM session") == [(len(union),)]
        assert sorted(event.id for event in announced(database)) == sorted(event.id for event in union)
        assert_rollups_equal_a_recount(database)
        fold_fleet_shards(database)
        assert rows(database, "SELECT count(*) FROM rollup_fleet_hour WHERE shard <> 0") == [(0,)]
        assert_rollups_equal_a_recount(database)


def stored_by_all() -> list[Event]:
    """The union of what the processes were given."""
    chosen = {event.id for seed in range(PROCESSES) for event in events_of(seed)}
    return [event for event in all_events() if event.id in chosen]


def announced(database: Database) -> list[Event]:
    """Every event in the outbox."""
    found = []
    for partition in database.read(lambda connection: fresh_partitions(connection, 0)):
        stored = database.read(partial(messages_after, partition=partition, position=0, limit=10_000))
        found += [unpacked_event(item) for one in stored for item in one.message.items]
    return found
