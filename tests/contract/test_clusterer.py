"""The clusterer on each database: memberships are those of the pure functions, whatever happens on the way."""

from __future__ import annotations

import asyncio
import itertools
import random
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest
from sqlalchemy import event as sql_event

from decnet.attribution.identities import Identities
from decnet.attribution.sessions import SessionTraits
from decnet.bus.consume import Batch, Counters
from decnet.bus.journal import JournalBus, JournalSettings
from decnet.bus.memory import MemoryBus, MemoryStore
from decnet.bus.topics import SESSION_ENDED
from decnet.db.actors import Actors
from decnet.db.engine import open_database
from decnet.db.leases import acquire_lease, release_lease
from decnet.db.maintenance import purge_attacker
from decnet.db.outbox import messages_after
from decnet.db.tags import TagWriter
from decnet.db.traits import write_traits
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid, identity_uuid
from decnet.models.membership import IdentityFormed, IdentityLinked, IdentityMerged, IdentityUnmerged
from decnet.models.message import bulk_messages
from decnet.workers.cluster import DURABLE, ClusterWorker
from decnet.workers.clustering import LEASE, STEP, Clustering
from tests.contract.bus_backends import in_loop, until
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.databases import BACKENDS, empty, ready_databases, rows, run
from tests.events import NOON, SECOND, a_command, a_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from decnet.bus.base import Bus
    from decnet.db.engine import Database
    from decnet.models.actor import AttackerUuid, IdentityUuid
    from decnet.models.event import Event
    from decnet.models.membership import MembershipMessage

A, B, X = "198.51.100.1", "198.51.100.2", "198.51.100.3"
HOUR_US = 3_600 * SECOND
TOPICS = {
    "identity.formed": IdentityFormed,
    "identity.observation.linked": IdentityLinked,
    "identity.merged": IdentityMerged,
    "identity.unmerged": IdentityUnmerged,
}


class Shown(NamedTuple):
    """A session of ``src`` and what it shows."""

    src: str
    session: str
    at: int
    hassh: str = ""
    payload: str = ""
    revision: int = 1

    @property
    def event(self) -> Event:
        return a_command("wget x", at=NOON + self.at * SECOND, src=self.src, session=self.session)

    @property
    def traits(self) -> SessionTraits:
        fingerprints = (("hassh", self.hassh),) * bool(self.hassh)
        started, who = NOON + self.at * SECOND, attacker_uuid(self.src)
        payloads = (self.payload,) * bool(self.payload)
        return SessionTraits(self.event.session_id, who, self.revision, started, "svr04", "ssh", fingerprints, payloads)


OF_A = Shown(A, "a", 0, hassh="rare")
OF_B = Shown(B, "b", 1, payload="dropper")
BRIDGE = Shown(X, "x2", 3, hassh="rare", payload="dropper")
OF_X = Shown(X, "x1", 2, hassh="rare")


def crowd(seed: int) -> list[Shown]:
    """Sessions of 40 addresses whose fingerprints and payloads overlap, some at two revisions."""
    chance = random.Random(seed)  # noqa: S311 - any crowd
    found = []
    for number in range(90):
        hassh = chance.choice(["", "common", *(f"h{n}" for n in range(12))])
        payload = chance.choice(["", "", *(f"p{n}" for n in range(15))])
        shown = Shown(f"203.0.113.{chance.randrange(40)}", f"s{number}", chance.randrange(90_000), hassh, payload)
        found.append(shown)
        if chance.random() < 0.2:
            found.append(shown._replace(revision=2, payload=f"p{chance.randrange(15)}"))
    return found


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], Database]]:
    with ready_databases() as get:
        yield get


@pytest.fixture(params=BACKENDS)
def database(request: pytest.FixtureRequest, tmp_path: Path, servers: Callable[[str], Database]) -> Iterator[Database]:
    if request.param == "sqlite":
        database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
        yield database
        database.close()
        return
    database = servers(request.param)
    yield database
    for table in ("identity", "campaign"):
        run(database, f"UPDATE {table} SET merged_into_id = NULL")
    empty(database)


def store(database: Database, shown: Iterable[Shown], *, tagged: bool = True) -> None:
    """Sessions as intake, attribution and tagging leave them."""
    found = list(shown)
    actors = Actors()
    intake, tags = Intake(actors), TagWriter(actors)

    def work(connection: Connection) -> None:
        events = [one.event for one in found]
        intake.store(connection, events, now=NOON)
        if tagged:
            tags.insert_tags(connection, [a_tag(event) for event in events], now=NOON)
        write_traits(connection, {one.event.session_id: msgspec.msgpack.encode(one.traits) for one in found})

    database.write(work, tags.forget)


def a_clustering(database: Database, holder: str = "test") -> Clustering:
    """One that has the lease and has taken in what is stored."""
    assert database.write(partial(acquire_lease, name=LEASE, holder=holder, now=NOON, length_us=HOUR_US))
    clustering = Clustering(database, lambda: NOON, holder=holder, lease_us=HOUR_US)
    assert clustering.fill()
    return clustering


def take_in(clustering: Clustering, shown: Iterable[Shown]) -> None:
    assert clustering.take_in([one.event.session_id for one in shown])


def heads_of(shown: Iterable[Shown]) -> dict[AttackerUuid, IdentityUuid]:
    """The identity of each attacker as the pure functions say."""
    newest = {one.session: one.traits for one in sorted(shown, key=lambda one: one.revision)}
    identities = Identities()
    for traits in newest.values():
        identities.observe(traits)
    identities.settle()
    return {one.attacker: identity_uuid(identities.head_of(one.attacker)) for one in newest.values()}


def stored_heads(database: Database) -> dict[AttackerUuid, IdentityUuid]:
    found = rows(database, "SELECT a.uuid, i.uuid FROM attacker a JOIN identity i ON i.id = a.identity_id")
    return dict(found)


def pointers(database: Database) -> dict[IdentityUuid, IdentityUuid]:
    sql = "SELECT i.uuid, o.uuid FROM identity i JOIN identity o ON o.id = i.merged_into_id"
    return dict(rows(database, sql))


def edges(database: Database) -> list[tuple[object, ...]]:
    sql = "SELECT a.uuid, e.reason, e.kinds, e.weight FROM identity_edge e JOIN attacker a ON a.id = e.attacker_id"
    return sorted(rows(database, sql))


def everything(database: Database) -> list[object]:
    """All that the clusterer writes."""
    outbox = rows(database, "SELECT count(*) FROM outbox")
    return [stored_heads(database), pointers(database), edges(database), outbox, epoch(database)]


def epoch(database: Database) -> int:
    found: int = rows(database, "SELECT value FROM epoch WHERE name = 'membership'")[0][0]
    return found


def told(database: Database) -> list[MembershipMessage]:
    stored = database.read(partial(messages_after, partition=0, position=0, limit=1_000))
    return [
        msgspec.msgpack.decode(item, type=TOPICS[one.message.topic])
        for one in stored
        if one.message.topic in TOPICS
        for item in one.message.items
    ]


def assert_is_as(database: Database, shown: Iterable[Shown]) -> None:
    """Memberships are those of ``shown``, every merged identity points to a whole one, roll-ups are right."""
    wanted = heads_of(shown)
    assert stored_heads(database) == wanted
    own = {identity_uuid(attacker): head for attacker, head in wanted.items()}
    assert {name: head for name, head in pointers(database).items() if name in own} == {
        name: head for name, head in own.items() if name != head
    }
    assert not set(pointers(database)) & set(pointers(database).values())
    assert_rollups_equal_a_recount(database)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", [1, 2])
def test_memberships_are_those_of_the_pure_functions_in_any_order(database: Database, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - any order
    shown = crowd(seed)
    order = chance.sample(shown, len(shown))
    order.sort(key=lambda one: one.revision)  # of one session; others are mixed by their own
    clustering = a_clustering(database)
    while order:
        size = chance.randint(1, 30)
        batch, order = order[:size], order[size:]
        store(database, batch)
        take_in(clustering, [*batch, *batch[:3]])
    assert_is_as(database, shown)
    assert len(set(stored_heads(database).values())) < len(stored_heads(database)) - 5


def test_a_restart_gives_the_same_and_says_nothing(database: Database) -> None:
    store(database, crowd(3))
    a_clustering(database)
    before = everything(database)
    a_clustering(database)
    assert everything(database) == before
    assert edges(database)
    assert_is_as(database, crowd(3))


@pytest.mark.parametrize("purged", ["session", "attacker"])
@pytest.mark.parametrize("restarted", [False, True])
def test_without_the_bridge_memberships_are_as_they_were(database: Database, purged: str, *, restarted: bool) -> None:
    apart = [OF_A, OF_B] if purged == "attacker" else [OF_A, OF_B, OF_X]
    store(database, apart)
    clustering = a_clustering(database)
    before = stored_heads(database)
    store(database, [OF_X, BRIDGE])
    take_in(clustering, [OF_X, BRIDGE])
    assert_is_as(database, [OF_A, OF_B, OF_X, BRIDGE])
    assert len(set(stored_heads(database).values())) == 1

    if purged == "attacker":
        assert purge_attacker(database, X)
    else:
        run(database, "DELETE FROM session_traits WHERE session_id IN (SELECT id FROM session WHERE native_id = 'x2')")
        run(database, "UPDATE epoch SET value = value + 1 WHERE name = 'membership'")
    if restarted:
        a_clustering(database)
    else:
        assert clustering.look()
        assert clustering.take_in([])
        assert not clustering.look()
    assert stored_heads(database) == before
    assert_is_as(database, apart)


def test_a_purged_head_leaves_its_identity_to_the_next(database: Database) -> None:
    others = [OF_X, Shown(B, "b", 3, hassh="rare")]
    store(database, [OF_A, *others])
    clustering = a_clustering(database)
    assert purge_attacker(database, A)
    assert clustering.look()
    assert clustering.take_in([])
    assert_is_as(database, others)
    assert pointers(database)[identity_uuid(attacker_uuid(A))] == identity_uuid(attacker_uuid(X))


def test_merging_and_parting_is_announced(database: Database) -> None:
    first, second, third = (identity_uuid(attacker_uuid(src)) for src in (A, B, X))
    store(database, [OF_A, OF_B, BRIDGE])
    clustering = a_clustering(database)
    assert told(database) == [
        IdentityFormed(first, 3),
        *sorted((IdentityMerged(first, second), IdentityMerged(first, third)), key=lambda one: number(database, one)),
        *sorted(
            (IdentityLinked(first, attacker_uuid(B)), IdentityLinked(first, attacker_uuid(X))),
            key=lambda one: one.attacker_uuid,
        ),
    ]
    run(database, "DELETE FROM outbox")
    purge_attacker(database, X)
    assert clustering.look()
    assert clustering.take_in([])
    assert told(database) == [IdentityUnmerged(second, first)]


def number(database: Database, message: IdentityMerged) -> int:
    found: int = rows(database, "SELECT id FROM identity WHERE uuid = :uuid", uuid=message.merged_uuid)[0][0]
    return found


class Stopped(Exception):
    """Nothing comes after this."""


def test_a_stop_between_any_two_statements_leaves_all_or_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(database, [OF_A, OF_B])
    clustering = a_clustering(database)
    before = everything(database)
    store(database, [BRIDGE])
    before[0] = stored_heads(database)
    write = database.write
    statements = 0
    for place in itertools.count():
        monkeypatch.setattr(database, "write", partial(interrupted, write, place))
        try:
            take_in(clustering, [BRIDGE])
        except Stopped:
            statements += 1
            assert everything(database) == before
            continue
        break
    assert statements > 20
    assert_is_as(database, [OF_A, OF_B, BRIDGE])
    assert len(told(database)) == 5


def interrupted(write: Callable[..., object], place: int, work: Callable[[Connection], object]) -> object:
    """``write``, ended just before statement number ``place``."""
    left = [place]

    def count(*_: object) -> None:
        if not left[0]:
            raise Stopped
        left[0] -= 1

    def counted(connection: Connection) -> object:
        sql_event.listen(connection, "before_cursor_execute", count)
        try:
            return work(connection)
        finally:
            sql_event.remove(connection, "before_cursor_execute", count)

    return write(counted)


def test_a_kill_amid_a_large_merge_is_made_up_for_by_the_next_start(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    botnet = [Shown(f"203.0.113.{n}", f"bot{n}", n, payload="bot") for n in range(2 * STEP)]
    others = [Shown(f"192.0.2.{n}", f"other{n}", n, hassh=f"h{n}") for n in range(2 * STEP)]
    store(database, [*botnet, *others])
    write, parts = database.write, iter([True, True, False])

    def killed(work: Callable[[Connection], object]) -> object:
        if not next(parts):
            raise Stopped
        return write(work)

    monkeypatch.setattr(database, "write", killed)
    with pytest.raises(Stopped):
        a_clustering(database)
    monkeypatch.setattr(database, "write", write)
    assert 1 < len(pointers(database)) < len(botnet) - 1
    assert_rollups_equal_a_recount(database)
    a_clustering(database)
    assert_is_as(database, [*botnet, *others])
    assert len(pointers(database)) == len(botnet) - 1
    assert [one for one in told(database) if isinstance(one, IdentityFormed)][1:] == []


def test_who_has_lost_the_lease_writes_nothing(database: Database) -> None:
    store(database, [OF_A, OF_B])
    late = a_clustering(database, "late")
    database.write(partial(release_lease, name=LEASE, holder="late"))
    database.write(partial(acquire_lease, name=LEASE, holder="other", now=NOON, length_us=HOUR_US))
    store(database, [BRIDGE])
    before = everything(database)
    acknowledged: list[Connection] = []
    assert not late.take_in([BRIDGE.event.session_id], acknowledged.append)
    assert everything(database) == before
    assert not acknowledged


def a_worker(database: Database, bus: Bus, holder: str, counters: Counters | None = None) -> ClusterWorker:
    loop = asyncio.get_running_loop()
    return ClusterWorker(
        database, bus, holder=holder, clock=lambda: NOON + int(loop.time() * SECOND), lease_s=0.9, counters=counters
    )


def ended(shown: Iterable[Shown]) -> Sequence[bytes]:
    return [msgspec.msgpack.encode(one.event.session_id) for one in shown]


@in_loop
async def test_a_second_clusterer_waits_for_the_lease_and_goes_on(database: Database) -> None:
    bus, stop, stop_other = MemoryBus(MemoryStore()), asyncio.Event(), asyncio.Event()
    store(database, [OF_A, OF_B])
    first, second = a_worker(database, bus, "first"), a_worker(database, bus, "second")
    working = asyncio.create_task(first.run(stop))
    await until(lambda: claim(first.is_leading))
    waiting = asyncio.create_task(second.run(stop_other))

    async def settle(shown: Shown) -> None:
        store(database, [shown])
        await bus.publish(list(bulk_messages(SESSION_ENDED.pattern, 3, ended([shown]))))
        await until(partial(is_read, bus))

    await settle(BRIDGE)
    assert_is_as(database, [OF_A, OF_B, BRIDGE])
    await asyncio.sleep(1.2)  # longer than a lease that nobody renews
    assert first.is_leading
    assert not second.is_leading

    stop.set()
    await working
    await until(lambda: claim(second.is_leading))
    other = Shown("198.51.100.9", "y", 9, hassh="rare")
    await settle(other)
    assert_is_as(database, [OF_A, OF_B, BRIDGE, other])
    stop_other.set()
    await waiting
    await bus.close()


async def claim(is_so: bool) -> bool:  # noqa: FBT001 - what is waited for
    return is_so


async def is_read(bus: Bus) -> bool:
    return (await bus.lag(DURABLE)).messages == 0


@in_loop
async def test_a_purge_is_noticed_and_a_poisoned_item_takes_no_others_along(database: Database) -> None:
    bus, stop = MemoryBus(MemoryStore()), asyncio.Event()
    store(database, [OF_A, OF_B])
    worker = a_worker(database, bus, "only")
    working = asyncio.create_task(worker.run(stop))
    await until(lambda: claim(worker.is_leading))
    store(database, [BRIDGE])
    await bus.publish(list(bulk_messages(SESSION_ENDED.pattern, 3, [b"\xc1", *ended([BRIDGE])])))
    await until(partial(is_read, bus))
    assert_is_as(database, [OF_A, OF_B, BRIDGE])
    assert len(await bus.dead_letters(DURABLE)) == 1

    await asyncio.to_thread(purge_attacker, database, X)

    async def is_parted() -> bool:
        return len(set(stored_heads(database).values())) == 2

    await until(is_parted)
    assert_is_as(database, [OF_A, OF_B])
    stop.set()
    await working
    await bus.close()


@in_loop
async def test_on_the_journal_the_position_moves_with_the_memberships(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    bus, stop = JournalBus(database, JournalSettings(lease_s=0.6)), asyncio.Event()
    worker = a_worker(database, bus, "only")
    working = asyncio.create_task(worker.run(stop))
    await until(lambda: claim(worker.is_leading))
    shown = [OF_A, OF_B, BRIDGE]
    store(database, shown)
    await bus.publish([message for one in shown for message in bulk_messages(SESSION_ENDED.pattern, 3, ended([one]))])
    await until(partial(is_read, bus))
    stop.set()
    await working
    assert_is_as(database, shown)
    last = "SELECT max(id) FROM outbox WHERE topic = :topic"
    read_to = "SELECT position FROM bus_position WHERE consumer = :name AND partition = 3"
    assert rows(database, read_to, name=DURABLE) == rows(database, last, topic=SESSION_ENDED.pattern)
    await bus.close()
    database.close()


@in_loop
async def test_a_message_that_cannot_be_acknowledged_takes_no_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledge = Batch.acknowledge_within

    def failing(batch: Batch, connection: object) -> bool:
        if batch.partition == 5:
            raise RuntimeError("just before the commit")
        return acknowledge(batch, connection)

    monkeypatch.setattr(Batch, "acknowledge_within", failing)
    database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    bus, stop, counters = MemoryBus(MemoryStore()), asyncio.Event(), Counters()
    worker = a_worker(database, bus, "only", counters)
    working = asyncio.create_task(worker.run(stop))
    await until(lambda: claim(worker.is_leading))
    shown = [OF_A, OF_X, OF_B]
    store(database, shown)
    await bus.publish(
        [m for n, one in enumerate(shown, 4) for m in bulk_messages(SESSION_ENDED.pattern, n, ended([one]))]
    )
    await until(partial(is_read, bus))
    stop.set()
    await working
    assert (counters.handled, counters.dead) == (2, 1)
    assert [letter.partition for letter in await bus.dead_letters(DURABLE)] == [5]
    assert_is_as(database, shown)
    await bus.close()
    database.close()
