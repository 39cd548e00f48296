"""The ttp worker between a real journal and a real database."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from decnet.bus.base import Start
from decnet.bus.journal import JournalBus, JournalSettings
from decnet.bus.topics import FINDING, SESSION_ENDED, TAGGED
from decnet.db.actors import Actors
from decnet.db.engine import open_database
from decnet.db.events import commands_before
from decnet.db.maintenance import purge_attacker
from decnet.db.tags import raise_rule_floor
from decnet.intake.store import Intake, event_messages
from decnet.models.actor import attacker_uuid
from decnet.models.announcement import RuleFired, RuleSuppressed, Tagged
from decnet.models.event import AUTH_ATTEMPT, packed_event
from decnet.models.finding import BUCKET_US, Finding, Guessing, auth_source_id, packed_finding
from decnet.models.message import Message, partition_of
from decnet.models.rule_state import ENABLED
from decnet.ttp.store.base import RuleChange
from decnet.workers.firing import MOST_FIRED, WINDOW_US
from decnet.workers.tagging import DURABLE, TaggingWorker, events_in
from tests.contract.bus_backends import in_loop
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.databases import rows
from tests.events import NOON, SECOND, a_command, an_end
from tests.ttp.store.rule_texts import rule_text
from tests.workers.rules_in_force import SESSION_RULE, live, loaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event
    from decnet.ttp.live import LiveRules

PATIENCE_S = 10.0
RULE = rule_text()
BRUTE_FORCE = RULE.replace("[command]", "[auth_attempt]").replace(
    "{contains: 'whoami'}", "{lifter: credential_failures, gte: 5, within: '5m'}"
)
BY_PROGRAM = RULE.replace("match: {contains: 'whoami'}", "match: {exec: {program: whoami}}")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    yield database
    database.close()


def store(database: Database, events: Sequence[Event]) -> None:
    """Store and announce ``events``."""
    actors = Actors()

    def work(connection: Connection) -> None:
        Intake(actors, announce=True).store(connection, events, now=NOON)

    database.write(work, actors.forget)


class Setting:
    """A worker and what it works with."""

    def __init__(self, database: Database, bus: JournalBus, worker: TaggingWorker) -> None:
        self.database = database
        self.bus = bus
        self.worker = worker

    async def settled(self) -> None:
        """Everything that is announced was handled."""
        await until(lambda: self._lag() == 0)

    def _lag(self) -> int:
        sql = (
            "SELECT count(*) FROM outbox LEFT JOIN bus_position ON bus_position.consumer = :name "
            "AND bus_position.partition = outbox.partition "
            "WHERE outbox.id > coalesce(bus_position.position, 0) "
            "AND outbox.topic IN ('events', 'attacker.session.ended')"
        )
        return int(rows(self.database, sql, name=DURABLE)[0][0])

    def announced(self, topic: str) -> list[bytes]:
        """The items of all messages on topics that begin like this, in order."""
        sql = "SELECT body FROM outbox WHERE topic LIKE :topic ORDER BY id"
        bodies = [body for (body,) in rows(self.database, sql, topic=f"{topic}%")]
        return [item for body in bodies for item in msgspec.msgpack.decode(body, type=tuple[bytes, ...])]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - other threads write it
            await asyncio.sleep(0.02)


@asynccontextmanager
async def working(
    database: Database, *texts: str, rules: LiveRules | None = None, **own: Any
) -> AsyncIterator[Setting]:
    """A running worker with these rules; it is stopped politely at the end."""

    def earlier(event: Event) -> list[str]:
        return database.read(partial(commands_before, event=event))

    own.setdefault("clock", lambda: NOON)
    worker = TaggingWorker(database, rules or live(loaded(*(texts or (RULE,))), earlier), **own)
    bus, stop = JournalBus(database, JournalSettings(lease_s=1.0, poll_s=0.05)), asyncio.Event()
    running = asyncio.create_task(worker.run(bus, stop))
    try:
        yield Setting(database, bus, worker)
    finally:
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)
        await bus.close()


def tag_count(database: Database) -> int:
    return int(rows(database, "SELECT count(*) FROM tag")[0][0])


@in_loop
async def test_announced_events_are_tagged_and_their_tags_announced(database: Database) -> None:
    event = a_command("whoami")
    store(database, [event, a_command("ls", at=NOON + 1)])
    async with working(database) as at:
        await until(lambda: tag_count(database) == 1)
        await at.settled()
        (told,) = [msgspec.msgpack.decode(item, type=Tagged) for item in at.announced("ttp.tagged")]
        (fired,) = [msgspec.msgpack.decode(item, type=RuleFired) for item in at.announced("ttp.rule.fired.T1033")]
    ((at_us, uuid),) = rows(database, "SELECT observed_at, uuid FROM tag")
    assert told == Tagged(attacker_uuid(event.src_ip), None, event.session_id, ((at_us, uuid),), ("T1033",))
    assert (fired.rule_id, fired.tag) == ("R0900", (at_us, uuid))
    assert_rollups_equal_a_recount(database)


@in_loop
async def test_a_subscriber_that_publishes_its_trigger_again_ends_after_one_round(database: Database) -> None:
    event = a_command("whoami")
    (trigger,) = event_messages([event])
    store(database, [event])
    rounds = 0

    async def loop(bus: JournalBus) -> None:
        nonlocal rounds
        async with bus.subscribe(TAGGED.pattern, durable="looper", start=Start.FIRST) as subscription:
            async for delivery in subscription:
                rounds += 1
                await bus.publish([trigger])
                await delivery.acknowledge()

    async with working(database) as at:
        looper = asyncio.create_task(loop(at.bus))
        await until(lambda: rounds == 1)
        await until(lambda: at.worker.counters.handled == 2)
        await at.settled()
        await asyncio.sleep(0.3)
        looper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looper
        assert len(at.announced("ttp.tagged")) == 1
    assert (rounds, tag_count(database), at.worker.tags) == (1, 1, 1)


@in_loop
async def test_an_ended_session_is_tagged_by_what_is_stored_of_it(database: Database) -> None:
    events = [a_command("whoami"), a_command("whoami 2", at=NOON + SECOND), an_end(at=NOON + 2 * SECOND)]
    store(database, events)
    item = msgspec.msgpack.encode(bytes(events[0].session_id))
    message = Message(SESSION_ENDED.pattern, partition_of(attacker_uuid(events[0].src_ip)), (item,))
    async with working(database, SESSION_RULE) as at:
        await at.bus.publish([message])
        await until(lambda: tag_count(database) == 1)
        await at.bus.publish([message])
        await until(lambda: at.worker.counters.handled == 5)
        assert len(at.announced("ttp.tagged")) == 1
    assert rows(database, "SELECT source_kind, observed_at FROM tag") == [("session", NOON)]


def a_guessing(event: Event, failures: int) -> Finding:
    """The failed log-ins of the event's attacker in a bucket, each count a revision of one finding."""
    attacker = attacker_uuid(event.src_ip)
    source_id = auth_source_id(attacker, "svr04", "ssh", NOON // BUCKET_US)
    return Finding(source_id, AUTH_ATTEMPT, NOON, failures, Guessing(failures, 1), attacker, decky_id="svr04")


def finding_message(findings: Sequence[Finding]) -> Message:
    partition = partition_of(findings[0].attacker_uuid or b"")
    return Message(FINDING.name(source_kind=findings[0].source_kind), partition, tuple(map(packed_finding, findings)))


@in_loop
async def test_every_revision_of_a_finding_is_evaluated_and_all_are_one_tag(database: Database) -> None:
    event = a_command("ls")
    store(database, [event])
    async with working(database, BRUTE_FORCE) as at:
        for failures in range(1, 9):
            await at.bus.publish([finding_message([a_guessing(event, failures)])])
        await until(lambda: at.worker.counters.handled == 9)
        assert len(at.announced("ttp.tagged")) == 1
    assert rows(database, "SELECT source_kind, observed_at, decky_id IS NULL FROM tag") == [("auth_attempt", NOON, 0)]
    assert_rollups_equal_a_recount(database)


@in_loop
async def test_a_finding_of_an_attacker_that_was_purged_meanwhile_holds_nobody_up(database: Database) -> None:
    event = a_command("ls")
    store(database, [event])
    gone = a_guessing(a_command("ls", src="203.0.113.9"), 9)
    async with working(database, BRUTE_FORCE) as at:
        await at.bus.publish([finding_message([gone]), finding_message([a_guessing(event, 9)])])
        await until(lambda: at.worker.counters.handled == 3)
        assert at.worker.counters.dead == 0
    assert tag_count(database) == 1


@in_loop
async def test_a_variable_that_another_worker_saw_is_known(database: Database) -> None:
    store(database, [a_command("a=who; b=ami")])
    async with working(database, BY_PROGRAM) as at:
        await at.settled()
    store(database, [a_command("$a$b", at=NOON + 1)])
    async with working(database, BY_PROGRAM):
        await until(lambda: tag_count(database) == 1)


@in_loop
async def test_rules_that_are_too_old_are_waited_for_and_nothing_goes_to_the_dead_letters(database: Database) -> None:
    newer = loaded(rule_text(version=2))
    database.write(partial(raise_rule_floor, versions={"R0900": 2}))
    rules = live(loaded(RULE))
    waits: list[float] = []

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            rules.apply(RuleChange("R0900", newer.pack.rule("R0900"), ENABLED, "rule"))
        await asyncio.sleep(0)

    store(database, [a_command("whoami")])
    async with working(database, rules=rules, pause=pause) as at:
        await until(lambda: tag_count(database) == 1)
        assert await at.bus.dead_letters() == []
    assert rows(database, "SELECT rule_version FROM tag") == [(2,)]
    assert len(waits) == 8


@in_loop
async def test_a_noisy_attacker_costs_rows_and_not_messages(database: Database) -> None:
    now = NOON
    store(database, [a_command(f"whoami {number}", at=NOON + number) for number in range(20)])
    async with working(database, clock=lambda: now) as at:
        await at.settled()
        assert tag_count(database) == 20
        assert len(at.announced("ttp.rule.fired")) == MOST_FIRED
        assert at.announced("ttp.rule.suppressed") == []
        now += WINDOW_US
        await at.worker.announce_suppressed()
        await at.worker.announce_suppressed()
        (told,) = [msgspec.msgpack.decode(item, type=RuleSuppressed) for item in at.announced("ttp.rule.suppressed")]
    assert told == RuleSuppressed("R0900", attacker_uuid("198.51.100.7"), 20 - MOST_FIRED, NOON, NOON + WINDOW_US)


@in_loop
async def test_tags_of_an_attacker_that_was_purged_meanwhile_are_passed_over(database: Database) -> None:
    store(database, [a_command("whoami"), a_command("whoami", src="203.0.113.9", session="s2")])
    purge_attacker(database, "203.0.113.9")
    async with working(database) as at:
        await at.settled()
        assert await at.bus.dead_letters() == []
    assert tag_count(database) == 1


def test_records_that_are_no_events_are_passed_over() -> None:
    event = a_command("whoami")
    assert events_in([msgspec.msgpack.encode((1, 2)), packed_event(event), b""]) == [event]


def test_an_event_of_another_version_is_a_fault() -> None:
    with pytest.raises(msgspec.MsgspecError):
        events_in([msgspec.msgpack.encode(tuple(range(12)))])
