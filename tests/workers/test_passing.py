"""Sessions that pass by: what is claimed of them, and that the claim is what the stored events say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from decnet.cli.tagging import open_direct
from decnet.models.event import SESSION, SessionPayload
from decnet.models.event_batch import EventBatch
from decnet.workers.passing import MAX_EVENTS, PassingSessions
from tests.databases import rows
from tests.events import NOON, SECOND, a_command, an_end, an_event
from tests.workers.rules_in_force import SESSION_RULE, live, loaded
from tests.workers.test_direct import DROPPER, record

if TYPE_CHECKING:
    from pathlib import Path

    from decnet.models.event import Event


def a_start(at: int = NOON) -> Event:
    return an_event(SESSION, SessionPayload("started"), at=at)


@pytest.fixture
def passing() -> PassingSessions:
    return PassingSessions(live(loaded(SESSION_RULE)))


def whole() -> list[Event]:
    commands = [a_command("whoami", at=NOON + number * SECOND) for number in (1, 2)]
    return [a_start(), *commands, an_end(at=NOON + 3 * SECOND)]


def test_a_session_is_told_with_the_batch_that_ends_it(passing: PassingSessions) -> None:
    *before, end = whole()
    assert passing.evaluate(EventBatch.of(before)) == []
    (one,) = passing.evaluate(EventBatch.of([end]))
    assert (one.events, one.started_at, [tag.rule_id for tag in one.tags]) == (4, NOON, ["R0910"])


def test_an_event_that_comes_twice_counts_once(passing: PassingSessions) -> None:
    start, first, second, end = whole()
    passing.evaluate(EventBatch.of([start, first]))
    (one,) = passing.evaluate(EventBatch.of([first, second, end]))
    assert one.events == 4
    assert one.tags[0].evidence["count"] == 2


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(whole()[1:], id="its start was not seen"),
        pytest.param(whole()[:-1], id="it goes on"),
        pytest.param(
            [a_start(), *(a_command(f"whoami {number}") for number in range(MAX_EVENTS)), an_end()], id="it is long"
        ),
    ],
)
def test_nothing_is_claimed_of_other_sessions(passing: PassingSessions, events: list[Event]) -> None:
    assert passing.evaluate(EventBatch.of(events)) == []


def test_a_claim_that_does_not_hold_gives_way_to_what_is_stored(tmp_path: Path) -> None:
    """Part of the session stands in another file, which an earlier run has read."""
    log, other = tmp_path / "cowrie.json", tmp_path / "other.json"
    log.write_text(record("session.connect", 0) + "".join(DROPPER[1:]) + record("session.closed", 9, duration_ms=9_000))
    other.write_text(DROPPER[0])
    found = []
    for name, logs in (("split", (other, log)), ("part", (log,))):
        with open_direct(data_dir=tmp_path / name) as run:
            for path in logs:
                run.read(str(path))
            found.append(rows(run.database, "SELECT rule_id FROM tag WHERE source_kind = 'session'"))
    assert found == [[("R0241",)], []]
