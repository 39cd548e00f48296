"""What every store of rules promises. Each test runs on every kind of store."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.db.engine import open_database
from decnet.db.rules import holds_rule, write_rules
from decnet.errors import RuleError
from decnet.models.rule_state import ENABLED, RuleState
from decnet.ttp.store.database import DatabaseRuleStore
from decnet.ttp.store.filesystem import FilesystemRuleStore
from tests.contract.state_setter import numbered_state, store_at
from tests.databases import BACKENDS, empty, ready_databases
from tests.ttp.store.rule_texts import NOON, SetClock, rule_text, save

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
    from typing import Any

    from decnet.db.engine import Database
    from decnet.ttp.store.base import Changes, Clock, RuleChange, RuleStore, StateRecord

PATIENCE_SECONDS = 5
QUIET_SECONDS = 0.5
SECOND = 1_000_000
KILLED_AFTER_SECONDS = (0, 0.007, 0.019, 0.041, 0.083)


@dataclass
class Place:
    """Where stores of one kind are made: all on the same rules and states."""

    folder: Path
    make: Callable[[Path, Clock], RuleStore]
    clock: SetClock

    @asynccontextmanager
    async def store(self) -> AsyncIterator[RuleStore]:
        made = self.make(self.folder, self.clock)
        try:
            yield made
        finally:
            await made.aclose()


FILES = {"filesystem, told by the kernel": False, "filesystem, polling": True}


@pytest.fixture(scope="module")
def server_database() -> Iterator[Callable[[str], Database]]:
    with ready_databases() as get:
        yield get


@contextmanager
def empty_database(backend: str, folder: Path, server_database: Callable[[str], Database]) -> Iterator[Database]:
    if backend == "sqlite":
        database = open_database(f"sqlite:///{folder / 'decnet.sqlite'}")
        yield database
        database.close()
    else:
        database = server_database(backend)
        yield database
        empty(database)


@pytest.fixture(params=[*FILES, *BACKENDS])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, server_database: Callable[[str], Database]
) -> Iterator[Place]:
    save(tmp_path / "pack", rule_text())
    save(tmp_path / "pack", rule_text("R0901", word="uname"))
    if request.param in FILES:
        yield Place(tmp_path, partial(files, polling=FILES[request.param]), SetClock())
        return
    with empty_database(request.param, tmp_path, server_database) as database:

        def mirrored(folder: Path, clock: Clock) -> RuleStore:
            return DatabaseRuleStore(database, mirror=files(folder, clock), clock=clock)

        yield Place(tmp_path, mirrored, SetClock())


@pytest.fixture(params=BACKENDS)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, server_database: Callable[[str], Database]
) -> Iterator[Database]:
    """An empty database."""
    with empty_database(request.param, tmp_path, server_database) as database:
        yield database


def files(folder: Path, clock: Clock | None = None, *, polling: bool = False) -> FilesystemRuleStore:
    return FilesystemRuleStore(folder / "pack", folder / "own", folder / "data", clock=clock, polling=polling)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 15))


async def next_of(changes: Changes) -> RuleChange:
    return await asyncio.wait_for(anext(changes), PATIENCE_SECONDS)


async def is_quiet(changes: Changes) -> bool:
    try:
        await asyncio.wait_for(anext(changes), QUIET_SECONDS)
    except TimeoutError:
        return True
    return False


def test_all_rules_are_loaded_in_order_of_id(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            loaded = await store.load_compiled()
            assert [rule.rule_id for rule in loaded.pack.rules] == ["R0900", "R0901"]
            assert (loaded.states, loaded.faults) == ({}, ())

    run(work())


def test_a_saved_rule_arrives_as_one_change(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            changes = store.subscribe_changes()
            await store.load_compiled()
            save(place.folder / "pack", rule_text(version=2))
            change = await next_of(changes)
            assert change.rule is not None
            assert (change.rule_id, change.what, change.rule.rule.rule_version) == ("R0900", "rule", 2)
            assert await is_quiet(changes)

    run(work())


def test_nothing_is_lost_between_subscribing_and_the_first_read(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            changes = store.subscribe_changes()
            save(place.folder / "pack", rule_text(version=2))
            loaded = await store.load_compiled()
            save(place.folder / "pack", rule_text("R0902", word="id"))
            seen = {rule.rule_id: rule.rule.rule_version for rule in loaded.pack.rules}
            while seen != {"R0900": 2, "R0901": 1, "R0902": 1}:
                change = await next_of(changes)
                assert change.rule is not None
                seen[change.rule_id] = change.rule.rule.rule_version

    run(work())


def test_a_new_rule_and_a_deleted_one_arrive(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            changes = store.subscribe_changes()
            await store.load_compiled()
            path = save(place.folder / "pack", rule_text("R0902", word="id"))
            assert (await next_of(changes)).rule_id == "R0902"
            path.unlink()
            change = await next_of(changes)
            assert (change.rule_id, change.rule, change.what) == ("R0902", None, "rule")

    run(work())


def test_a_broken_rule_is_reported_and_its_last_good_version_stays(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            changes = store.subscribe_changes()
            await store.load_compiled()
            save(place.folder / "pack", rule_text().replace("0.7", "7"))
            change = await next_of(changes)
            assert change.what == "fault"
            assert change.faults[0].endswith(
                "R0900.yaml:10: emits[0].confidence: Input should be less than or equal to 1, not 7"
            )
            assert change.rule is not None
            assert change.rule.rule.emits[0].confidence == 0.7
            loaded = await store.load_compiled()
            assert [rule.rule_id for rule in loaded.pack.rules] == ["R0900", "R0901"]
            assert len(loaded.faults) == 1
            save(place.folder / "pack", rule_text(version=3))
            mended = await next_of(changes)
            assert (mended.what, mended.faults) == ("rule", ())

    run(work())


def test_a_rule_that_is_broken_at_the_start_leaves_the_others_alone(place: Place) -> None:
    async def work() -> None:
        save(place.folder / "pack", "rule_id: [", "R0900.yaml")
        async with place.store() as store:
            loaded = await store.load_compiled()
            assert [rule.rule_id for rule in loaded.pack.rules] == ["R0901"]
            assert "R0900.yaml:" in loaded.faults[0]

    run(work())


@pytest.mark.parametrize(
    "text",
    [
        rule_text("R0902").replace("T1033", "T1999"),
        rule_text("R0902").replace("TA0007", "TA0040"),
        rule_text("R0902").replace("T1033", "T1562").replace("TA0007", "TA0005"),
    ],
    ids=["unknown", "mismatched", "revoked"],
)
def test_a_start_with_an_id_that_attack_does_not_have_is_refused_with_every_fault(place: Place, text: str) -> None:
    async def work() -> None:
        save(place.folder / "pack", text)
        save(place.folder / "pack", "[]", "R0903.yaml")
        async with place.store() as store:
            with pytest.raises(RuleError) as caught:
                await store.load_compiled()
            assert len(caught.value.faults) == 2

    run(work())


def test_a_name_that_another_rule_has_is_refused_until_it_is_free(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            changes = store.subscribe_changes()
            await store.load_compiled()
            save(place.folder / "pack", rule_text("R0902").replace("rule_r0902", "rule_r0901"))
            change = await next_of(changes)
            assert (change.rule, change.what) == (None, "fault")
            assert "is also that of R0901.yaml" in change.faults[0]
            save(place.folder / "pack", rule_text("R0901", version=2).replace("rule_r0901", "other_name"))
            seen = {(await next_of(changes)).rule_id, (await next_of(changes)).rule_id}
            assert seen == {"R0901", "R0902"}
            assert (await store.load_compiled()).faults == ()

    run(work())


def test_a_state_arrives_and_is_told_to_every_store_on_the_same_place(place: Place) -> None:
    async def work() -> None:
        async with place.store() as one, place.store() as other:
            here, there = one.subscribe_changes(), other.subscribe_changes()
            await one.load_compiled()
            await other.load_compiled()
            state = RuleState("disabled", reason="noisy", set_by="ann", set_at=NOON)
            await one.set_state("R0900", state)
            for changes in (here, there):
                change = await next_of(changes)
                assert (change.rule_id, change.what, change.state) == ("R0900", "state", state)
                assert change.rule is not None
            assert await other.get_state("R0900") == state
            assert await other.get_state("R0901") == ENABLED

    run(work())


def test_states_and_their_history_survive_a_restart(place: Place) -> None:
    async def work() -> None:
        first = RuleState("clipped", 0.5, reason="often wrong", set_by="ann", set_at=NOON)
        second = RuleState("disabled", reason="noisy", set_by="bob", set_at=NOON + 1)
        async with place.store() as store:
            await store.set_state("R0900", first)
            await store.set_state("R0900", second)
        async with place.store() as store:
            assert (await store.load_compiled()).states == {"R0900": second}
            assert [record.state for record in await store.history("R0900")] == [first, second]
            assert await store.history("R0901") == []

    run(work())


def test_an_expired_state_comes_back_as_a_change_at_the_moment_that_it_falls_due(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            changes = store.subscribe_changes()
            await store.load_compiled()
            await store.set_state("R0900", RuleState("disabled", expires_at=NOON + 10 * SECOND, set_at=NOON))
            assert (await next_of(changes)).state.mode == "disabled"
            place.clock.set(NOON + 10 * SECOND - 1)
            assert await is_quiet(changes)
            place.clock.set(NOON + 10 * SECOND)
            change = await next_of(changes)
            assert (change.what, change.state.mode, change.state.set_by) == ("state", "enabled", "expiry")
            assert (await store.history("R0900"))[-1].state.set_by == "expiry"
            assert await is_quiet(changes)

    run(work())


def test_a_state_that_expired_while_nothing_ran_is_over(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            await store.set_state("R0900", RuleState("disabled", expires_at=NOON + SECOND, set_at=NOON))
        place.clock.set(NOON + SECOND)
        async with place.store() as store:
            assert (await store.load_compiled()).states == {}
            assert (await store.get_state("R0900")).mode == "enabled"

    run(work())


def test_a_state_for_an_unknown_rule_or_with_an_end_in_the_past_is_refused(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            with pytest.raises(RuleError, match="R9999: no such rule"):
                await store.set_state("R9999", RuleState("disabled"))
            with pytest.raises(RuleError, match="ends before it begins"):
                await store.set_state("R0900", RuleState("disabled", expires_at=NOON - 1))

    run(work())


def test_a_slow_reader_gets_the_newest_of_every_rule(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            changes, other = store.subscribe_changes(), store.subscribe_changes()
            await store.load_compiled()
            for version in (2, 3, 4):
                save(place.folder / "pack", rule_text(version=version))
                await next_of(other)
            change = await next_of(changes)
            assert change.rule is not None
            assert change.rule.rule.rule_version == 4
            assert await is_quiet(changes)

    run(work())


def test_a_closed_subscription_ends(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            changes = store.subscribe_changes()
            await store.aclose()
            assert [change async for change in changes] == []

    run(work())


def test_the_text_in_force_can_be_had_also_while_the_newest_one_is_broken(place: Place) -> None:
    async def work() -> None:
        async with place.store() as store:
            await store.load_compiled()
            save(place.folder / "pack", rule_text().replace("0.7", "7"))
            await store.load_compiled()
            assert await store.text_of("R0900") == rule_text()
            with pytest.raises(RuleError, match="R9999: no such rule"):
                await store.text_of("R9999")

    run(work())


@asynccontextmanager
async def fleet(database: Database, folder: Path, followers: int) -> AsyncIterator[list[DatabaseRuleStore]]:
    """Stores on one database; the first has the rule files."""
    stores = [DatabaseRuleStore(database, mirror=files(folder))]
    stores += [DatabaseRuleStore(database) for _ in range(followers)]
    try:
        yield stores
    finally:
        for store in stores:
            await store.aclose()


async def within_a_second(changes: Changes) -> RuleChange:
    return await asyncio.wait_for(anext(changes), 1)


def test_every_follower_has_a_new_text_and_a_new_state_within_a_second(database: Database, tmp_path: Path) -> None:
    async def work() -> None:
        save(tmp_path / "pack", rule_text())
        async with fleet(database, tmp_path, followers=3) as stores:
            await stores[0].load_compiled()
            readers = [store.subscribe_changes() for store in stores]
            for store in stores:
                await store.load_compiled()
            save(tmp_path / "pack", rule_text(version=2))
            for reader in readers:
                change = await within_a_second(reader)
                assert change.rule is not None
                assert (change.what, change.rule.rule.rule_version) == ("rule", 2)
            await stores[-1].set_state("R0900", RuleState("disabled", set_at=NOON))
            for reader in readers:
                change = await within_a_second(reader)
                assert (change.what, change.state.mode) == ("state", "disabled")
            (tmp_path / "pack" / "ttp" / "R0900.yaml").rename(tmp_path / "gone.yaml")
            save(tmp_path / "pack", rule_text("R0901"))
            for reader in readers:
                seen = {(change := await within_a_second(reader)).rule_id: change.rule is None for _ in range(2)}
                assert seen == {"R0900": True, "R0901": False}

    run(work())


def test_a_follower_that_starts_late_has_everything_also_where_a_file_is_broken_by_now(
    database: Database, tmp_path: Path
) -> None:
    async def work() -> None:
        save(tmp_path / "pack", rule_text())
        save(tmp_path / "pack", rule_text("R0901", word="uname"))
        state = RuleState("clipped", 0.5, reason="often wrong", set_by="ann", set_at=NOON)
        async with fleet(database, tmp_path, followers=0) as (first,):
            await first.load_compiled()
            await first.set_state("R0901", state)
        save(tmp_path / "pack", rule_text(version=2).replace("0.7", "7"))
        async with fleet(database, tmp_path, followers=1) as (first, late):
            assert len((await first.load_compiled()).faults) == 1
            loaded = await late.load_compiled()
            assert [(rule.rule_id, rule.rule.rule_version) for rule in loaded.pack.rules] == [
                ("R0900", 1),
                ("R0901", 1),
            ]
            assert (loaded.states, loaded.faults) == ({"R0901": state}, ())
            assert await late.text_of("R0900") == rule_text()

    run(work())


def test_a_follower_of_an_empty_database_is_told_where_rules_come_from(database: Database) -> None:
    async def work() -> None:
        store = DatabaseRuleStore(database)
        with pytest.raises(RuleError, match="no rules here yet; start a program on the host that has the rule files"):
            await store.load_compiled()

    run(work())


def test_a_folder_without_any_rule_removes_none_from_the_database(database: Database, tmp_path: Path) -> None:
    async def work() -> None:
        path = save(tmp_path / "pack", rule_text())
        async with fleet(database, tmp_path, followers=1) as (first, follower):
            changes = first.subscribe_changes()
            await first.load_compiled()
            path.unlink()
            await asyncio.sleep(QUIET_SECONDS)
            assert await is_quiet(changes)
            assert [rule.rule_id for rule in (await follower.load_compiled()).pack.rules] == ["R0900"]
        async with fleet(database, tmp_path, followers=0) as (first,):
            with pytest.raises(RuleError, match="no rule files here"):
                await first.load_compiled()
        assert database.read(lambda connection: holds_rule(connection, "R0900"))

    run(work())


def test_a_rule_that_was_deleted_while_nothing_ran_is_gone(database: Database, tmp_path: Path) -> None:
    async def work() -> None:
        save(tmp_path / "pack", rule_text())
        path = save(tmp_path / "pack", rule_text("R0901", word="uname"))
        async with fleet(database, tmp_path, followers=0) as (first,):
            await first.load_compiled()
        path.unlink()
        async with fleet(database, tmp_path, followers=1) as stores:
            for store in stores:
                assert [rule.rule_id for rule in (await store.load_compiled()).pack.rules] == ["R0900"]

    run(work())


def test_an_end_of_a_state_is_told_by_every_follower_and_written_down_once(database: Database, tmp_path: Path) -> None:
    async def work() -> None:
        save(tmp_path / "pack", rule_text())
        clock = SetClock()
        stores = [DatabaseRuleStore(database, mirror=files(tmp_path), clock=clock)]
        stores += [DatabaseRuleStore(database, clock=clock) for _ in range(3)]
        await stores[0].load_compiled()
        readers = [store.subscribe_changes() for store in stores]
        for store in stores:
            await store.load_compiled()
        await stores[0].set_state("R0900", RuleState("disabled", expires_at=NOON + SECOND, set_at=NOON))
        for reader in readers:
            assert (await within_a_second(reader)).state.mode == "disabled"
        clock.set(NOON + SECOND)
        for reader in readers:
            assert (await within_a_second(reader)).state.mode == "enabled"
        assert [record.state.mode for record in await stores[0].history()] == ["disabled", "enabled"]
        for store in stores:
            await store.aclose()

    run(work())


@pytest.mark.e2e
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["filesystem", *BACKENDS])
def test_a_process_killed_while_it_changes_a_state_leaves_the_old_one_or_the_new_one(
    kind: str, tmp_path: Path, server_database: Callable[[str], Database]
) -> None:
    with ExitStack() as stack:
        save(tmp_path / "pack", rule_text())
        place = str(tmp_path)
        if kind != "filesystem":
            database = stack.enter_context(empty_database(kind, tmp_path, server_database))
            database.write(lambda connection: write_rules(connection, {"R0900": rule_text()}))
            place = database.url.render_as_string(hide_password=False)
        for pause_s in KILLED_AFTER_SECONDS:
            begun = killed_setter(place, pause_s)
            state, history = asyncio.run(found_at(place))
            found = int(state.reason)
            assert state == numbered_state(found)
            assert found in {begun - 1, begun}
            assert [record.state for record in history if record.state.reason == str(found)][-1] == state


def killed_setter(place: str, pause_s: float) -> int:
    """Kill a process that changes the state over and over; the number that it was at."""
    command = [sys.executable, "-m", "tests.contract.state_setter", place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        begun = [child.stdout.readline() for _ in range(3)]
        time.sleep(pause_s)
        child.kill()
        return int([*begun, *child.stdout][-1])


async def found_at(place: str) -> tuple[RuleState, Sequence[StateRecord]]:
    with store_at(place) as store:
        return await store.get_state("R0900"), await store.history("R0900")
