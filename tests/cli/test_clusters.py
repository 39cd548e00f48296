"""``decnet ttp identities`` and ``campaigns`` as people run them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from decnet.db.engine import open_database
from tests.contract.test_campaigns import a_hand_off
from tests.contract.test_clusterer import BRIDGE, OF_A, OF_B, Shown, a_clustering, store

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


def cluster(decnet: CommandLine, *shown: Shown, hand_off: bool = False) -> None:
    """These sessions are stored and clustered in the data folder."""
    (decnet.folder / "data").mkdir(exist_ok=True)
    database = open_database(f"sqlite:///{decnet.folder / 'data' / 'decnet.sqlite'}")
    store(database, shown)
    if hand_off:
        a_hand_off(database)
    a_clustering(database)
    database.close()


def test_identities_are_listed_with_what_joined_them(decnet: CommandLine) -> None:
    cluster(decnet, OF_A, OF_B, BRIDGE, Shown("203.0.113.9", "alone", 4))
    (listed,) = json.loads(decnet.run("ttp", "identities", "--json").stdout)
    assert (listed["attackers"], listed["addresses"]) == (3, [OF_A.src, OF_B.src, BRIDGE.src])
    assert listed["joined_by"] == ["hassh", "payload"]
    assert (listed["tags"], listed["techniques"]) == (3, 1)
    assert len(json.loads(decnet.run("ttp", "identities", "--all", "--json").stdout)) == 2
    assert OF_A.src in decnet.run("ttp", "identities").stdout


def test_campaigns_are_listed_with_what_joined_them(decnet: CommandLine) -> None:
    cluster(decnet, hand_off=True)
    (listed,) = json.loads(decnet.run("ttp", "campaigns", "--json").stdout)
    assert (listed["identities"], listed["attackers"], listed["tags"]) == (2, 2, 2)
    assert listed["joined_by"] == ["hand_off"]
    assert "hand_off" in decnet.run("ttp", "campaigns").stdout


def test_where_nobody_is_joined_that_is_said(decnet: CommandLine) -> None:
    cluster(decnet, OF_A)
    assert "No attackers are known to be one" in decnet.run("ttp", "identities").stdout
    assert "No identities are known to work together" in decnet.run("ttp", "campaigns").stdout
