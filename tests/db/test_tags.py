from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decnet.db.engine import open_database, reading, writing
from decnet.db.tags import TagWriter
from decnet.errors import StorageError
from decnet.intake.store import Intake
from decnet.models.tag import confidence_band
from tests.events import NOON, SECOND, a_command, a_tag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from decnet.models.event import Event
    from decnet.models.tag import TTPTag

HOUR = 3_600 * SECOND
DAY = 24 * HOUR


def store(database: Engine, events: Sequence[Event], tags: Sequence[TTPTag]) -> list[TTPTag]:
    """What a writer stores in one transaction; returns the tags that were new."""
    with writing(database) as connection:
        _, sessions = Intake().store(connection, events)
        return TagWriter().insert_tags(connection, tags, sessions, now=NOON)


def rows(database: Engine, sql: str) -> list[tuple[Any, ...]]:
    with reading(database) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def test_a_tag_written_again_is_no_new_row(database: Engine) -> None:
    event = a_command("wget x")
    tag = a_tag(event)
    assert store(database, [event], [tag, tag]) == [tag]
    assert store(database, [event], [tag]) == []
    assert rows(database, "SELECT count(*) FROM tag") == [(1,)]


def test_insert_reports_exactly_the_new_tags_of_a_mixed_batch(database: Engine) -> None:
    events = [a_command(f"wget {number}", at=NOON + number) for number in range(600)]
    tags = [a_tag(event) for event in events]
    store(database, events[:300], tags[:300])
    assert store(database, events, tags) == tags[300:]


def test_a_tag_below_the_stored_minimum_is_an_error_not_a_silence(database: Engine) -> None:
    event = a_command("wget x")
    with pytest.raises(StorageError, match="confidence"):
        store(database, [event], [a_tag(event, confidence=0.1)])
    assert rows(database, "SELECT count(*) FROM event") == [(0,)]


def test_a_tag_without_actor_is_refused_by_the_database_too(database: Engine) -> None:
    with pytest.raises(StorageError, match="anchor"), writing(database) as connection:
        connection.exec_driver_sql("INSERT INTO ttp VALUES (1, 'enterprise-19.2', 'TA0007', 'T1083', '')")
        connection.exec_driver_sql(
            "INSERT INTO tag VALUES (1, x'00', 'command', 'x', NULL, NULL, NULL, NULL, 1, 0.9, 'R0001', 1, 0, '{}', 1)"
        )


def test_deleting_an_attacker_deletes_its_tags_and_events(database: Engine) -> None:
    mine, others = a_command("wget x"), a_command("wget y", src="203.0.113.9", session="s2")
    store(database, [mine, others], [a_tag(mine), a_tag(others)])
    with writing(database) as connection:
        connection.exec_driver_sql("DELETE FROM attacker WHERE address = '198.51.100.7'")
    assert rows(database, "SELECT count(*) FROM tag") == [(1,)]
    assert rows(database, "SELECT count(*) FROM event") == [(1,)]
    assert rows(database, "SELECT count(*) FROM rollup_attacker") == [(1,)]


KEYS = {
    "rollup_attacker": "t.attacker_id, t.observed_at / {day}",
    "rollup_session": "t.session_id, t.observed_at / {day}",
    "rollup_identity": "a.identity_id, t.observed_at / {day}",
    "rollup_campaign": "i.campaign_id, t.observed_at / {day}",
    "rollup_fleet_hour": "t.observed_at / {hour}",
    "rollup_fleet_day": "t.observed_at / {day}, t.decky_id, t.source_kind",
}
"""How each roll-up would be counted from the tags themselves."""


def assert_rollups_equal_a_recount(database: Engine) -> None:
    with reading(database) as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.create_function("band", 1, confidence_band)
        for table, template in KEYS.items():
            keys = template.format(day=DAY, hour=HOUR)
            recount = connection.exec_driver_sql(
                f"SELECT {keys}, t.ttp_id, band(t.confidence) AS band, count(*), max(t.confidence), "
                "min(t.observed_at), max(t.observed_at) FROM tag t JOIN attacker a ON a.id = t.attacker_id "
                f"JOIN identity i ON i.id = a.identity_id GROUP BY {keys}, t.ttp_id, band"
            )
            stored = connection.exec_driver_sql(f"SELECT * FROM {table}")
            assert sorted(map(tuple, stored)) == sorted(map(tuple, recount)), table


A_TAG = st.tuples(
    st.integers(0, 30),
    st.integers(0, 3),
    st.sampled_from(["T1105", "T1083"]),
    st.sampled_from([0.3, 0.55, 0.6, 0.75, 0.9, 1.0]),
    st.integers(0, 3 * DAY),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(A_TAG, max_size=12), max_size=5))
def test_rollups_equal_a_recount_after_any_batches(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int, str, float, int]]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("rollups")
    database = open_database(f"sqlite:///{folder / 'decnet.sqlite'}")
    for batch in batches:
        events = {
            (number, host): a_command(f"{number}", at=NOON + at, src=f"198.51.100.{host}", session=f"s{host}")
            for number, host, _, _, at in batch
        }
        tags = [
            a_tag(events[number, host], technique=technique, confidence=confidence)
            for number, host, technique, confidence, _ in batch
        ]
        store(database, list(events.values()), tags)
    assert_rollups_equal_a_recount(database)
    database.dispose()
