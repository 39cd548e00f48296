"""``decnet intel``: lists from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.intel.provider_server import Reply, provider_server
from tests.intel.test_digests import csv_of
from tests.intel.test_networks import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import CommandLine
    from tests.intel.provider_server import ProviderServer


@pytest.fixture
def site() -> Iterator[ProviderServer]:
    with provider_server() as server:
        yield server


def test_update_feeds_tells_what_came_and_what_did_not(site: ProviderServer, decnet: CommandLine) -> None:
    site.replies["/s3cret/full"] = Reply(200, csv_of(1, 2, 3).encode())
    settings = {
        "DECNET_MALWAREBAZAAR_API_KEY": "s3cret",
        "DECNET_MALWAREBAZAAR_URL": f"{site.url}/{{key}}/full",
        "DECNET_TOR_EXITS": f"{site.url}/none",
    }

    done = replace(decnet, settings=settings).run("intel", "update-feeds", "--json")

    assert done.returncode == 1, done.stderr
    tor, malware = map(json.loads, done.stdout.splitlines())
    assert malware == {"feed": "malwarebazaar", "entries": 3}
    assert tor["feed"] == "tor_exits"
    assert "404" in tor["error"]
    assert "s3cret" not in done.stdout + done.stderr


def test_update_feeds_without_a_list_says_what_to_set(decnet: CommandLine) -> None:
    done = decnet.run("intel", "update-feeds")

    assert done.returncode == 2
    assert "DECNET_MALWAREBAZAAR_API_KEY" in done.stderr


def test_update_networks_puts_a_file_or_a_url_in_place(site: ProviderServer, decnet: CommandLine) -> None:
    site.replies["/ip2asn-combined.tsv"] = Reply(200, TABLE.encode())

    done = decnet.run("intel", "update-networks", f"{site.url}/ip2asn-combined.tsv", "--json")

    assert done.returncode == 0, done.stderr
    (path,) = json.loads(done.stdout)["networks"]
    assert path.endswith("networks.ranges")

    (decnet.folder / "page.html").write_text("<html>")
    refused = decnet.run("intel", "update-networks", "page.html")
    assert refused.returncode == 1
    assert "take ip2asn-combined.tsv.gz" in refused.stderr
