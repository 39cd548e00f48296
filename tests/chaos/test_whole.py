"""Whole installations under a few kills store what an undisturbed one does; ``make chaos`` does many more."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.chaos import visits
from tests.chaos.deployment import distributed, embedded
from tests.chaos.stored import assert_same
from tests.servers import own_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.stored import Stored

EVENTS = 20_000
SEED = int(os.environ.get("DECNET_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
VICTIMS = ("ttp0", "relay", "attribute", "intake", "cluster", "mariadb", "nats")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def chance() -> random.Random:
    print(f"DECNET_TEST_SEED={SEED}")  # noqa: T201 - it is shown where a test fails
    return random.Random(SEED)  # noqa: S311 - a run must be repeatable


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return visits.lines(EVENTS)


@pytest.fixture(scope="module")
def wanted(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """What an undisturbed installation stores."""
    return embedded(tmp_path_factory.mktemp("undisturbed")).run(lines, random.Random(SEED))  # noqa: S311 - as above


def test_the_log_asks_for_everything_that_is_compared(wanted: Stored, lines: list[str]) -> None:
    assert wanted["events"].total() == len(lines)
    assert all(rows.total() > 0 for rows in wanted.values())
    assert max(len(members) for (members,) in wanted["identities"]) > 1
    assert any("T1105" in row for row in wanted["tags"])


def test_one_process_that_is_killed_stores_the_same(
    wanted: Stored, lines: list[str], tmp_path: Path, chance: random.Random
) -> None:
    under_kills = embedded(tmp_path, ["serve"] * 5)
    assert_same(under_kills.run(lines, chance), wanted)


def test_workers_and_servers_that_are_killed_store_the_same(
    wanted: Stored, lines: list[str], tmp_path: Path, chance: random.Random
) -> None:
    with own_server("mariadb") as mariadb, own_server("nats") as nats:
        under_kills = distributed(tmp_path, (mariadb, nats), chance.sample(VICTIMS, len(VICTIMS)))
        assert_same(under_kills.run(lines, chance), wanted)
