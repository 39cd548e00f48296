"""Lists that are fetched and replaced while others read them, and kept up to date by the worker."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from decnet.config import Settings
from decnet.errors import InputRefused, ProviderFailed
from decnet.intel.digests import write_digests
from decnet.intel.feeds import exits_feed, malwarebazaar_feed, update_feed
from decnet.intel.kept import LOOKED_AT_S, KeptDigests, KeptExits, KeptNetworks
from decnet.intel.networks import install_networks
from decnet.models.network import Network
from decnet.workers.providers import FRESH_S, feeds_of, keep_feeds
from tests.intel.provider_server import Reply
from tests.intel.test_digests import csv_of, digest
from tests.intel.test_networks import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from decnet.intel.feeds import Feed
    from tests.intel.provider_server import ProviderServer


class Seconds:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def updated(feed: Feed) -> int:
    seen: list[int] = []
    count = asyncio.run(update_feed(feed, lambda done, _total: seen.append(done)))
    assert seen == sorted(seen)
    return count


def test_the_list_of_malware_is_fetched_with_the_key(site: ProviderServer, tmp_path: Path) -> None:
    site.replies["/exports/k3y/full.csv"] = Reply(200, csv_of(1, 2).encode())
    known = KeptDigests(tmp_path)

    assert updated(malwarebazaar_feed(tmp_path, f"{site.url}/exports/{{key}}/full.csv", "k3y")) == 2

    assert site.asked[0].headers["Auth-Key"] == "k3y"
    assert known.holds(digest(1))
    assert not known.holds(digest(3))
    assert [path.name for path in tmp_path.iterdir()] == ["malwarebazaar.digests"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(500), ProviderFailed),
        (Reply(403), ProviderFailed),
        (Reply(200, csv_of(1, 2).encode(), cut=100), ProviderFailed),
        (Reply(200, b"<html>maintenance</html>"), InputRefused),
        (Reply(302, headers={"Location": "/elsewhere"}), ProviderFailed),
    ],
)
def test_a_list_that_cannot_be_had_leaves_the_old_one(
    site: ProviderServer, tmp_path: Path, reply: Reply, error: type[Exception]
) -> None:
    site.replies["/full"] = reply
    site.replies["/elsewhere"] = Reply(200, csv_of(9).encode())
    feed = malwarebazaar_feed(tmp_path, f"{site.url}/full", "key")
    write_digests(feed.path, [digest(1)])

    with pytest.raises(error):
        updated(feed)

    assert KeptDigests(tmp_path).holds(digest(1))
    assert [path.name for path in tmp_path.iterdir()] == ["malwarebazaar.digests"]
    assert site.asked_at("/elsewhere") == []  # a key is not sent on


def test_a_list_without_a_key_is_followed_to_where_it_moved(site: ProviderServer, tmp_path: Path) -> None:
    site.replies["/torbulkexitlist"] = Reply(302, headers={"Location": "/exits"})
    site.replies["/exits"] = Reply(200, b"185.220.101.1\n")

    assert updated(exits_feed(tmp_path, "tor", f"{site.url}/torbulkexitlist")) == 1
    assert KeptExits(tmp_path).kinds_of("185.220.101.1") == {"tor"}


def test_a_list_may_be_a_file_of_the_operator(tmp_path: Path) -> None:
    (tmp_path / "vpn.txt").write_text("45.9.148.0/24\n")

    assert updated(exits_feed(tmp_path / "intel", "vpn", str(tmp_path / "vpn.txt"))) == 1
    with pytest.raises(InputRefused, match="no such file"):
        updated(exits_feed(tmp_path / "intel", "vpn", str(tmp_path / "none.txt")))


def test_whoever_reads_a_list_sees_a_new_one_within_seconds(tmp_path: Path) -> None:
    clock = Seconds()
    known = KeptDigests(tmp_path, clock)
    assert not known.holds(digest(1))

    write_digests(tmp_path / "malwarebazaar.digests", [digest(1)])
    assert not known.holds(digest(1))
    clock.now += LOOKED_AT_S
    assert known.holds(digest(1))

    write_digests(tmp_path / "malwarebazaar.digests", [digest(2)])
    clock.now += LOOKED_AT_S
    assert (known.holds(digest(1)), known.holds(digest(2))) == (False, True)


def test_a_damaged_list_leaves_the_one_that_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Seconds()
    known = KeptDigests(tmp_path, clock)
    write_digests(tmp_path / "malwarebazaar.digests", [digest(1)])
    assert known.holds(digest(1))

    (tmp_path / "new").write_bytes(b"rubbish")
    (tmp_path / "new").replace(tmp_path / "malwarebazaar.digests")
    for _ in range(3):
        clock.now += LOOKED_AT_S
        assert known.holds(digest(1))
    assert len(caplog.records) == 1


def test_without_files_nothing_is_known_and_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert KeptNetworks(tmp_path).network_of("8.8.8.8") is None
    assert KeptExits(tmp_path).kinds_of("8.8.8.8") == frozenset()
    assert not KeptDigests(tmp_path).holds(digest(1))
    assert not caplog.records


def test_networks_are_read_as_soon_as_they_are_there(tmp_path: Path) -> None:
    clock = Seconds()
    known = KeptNetworks(tmp_path / "intel", clock)
    assert known.network_of("8.8.8.8") is None
    (tmp_path / "table.tsv").write_text(TABLE)
    install_networks([tmp_path / "table.tsv"], tmp_path / "intel")
    clock.now += LOOKED_AT_S
    assert known.network_of("8.8.8.8") == Network(15169, "GOOGLE", "US")


def test_the_worker_fetches_what_is_missing_or_a_day_old_and_no_failure_stops_it(
    site: ProviderServer, tmp_path: Path
) -> None:
    site.replies["/tor"] = Reply(500)
    site.replies["/vpn"] = Reply(200, b"45.9.148.0/24\n")
    feeds = [exits_feed(tmp_path, kind, f"{site.url}/{kind}") for kind in ("tor", "vpn")]

    async def run() -> None:
        stop = asyncio.Event()
        keeping = asyncio.create_task(keep_feeds(feeds, stop, retries_s=(0.05,)))
        async with asyncio.timeout(15):
            while len(site.asked_at("/tor")) < 3 or not feeds[1].path.exists():  # noqa: ASYNC110 - a server is asked
                await asyncio.sleep(0.01)
            site.replies["/tor"] = Reply(200, b"185.220.101.1\n")
            while not await asyncio.to_thread(feeds[0].path.exists):  # noqa: ASYNC110 - a file is looked for
                await asyncio.sleep(0.01)
            stop.set()
            await keeping

    asyncio.run(run())
    assert len(site.asked_at("/vpn")) == 1

    for feed in feeds:
        old = feed.path.stat().st_mtime - FRESH_S
        os.utime(feed.path, (old, old))
    before = len(site.asked)

    async def again() -> None:
        stop = asyncio.Event()
        keeping = asyncio.create_task(keep_feeds(feeds, stop))
        async with asyncio.timeout(15):
            while len(site.asked) < before + 2:  # noqa: ASYNC110 - a server is asked
                await asyncio.sleep(0.01)
            stop.set()
            await keeping

    asyncio.run(again())


def test_only_lists_that_are_switched_on_are_fetched(tmp_path: Path) -> None:
    assert feeds_of(Settings(data_dir=tmp_path)) == []
    keys = {"malwarebazaar_api_key": "s3cret", "tor_exits": "x"}
    settings = Settings.model_validate({"data_dir": tmp_path} | keys)
    assert [feed.name for feed in feeds_of(settings)] == ["tor_exits", "malwarebazaar"]
    assert "s3cret" not in repr(feeds_of(settings))
