"""Stored events evaluated again, on every kind of database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from decnet.db.actors import Actors
from decnet.db.engine import open_database
from decnet.db.findings import write_findings
from decnet.db.tags import TagWriter
from decnet.errors import OutdatedRule
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid
from decnet.models.event import AUTH_ATTEMPT
from decnet.models.finding import BUCKET_US, Finding, Guessing, auth_source_id
from decnet.models.rule_state import RuleState
from decnet.workers import backfill
from decnet.workers.backfill import Backfill, BackfillReport
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.databases import BACKENDS, ready_database, rows
from tests.events import NOON, SECOND, a_command, a_tag, an_end
from tests.ttp.store.rule_texts import rule_text
from tests.workers.rules_in_force import SESSION_RULE, live, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event
    from decnet.ttp.store.base import LoadedRules

V1, V2 = rule_text(version=1), rule_text(version=2)
GUESSING = V1.replace("[command]", "[auth_attempt]").replace(
    "{contains: 'whoami'}", "{lifter: credential_failures, gte: 5, within: '5m'}"
)
OTHER_WORD = rule_text(version=2, word="uname")


@pytest.fixture(params=BACKENDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        found = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
        yield found
        found.close()
        return
    with ready_database(request.param) as found:
        yield found


def store(database: Database, events: Sequence[Event]) -> None:
    actors = Actors()

    def work(connection: Connection) -> None:
        Intake(actors).store(connection, events)

    database.write(work, actors.forget)


def run(database: Database, rules: LoadedRules, **own: object) -> BackfillReport:
    return a_run(database, rules).run(**own)  # type: ignore[arg-type]


def a_run(database: Database, rules: LoadedRules) -> Backfill:
    return Backfill(database, rules, live(rules), clock=lambda: NOON, pause=lambda _: None)


def tags(database: Database) -> list[tuple[object, ...]]:
    """Rule version, source kind and whether it is superseded, of each tag."""
    found = rows(database, "SELECT rule_version, source_kind, superseded FROM tag ORDER BY rule_version, source_kind")
    return [(version, kind, bool(superseded)) for version, kind, superseded in found]


def some_events(count: int, *, sessions: int = 3) -> list[Event]:
    """Commands of some sessions in turn; every other one is seen by the rule."""
    return [
        a_command(
            f"{'whoami' if number % 2 else 'ls'} {number}", at=NOON + number * SECOND, session=f"s{number % sessions}"
        )
        for number in range(count)
    ]


def store_findings(database: Database, failures: Sequence[int]) -> None:
    """One finding of each of these figures, on the attacker of a stored event."""
    event = a_command("ls")
    store(database, [event])
    attacker = attacker_uuid(event.src_ip)
    found = [
        Finding(
            auth_source_id(attacker, "svr 04", "ssh", number),
            AUTH_ATTEMPT,
            number // 3 * BUCKET_US,  # some at the same time
            1,
            Guessing(count, 1),
            attacker,
            decky_id="svr 04",
        )
        for number, count in enumerate(failures)
    ]
    database.write(lambda connection: write_findings(connection, found))


def test_stored_findings_are_evaluated_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STEP", 2)
    store_findings(database, [4, 5, 9, 3, 6])
    first, second = run(database, loaded(GUESSING)), run(database, loaded(GUESSING))
    assert (first.findings, first.new_tags, first.total) == (5, 3, 6)
    assert (second.findings, second.new_tags, second.superseded) == (5, 0, 0)
    newer = GUESSING.replace("rule_version: 1", "rule_version: 2").replace("gte: 5", "gte: 6")
    report = run(database, loaded(newer))
    assert (report.new_tags, report.superseded) == (2, 3)
    assert_rollups_equal_a_recount(database)


def test_an_interrupted_run_goes_on_among_the_findings(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STEP", 2)
    store_findings(database, [5, 5, 5, 5, 5])

    def stop_after_two(report: BackfillReport) -> None:
        if report.findings == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(database, loaded(GUESSING), on_step=stop_after_two)
    rest = run(database, loaded(GUESSING))
    assert (rest.resumed_at, rest.events, rest.findings, rest.new_tags) == (3, 0, 3, 3)


def test_a_second_run_adds_nothing_and_supersedes_nothing(database: Database) -> None:
    store(database, [*some_events(10), an_end(session="s1", at=NOON + 60 * SECOND)])
    rules = loaded(V1, SESSION_RULE)
    first, second = run(database, rules), run(database, rules)
    assert (first.new_tags, first.superseded) == (6, 0)
    assert (second.events, second.new_tags, second.superseded) == (11, 0, 0)
    assert tags(database).count((1, "session", False)) == 1
    assert_rollups_equal_a_recount(database)


def test_a_newer_version_replaces_the_tags_of_the_older_one(database: Database) -> None:
    store(database, [a_command("whoami")])
    run(database, loaded(V1))
    report = run(database, loaded(V2))
    assert (report.new_tags, report.superseded) == (1, 1)
    assert tags(database) == [(1, "command", True), (2, "command", False)]
    assert_rollups_equal_a_recount(database)


def test_a_newer_version_that_no_longer_fires_takes_the_older_tags_out_of_view(database: Database) -> None:
    store(database, [a_command("whoami")])
    run(database, loaded(V1))
    assert run(database, loaded(OTHER_WORD)).superseded == 1
    assert rows(database, "SELECT count(*) FROM rollup_attacker") == [(0,)]


def test_a_disabled_rule_is_neither_added_nor_superseded(database: Database) -> None:
    store(database, [a_command("whoami")])
    run(database, loaded(V1))
    disabled = loaded(V2, states={"R0900": RuleState("disabled")})
    report = run(database, disabled)
    assert (report.new_tags, report.superseded) == (0, 0)
    assert tags(database) == [(1, "command", False)]


def test_a_writer_with_older_rules_is_refused_from_then_on(database: Database) -> None:
    event = a_command("whoami")
    store(database, [event])
    run(database, loaded(V2))
    writer = TagWriter(Actors())
    old = [a_tag(event, rule="R0900", version=1)]
    with pytest.raises(OutdatedRule, match="R0900"):
        database.write(lambda connection: writer.insert_tags(connection, old, now=NOON), writer.forget)


def test_an_interrupted_run_goes_on_where_it_was(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STEP", 4)
    store(database, some_events(10))
    rules = loaded(V1)

    def stop_after_eight(report: BackfillReport) -> None:
        if report.events == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(database, rules, on_step=stop_after_eight)
    rest = run(database, rules)
    assert (rest.resumed_at, rest.events) == (8, 2)
    assert len(tags(database)) == 5
    assert run(database, rules).events == 10


def test_an_interrupted_run_begins_anew_with_other_rules(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STEP", 4)
    store(database, some_events(10))

    def stop(_: BackfillReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(database, loaded(V1), on_step=stop)
    assert run(database, loaded(V2)).events == 10


@pytest.mark.parametrize("step", [1, 3, 7, 200])
def test_the_size_of_steps_changes_nothing(database: Database, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STEP", step)
    ends = [an_end(session=f"s{number}", at=NOON + 90 * SECOND) for number in range(3)]
    store(database, [*some_events(20), *ends])
    report = run(database, loaded(V1, SESSION_RULE))
    assert (report.events, report.new_tags) == (23, 13)


def test_events_that_share_a_moment_are_all_seen(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STEP", 2)
    store(database, [a_command(f"whoami {number}") for number in range(7)])
    assert run(database, loaded(V1)).new_tags == 7


def test_variables_of_earlier_lines_are_known_in_a_later_step(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "STEP", 1)
    store(database, [a_command("a=who"), a_command("b=ami", at=NOON + 1), a_command("$a$b", at=NOON + 2)])
    program = V1.replace("match: {contains: 'whoami'}", "match: {exec: {program: whoami}}")
    assert run(database, loaded(program)).new_tags == 1
