"""A few kills at random points of intake, relay, worker and acknowledgement; ``make chaos`` does many more."""

from __future__ import annotations

import os
import random
import secrets
from typing import TYPE_CHECKING

import pytest

from decnet.db.engine import upgrade_database
from tests.chaos.programs import nats_settings
from tests.chaos.run import Chaos
from tests.contract.bus_backends import NATS_URL, own_streams
from tests.databases import empty_server_database

if TYPE_CHECKING:
    from pathlib import Path

KILLS, EVENTS = 5, 3_000
SEED = int(os.environ.get("DECNET_TEST_SEED", random.SystemRandom().randrange(1 << 31)))


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_embedded_form_survives_kills(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'decnet.sqlite'}"
    upgrade_database(url)
    chaos = Chaos(url, "journal", EVENTS, KILLS, SEED)
    chaos.run()
    assert sum(chaos.killed.values()) >= KILLS, chaos.summary()


@pytest.mark.e2e
@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", ["mariadb", "postgresql"])
def test_the_distributed_form_survives_kills(backend: str) -> None:
    bus = f"{NATS_URL}/chaos{secrets.token_hex(4)}"
    with empty_server_database(backend) as url, own_streams(nats_settings(bus)):
        upgrade_database(url)
        chaos = Chaos(url, bus, EVENTS, KILLS, SEED)
        chaos.run()
        assert sum(chaos.killed.values()) >= KILLS, chaos.summary()
