"""The attribution worker on each database: it stores what the pure functions say, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from decnet.attribution.engine import Attribution
from decnet.attribution.sessions import SessionTraits
from decnet.bus.base import Start
from decnet.bus.consume import Batch, consume
from decnet.bus.memory import MemoryBus, MemoryStore
from decnet.bus.topics import SESSION_ENDED
from decnet.db.actors import Actors
from decnet.db.outbox import fresh_partitions, messages_after
from decnet.intake.store import Intake, event_messages
from decnet.models.actor import attacker_uuid
from decnet.models.finding import Clock, Figures, Finding
from decnet.models.message import EVENTS, Message, partition_of
from decnet.models.record import packed_record, unpacked_record
from decnet.workers.attribute import AttributionWorker
from tests.contract.bus_backends import in_loop, until
from tests.databases import BACKENDS, own_database, rows
from tests.events import NOON, SECOND, a_command, a_login, an_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Subscription
    from decnet.db.engine import Database
    from decnet.models.event import Event

MINUTE = 60 * SECOND


def story() -> list[Event]:
    """A brute force that succeeds, in four sessions; some end by themselves, one is silent."""
    chance = random.Random(3)  # noqa: S311 - any story
    events: list[Event] = []
    for number in range(4):
        session, at = f"s{number}", NOON + number * MINUTE
        failures = range(chance.randint(3, 9))
        events += [a_login(success=False, at=at + attempt * SECOND, session=session) for attempt in failures]
        events.append(a_login(success=True, at=at + 20 * SECOND, session=session))
        events.append(a_command("uname -a", at=at + 25 * SECOND, session=session))
        if number != 2:
            events.append(an_end(at=at + 30 * SECOND, session=session))
    return events


def expected(records: Sequence[Event | Clock]) -> dict[str, Finding]:
    newest: dict[str, Finding] = {}
    for finding in Attribution().apply(records).findings:
        newest[finding.source_id] = finding
    return newest


def stored_findings(database: Database) -> dict[str, tuple[int, object]]:
    found = rows(database, "SELECT source_id, revision, figures FROM finding")
    return {name: (revision, msgspec.json.decode(text, type=Figures)) for name, revision, text in found}


async def attribute(worker: AttributionWorker, messages: Sequence[Message]) -> None:
    """Let ``worker`` handle the messages as they come off a bus."""
    bus = MemoryBus(MemoryStore())
    await bus.publish(messages)
    async with bus.subscribe(EVENTS, durable="attribute", start=Start.FIRST) as subscription:
        working = start(subscription, worker.handle)

        async def is_done() -> bool:
            return (await bus.lag("attribute")).messages == 0

        await until(is_done)
        working.cancel()
    await bus.close()


def start(subscription: Subscription, handle: Callable[[Batch], Awaitable[None]]) -> asyncio.Task[None]:
    return asyncio.create_task(consume(subscription, handle))


def store(database: Database, events: Sequence[Event]) -> None:
    database.write(partial(Intake(Actors()).store, events=events))


def a_worker(database: Database) -> AttributionWorker:
    return AttributionWorker(database, lambda: NOON)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("backend", BACKENDS)
def test_findings_are_those_of_the_pure_functions(backend: str, tmp_path: Path) -> None:
    @in_loop
    async def work(database: Database) -> None:
        events = story()
        store(database, events)
        await attribute(a_worker(database), list(event_messages(events)))
        wanted = expected(events)
        assert stored_findings(database) == {name: (one.revision, one.figures) for name, one in wanted.items()}

    with own_database(backend, tmp_path) as database:
        work(database)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("backend", BACKENDS)
def test_batches_replays_and_other_workers_change_nothing(backend: str, tmp_path: Path) -> None:
    @in_loop
    async def work(database: Database) -> None:
        events = story()
        store(database, events)
        single = [message for event in events for message in event_messages([event])]
        worker = a_worker(database)
        for number, message in enumerate(single):
            if number % 5 == 0:
                worker = a_worker(database)  # another one takes over
            await attribute(worker, [message, *single[max(0, number - 2) : number]])
        wanted = expected(events)
        found = stored_findings(database)
        assert {name: figures for name, (_, figures) in found.items()} == {
            name: one.figures for name, one in wanted.items()
        }

    with own_database(backend, tmp_path) as database:
        work(database)


@in_loop
async def test_a_silent_session_ends_when_the_clock_of_its_sensor_says_so(database: Database) -> None:
    events = story()
    store(database, events)
    partition = partition_of(attacker_uuid(events[0].src_ip))
    late = Clock(events[0].sensor, NOON + 60 * MINUTE)
    await attribute(a_worker(database), [*event_messages(events)])
    assert rows(database, "SELECT count(*) FROM session WHERE ended_at IS NULL") == [(1,)]
    await attribute(a_worker(database), [Message(EVENTS, partition, (packed_record(late),))])
    silent = events[-1].observed_at  # of the last but one session: see the story
    assert rows(database, "SELECT count(*) FROM session WHERE ended_at IS NULL") == [(0,)]
    assert rows(database, "SELECT max(ended_at) FROM session WHERE native_id = 's2'")[0][0] < silent
    ends = [m for m in announced(database, partition) if m.topic == SESSION_ENDED.pattern]
    assert sum(len(message.items) for message in ends) == 4


@in_loop
async def test_every_ended_session_has_the_traits_of_its_latest_revision(database: Database) -> None:
    events = story()
    store(database, events)
    late = a_command("id", at=NOON + 2 * MINUTE, session="s0")
    store(database, [late])
    for part in (events, [late]):
        await attribute(a_worker(database), list(event_messages(part)))
    outcome = Attribution().apply([*events, late])
    newest = {traits.session_id: traits for traits in outcome.ended}
    bodies = [body for (body,) in rows(database, "SELECT body FROM session_traits")]
    found = [msgspec.msgpack.decode(body, type=SessionTraits) for body in bodies]
    assert {traits.session_id: traits for traits in found} == newest
    assert len(found) == 3


@in_loop
async def test_a_batch_that_fails_leaves_nothing_and_is_taken_in_later(database: Database) -> None:
    events = story()
    store(database, events)
    worker = a_worker(database)
    fails = [True]

    class Failing(Batch):
        def acknowledge_within(self, connection: object) -> bool:
            if fails.pop() if fails else False:
                raise RuntimeError("just before the commit")
            return super().acknowledge_within(connection)

    async def handle(batch: Batch) -> None:
        failing = Failing(batch._delivery, batch.messages, is_last=batch._is_last)
        await worker.handle(failing)

    bus = MemoryBus(MemoryStore())
    await bus.publish(list(event_messages(events)))
    async with bus.subscribe(EVENTS, durable="attribute", start=Start.FIRST) as subscription:
        working = start(subscription, handle)

        async def is_done() -> bool:
            return (await bus.lag("attribute")).messages == 0

        await until(is_done)
        working.cancel()
    await bus.close()
    wanted = expected(events)
    assert {name: figures for name, (_, figures) in stored_findings(database).items()} == {
        name: one.figures for name, one in wanted.items()
    }


def announced(database: Database, partition: int) -> list[Message]:
    def read(connection: Connection) -> list[Message]:
        assert set(fresh_partitions(connection, 0)) == {partition}
        return [stored.message for stored in messages_after(connection, partition, 0, 1_000)]

    return database.read(read)


@pytest.mark.parametrize("record", [Clock("svr04", NOON), a_command("id")])
def test_a_record_travels_unchanged(record: Clock | Event) -> None:
    assert unpacked_record(packed_record(record)) == record


def sightings(database: Database, topic: str) -> list[dict[str, object]]:
    bodies = rows(database, "SELECT body FROM outbox WHERE topic = :topic ORDER BY id", topic=topic)
    decode = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode
    return [msgspec.msgpack.decode(item) for (body,) in bodies for item in decode(body)]


@in_loop
async def test_an_attacker_is_observed_and_each_class_scored_once(database: Database) -> None:
    events = [a_login(success=False, at=NOON + n * SECOND, session=f"s{n}") for n in range(12)]
    next_day = [a_login(success=False, at=NOON + 86_400 * SECOND, session="t")]
    store(database, [*events, *next_day])
    for part in (events[:5], events[5:], next_day):
        await attribute(a_worker(database), list(event_messages(part)))
        await attribute(a_worker(database), list(event_messages(part)))
    who = attacker_uuid(events[0].src_ip)
    observed = {"attacker_uuid": who, "address": events[0].src_ip, "observed_at": NOON}
    assert sightings(database, "attacker.observed") == [observed]
    scored = sightings(database, "attacker.scored")
    assert {(one["attacker_uuid"], one["day_start"]) for one in scored} == {(who, NOON - NOON % (86_400 * SECOND))}
    classes = [one["behaviour"] for one in scored]
    assert "brute_force" in classes
    assert len(classes) == len(set(classes))
