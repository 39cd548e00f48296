"""A database server that goes away in the middle of work: it is waited for, and nothing is lost or doubled."""

from __future__ import annotations

import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from decnet.db.actors import Actors
from decnet.db.engine import open_database, upgrade_database
from decnet.db.tags import TagWriter
from decnet.errors import StorageUnavailable
from decnet.intake.store import Intake
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.databases import rows
from tests.events import NOON, a_command, a_tag
from tests.servers import own_server

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.models.event import Event

AWAY_S = float(os.environ.get("DECNET_TEST_AWAY_S", "30"))
BATCHES, SIZE = 40, 25


@pytest.mark.e2e
@pytest.mark.timeout(180)
@pytest.mark.parametrize("backend", ["mariadb", "postgresql"])
def test_work_resumes_by_itself_after_the_server_was_away(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="decnet")
    with own_server(backend) as server:
        upgrade_database(server.url)
        database = open_database(server.url)

        def outage() -> None:
            time.sleep(0.3)
            server.kill()
            time.sleep(AWAY_S)
            server.start()

        thread = threading.Thread(target=outage)
        thread.start()
        actors = Actors()
        intake, tags = Intake(actors, announce=True), TagWriter(actors)

        def work(connection: Connection, batch: list[Event]) -> None:
            intake.store(connection, batch, now=NOON)
            tags.insert_tags(connection, [a_tag(event) for event in batch], now=NOON)

        for number in range(BATCHES):
            batch = [a_command(f"wget {number}-{place}", at=NOON + number * SIZE + place) for place in range(SIZE)]
            database.write(partial(work, batch=batch), tags.forget)
            time.sleep(0.03)
        thread.join()

        assert "out of reach; waiting for it" in caplog.text
        for table in ("event", "tag"):
            assert rows(database, f"SELECT count(*) FROM {table}") == [(BATCHES * SIZE,)]
        assert_rollups_equal_a_recount(database)
        database.close()


@pytest.mark.e2e
@pytest.mark.timeout(60)
@pytest.mark.parametrize("backend", ["mariadb", "postgresql"])
def test_a_server_that_stays_away_is_reported_in_words(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decnet.db.engine.SERVER_PATIENCE_S", 1.0)
    with own_server(backend) as server:
        upgrade_database(server.url)
        database = open_database(server.url)
        server.kill()
        with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1.*DECNET_DB_URL"):
            rows(database, "SELECT 1")
        server.start()
        assert rows(database, "SELECT 1") == [(1,)]
        database.close()
