"""What a stranger or an editor may put into a folder of rules, and what it does to the others: nothing."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from decnet.attack import catalog
from decnet.ttp.store.filesystem import FilesystemRuleStore, load_pack
from decnet.ttp.store.folder import read_rule_file, rule_stems
from tests.ttp.store.rule_texts import rule_text, save

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from decnet.attack.catalog import Catalog
    from decnet.ttp.store.base import Changes, LoadedRules

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 15))


def loaded(folder: Path, overlay: Path | None = None) -> LoadedRules:
    async def load() -> LoadedRules:
        return await FilesystemRuleStore(folder, overlay, folder / "data").load_compiled()

    return asyncio.run(load())


def _costly(path: Path) -> None:
    """As many patterns that are slow to compile as a file of that size can hold."""
    patterns = ", ".join(f"{{pattern: '(?:\\w{{1,99}}x){{9}}{number}'}}" for number in range(1_500))
    path.write_text(rule_text("R0901").replace("{contains: 'whoami'}", f"{{any: [{patterns}]}}"), "utf-8")


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no YAML": (lambda path: path.write_text("a: [", "utf-8"), "not YAML"),
    "YAML bomb": (lambda path: path.write_text(BOMB, "utf-8"), "anchors and aliases are not allowed"),
    "10 MB": (lambda path: path.write_bytes(b"a" * 10_000_000), "larger than 64 KiB"),
    "link out of the folder": (_link("/etc/hostname"), "is a link to a file outside of the folder"),
    "link to nothing": (_link("nothing.yaml"), "is a link to a file that is not there"),
    "wrong types": (
        lambda path: path.write_text(rule_text("R0901").replace("version: 1", "version: one"), "utf-8"),
        "rule_version",
    ),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe"), "byte 0 is not UTF-8"),
    "pipe": (os.mkfifo, "is no plain file"),
    "folder": (lambda path: path.mkdir(), "cannot be read: Is a directory"),
    "nothing in it": (lambda path: path.touch(), "file is empty"),
    "costly patterns": (_costly, "R0901.yaml:8: the patterns up to here are more than one rule may cost"),
    "deep nesting": (lambda path: path.write_text("[" * 60_000, "utf-8"), "R0901.yaml:"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_file_is_reported_and_changes_nothing_else(tmp_path: Path, name: str) -> None:
    make, message = HOSTILE[name]
    save(tmp_path, rule_text())
    make(tmp_path / "ttp" / "R0901.yaml")
    started = time.monotonic()
    found = loaded(tmp_path)
    assert time.monotonic() - started < 2
    assert [rule.rule_id for rule in found.pack.rules] == ["R0900"]
    assert "R0901.yaml:" in found.faults[0]
    assert message in found.faults[0]


def test_the_same_id_in_two_files_is_reported_and_the_first_stays(tmp_path: Path) -> None:
    save(tmp_path, rule_text())
    save(tmp_path, rule_text(version=2), "R0900.yml")
    found = loaded(tmp_path)
    assert [rule.rule.rule_version for rule in found.pack.rules] == [1]
    assert "R0900.yml:1: R0900.yaml is there too" in found.faults[0]


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    path = save(tmp_path, rule_text(), "real.txt")
    (tmp_path / "ttp" / "R0900.yaml").symlink_to(path)
    assert [rule.rule_id for rule in loaded(tmp_path).pack.rules] == ["R0900"]


@pytest.mark.parametrize("name", [".R0900.yaml.swp", "R0900.yaml~", "4913", "#R0900.yaml#", "R0900.yaml.bak", "é.yaml"])
def test_scratch_files_are_invisible(tmp_path: Path, name: str) -> None:
    save(tmp_path, rule_text(), name)
    assert rule_stems(tmp_path / "ttp") == set()


def test_a_file_that_is_gone_is_none(tmp_path: Path) -> None:
    assert read_rule_file(tmp_path / "R0900.yaml") is None


def test_the_operators_rule_stands_for_the_shipped_one_until_it_goes(tmp_path: Path) -> None:
    pack, own = tmp_path / "pack", tmp_path / "own"
    save(pack, rule_text())
    save(pack, rule_text("R0901"))
    path = save(own, rule_text(version=5))
    assert [rule.rule.rule_version for rule in load_pack(pack, own).rules] == [5, 1]

    async def work() -> None:
        store = FilesystemRuleStore(pack, own, tmp_path / "data")
        changes = store.subscribe_changes()
        assert [rule.rule.rule_version for rule in (await store.load_compiled()).pack.rules] == [5, 1]
        path.unlink()
        change = await asyncio.wait_for(anext(changes), 5)
        assert change.rule is not None
        assert change.rule.rule.rule_version == 1
        await store.aclose()

    run(work())


def test_a_broken_rule_of_the_operator_leaves_the_shipped_one_in_force(tmp_path: Path) -> None:
    save(tmp_path / "pack", rule_text())
    save(tmp_path / "own", "rule_id: [", "R0900.yaml")
    found = loaded(tmp_path / "pack", tmp_path / "own")
    assert [rule.rule_id for rule in found.pack.rules] == ["R0900"]
    assert len(found.faults) == 1


async def _versions(changes: Changes, seconds: float) -> list[int]:
    """The versions that arrive until none does for so long; 0 for a rule that went."""
    seen: list[int] = []
    while True:
        try:
            change = await asyncio.wait_for(anext(changes), seconds)
        except TimeoutError:
            return seen
        seen.append(change.rule.rule.rule_version if change.rule else 0)


def _in_place(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _by_rename(path: Path, text: str) -> None:
    scratch = path.with_name("4913")
    scratch.write_text(text, "utf-8")
    scratch.replace(path)


def _backup_first(path: Path, text: str) -> None:
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text(text, "utf-8")


def _in_pieces(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        for line in text.splitlines(keepends=True):
            file.write(line)
            file.flush()
            time.sleep(0.01)


def _removed_first(path: Path, text: str) -> None:
    path.unlink()
    time.sleep(0.05)
    path.write_text(text, "utf-8")


@pytest.mark.parametrize("polling", [False, True], ids=["kernel", "polling"])
@pytest.mark.parametrize("save_as", [_in_place, _by_rename, _backup_first, _in_pieces, _removed_first])
def test_one_save_is_one_change_however_an_editor_saves(
    tmp_path: Path, save_as: Callable[[Path, str], None], *, polling: bool
) -> None:
    path = save(tmp_path, rule_text())

    async def work() -> None:
        store = FilesystemRuleStore(tmp_path, None, tmp_path / "data", polling=polling)
        changes = store.subscribe_changes()
        await store.load_compiled()
        (path.parent / ".R0900.yaml.swp").write_text("x", "utf-8")
        await asyncio.to_thread(save_as, path, rule_text(version=2))
        assert await _versions(changes, 0.6) == [2]
        path.touch()
        save_as(path, rule_text(version=2))
        assert await _versions(changes, 0.6) == []
        await store.aclose()

    run(work())


@pytest.mark.parametrize("polling", [False, True], ids=["kernel", "polling"])
def test_a_folder_that_is_replaced_is_watched_again(tmp_path: Path, *, polling: bool) -> None:
    save(tmp_path, rule_text())

    async def work() -> None:
        store = FilesystemRuleStore(tmp_path, None, tmp_path / "data", polling=polling)
        changes = store.subscribe_changes()
        await store.load_compiled()
        (tmp_path / "ttp").rename(tmp_path / "old")
        save(tmp_path, rule_text(version=2))
        assert 2 in await _versions(changes, 1)
        save(tmp_path, rule_text(version=3))
        assert await _versions(changes, 0.6) == [3]
        await store.aclose()

    run(work())


def test_texts_are_compiled_one_at_a_time(tmp_path: Path) -> None:
    at_work, most, turn = 0, 0, threading.Lock()

    def slow_catalog(release: str) -> Catalog:
        nonlocal at_work, most
        with turn:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.005)
        with turn:
            at_work -= 1
        return catalog.load(release)

    for number in range(10):
        save(tmp_path, rule_text(f"R09{number:02}", word=f"w{number}"))

    async def work() -> None:
        store = FilesystemRuleStore(tmp_path, None, tmp_path / "data", catalog_of=slow_catalog)
        changes = store.subscribe_changes()
        await asyncio.gather(*(store.load_compiled() for _ in range(3)))
        for number in range(10):
            save(tmp_path, rule_text(f"R09{number:02}", word=f"w{number}", version=2))
            await asyncio.sleep(0.01)
        assert await _versions(changes, 0.6) == [2] * 10
        await store.aclose()

    run(work())
    assert most == 1
