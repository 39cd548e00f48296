"""What is taken from the cache, and what is not."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from decnet.ttp.condition import Leaf
from decnet.ttp.scan_cache import KEPT_FILES, ScanCache, cache_key, default_cache_folder

pytest.importorskip("hyperscan")

from decnet.ttp.scan_hyperscan import HyperscanScanner

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path) -> ScanCache:
    return ScanCache(tmp_path / "decnet")


def only_file(cache: ScanCache) -> Path:
    (path,) = cache.folder.glob("*.hs")
    return path


def a_scanner(cache: ScanCache, word: str = "wget") -> HyperscanScanner:
    return HyperscanScanner({0: Leaf("command_text", "contains", (word,))}, cache)


def finds_wget(scanner: HyperscanScanner) -> bool:
    return scanner.propose(b"x wget y") == [0] and scanner.propose(b"curl") == []


def test_what_was_written_is_read(cache: ScanCache) -> None:
    cache.write("key", b"body")
    assert cache.read("key") == b"body"
    assert cache.read("other") is None


def test_folder_and_files_belong_to_the_owner_only(cache: ScanCache) -> None:
    a_scanner(cache)
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert only_file(cache).stat().st_mode & 0o777 == 0o600


def test_a_second_scanner_is_made_from_the_cache(cache: ScanCache, monkeypatch: pytest.MonkeyPatch) -> None:
    a_scanner(cache)
    monkeypatch.setattr("decnet.ttp.scan_hyperscan._compiled", None)
    assert finds_wget(a_scanner(cache))


def test_other_patterns_have_another_key(cache: ScanCache) -> None:
    a_scanner(cache)
    a_scanner(cache, "curl")
    assert len(list(cache.folder.glob("*.hs"))) == 2


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_file_that_others_could_touch_is_not_read(cache: ScanCache, mode: int) -> None:
    cache.write("key", b"body")
    only_file(cache).chmod(mode)
    assert cache.read("key") is None


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o1777])
def test_a_folder_that_others_could_touch_is_not_used(cache: ScanCache, mode: int) -> None:
    cache.write("key", b"body")
    cache.folder.chmod(mode)
    assert cache.read("key") is None
    cache.write("second", b"body")
    assert len(list(cache.folder.glob("*.hs"))) == 1


def test_what_another_user_owns_is_not_used(cache: ScanCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write("key", b"body")
    me = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: me + 1)
    assert cache.read("key") is None


def test_a_link_is_not_followed(cache: ScanCache, tmp_path: Path) -> None:
    cache.write("key", b"body")
    path = only_file(cache)
    path.rename(tmp_path / "elsewhere.hs")
    path.symlink_to(tmp_path / "elsewhere.hs")
    assert cache.read("key") is None


def test_a_linked_folder_is_not_used(cache: ScanCache, tmp_path: Path) -> None:
    cache.write("key", b"body")
    cache.folder.rename(tmp_path / "elsewhere")
    cache.folder.symlink_to(tmp_path / "elsewhere")
    assert cache.read("key") is None


@pytest.mark.parametrize("place", [0, 20, 60, 90, -1])
def test_a_changed_byte_is_noticed_and_the_file_made_anew(cache: ScanCache, place: int) -> None:
    a_scanner(cache)
    whole = bytearray(only_file(cache).read_bytes())
    whole[place] ^= 0x20
    only_file(cache).write_bytes(whole)
    assert finds_wget(a_scanner(cache))
    whole[place] ^= 0x20
    assert len(only_file(cache).read_bytes()) == len(whole)


@pytest.mark.parametrize("content", [b"", b"decnet-scan-1\n", b"\0" * 400])
def test_a_cut_file_is_made_anew(cache: ScanCache, content: bytes) -> None:
    a_scanner(cache)
    only_file(cache).write_bytes(content)
    assert finds_wget(a_scanner(cache))
    assert len(only_file(cache).read_bytes()) > len(content)


def test_a_whole_file_that_holds_no_database_is_made_anew(cache: ScanCache) -> None:
    a_scanner(cache)
    cache.write(only_file(cache).stem, b"no database")
    assert finds_wget(a_scanner(cache))
    assert finds_wget(a_scanner(cache))


def test_a_file_under_the_name_of_another_is_not_read(cache: ScanCache) -> None:
    cache.write("one", b"body")
    only_file(cache).rename(cache.folder / "two.hs")
    assert cache.read("two") is None


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "decnet").write_text("a file where the folder should be")
    assert finds_wget(a_scanner(ScanCache(tmp_path / "decnet")))


def test_many_writers_leave_one_whole_file(cache: ScanCache) -> None:
    bodies = [bytes([number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda body: cache.write("key", body), bodies))
        assert all(found in bodies for found in threads.map(lambda _: cache.read("key"), range(16)))
    assert [path.name for path in cache.folder.iterdir()] == ["key.hs"]


def test_old_files_are_forgotten(cache: ScanCache) -> None:
    for number in range(KEPT_FILES + 5):
        cache.write(f"key{number}", b"")
    assert len(list(cache.folder.iterdir())) == KEPT_FILES


def test_the_key_depends_on_engine_and_patterns() -> None:
    keys = {cache_key("a", [b"x"]), cache_key("b", [b"x"]), cache_key("a", [b"x", b"y"]), cache_key("a", [b"xy"])}
    assert len(keys) == 4


def test_the_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "decnet"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / ".cache" / "decnet"
