from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from decnet.db.actors import Actors
from decnet.intake.store import Intake
from tests.databases import rows
from tests.events import NOON, SECOND, a_command, a_login, an_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event

EVENTS = [
    a_login(success=False),
    a_login(success=True, at=NOON + SECOND),
    a_command("id", at=NOON + 2 * SECOND),
    an_end(at=NOON + 3 * SECOND),
]


def store(database: Database, events: Sequence[Event]) -> list[Event]:
    return database.write(lambda connection: Intake(Actors()).store(connection, events)[0])


def one(database: Database, sql: str) -> tuple[Any, ...]:
    return rows(database, sql)[0]


def test_a_session_is_the_sum_of_its_events(database: Database) -> None:
    store(database, EVENTS)
    counts = "event_count, command_count, login_failed_count, login_success_count"
    assert one(database, f"SELECT {counts}, duration_ms, ended_at FROM session") == (
        *(4, 1, 1, 1),
        *(1_500, NOON + 3 * SECOND),
    )


def test_a_replay_changes_nothing(database: Database) -> None:
    everything = "SELECT * FROM session JOIN attacker ON attacker.id = session.attacker_id"
    assert store(database, EVENTS) == EVENTS
    before = one(database, everything)
    assert store(database, EVENTS) == []
    assert one(database, everything) == before


def test_the_start_of_a_session_stays_as_first_written(database: Database) -> None:
    store(database, EVENTS[2:])
    store(database, EVENTS[:2])
    assert one(database, "SELECT started_at FROM session") == (EVENTS[2].observed_at,)


def test_every_attacker_has_an_identity_and_a_campaign_from_its_first_event(database: Database) -> None:
    store(database, EVENTS)
    joined = "attacker JOIN identity ON identity.id = identity_id JOIN campaign ON campaign.id = campaign_id"
    assert one(database, f"SELECT count(*) FROM {joined}") == (1,)


def test_what_a_failed_transaction_wrote_is_not_believed_to_be_stored(database: Database) -> None:
    actors = Actors()
    intake = Intake(actors)

    def fail(connection: Connection) -> None:
        intake.store(connection, EVENTS)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        database.write(fail, actors.forget)
    assert database.write(lambda connection: intake.store(connection, EVENTS)[0]) == EVENTS
    assert one(database, "SELECT count(*) FROM event") == (4,)
