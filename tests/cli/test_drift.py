"""``decnet ttp drift``: what providers list, or have said, that no table knows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from decnet.db.actors import Actors
from decnet.db.engine import open_database
from decnet.db.intel import Lookup, attackers_of_sessions, store_answer, want_lookups
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid
from decnet.models.intel import Threat, Verdict
from decnet.ttp.drift import differences, reviewed_table, signals_of
from decnet.ttp.store.filesystem import default_rules_folder
from tests.events import NOON, a_command
from tests.intel.provider_server import Reply, provider_server, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import CommandLine
    from tests.intel.provider_server import ProviderServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]
ADDRESS = "118.25.6.39"
TYPES = {
    "query_status": "ok",
    "data": {
        str(number): {"ioc_type": "url", "fk_threat_type": name, "description": f"about {name}"}
        for number, name in enumerate(("payload_delivery", "botnet_cc", "payload", "cc_skimming", "wiretap"))
    },
}


def tables(name: str) -> object:
    return yaml.load((default_rules_folder() / name).read_text("utf-8"), Loader=yaml.CSafeLoader)


@pytest.fixture
def site() -> Iterator[ProviderServer]:
    with provider_server() as server:
        yield server


def said_of_an_attacker(decnet: CommandLine, *verdicts: Verdict) -> None:
    """Providers said this, and it was stored."""
    folder = decnet.folder / "data"
    folder.mkdir()
    database = open_database(f"sqlite:///{folder / 'decnet.sqlite'}")
    event = a_command("id", src=ADDRESS)
    database.write(partial(Intake(Actors()).store, events=[event]))
    ((number, _),) = database.read(partial(attackers_of_sessions, uuids=[event.session_id]))
    lookup = Lookup(number, attacker_uuid(ADDRESS), ADDRESS, 0)
    names = [verdict.provider for verdict in verdicts]
    database.write(partial(want_lookups, providers=names, attackers=[number], now=NOON, kept_us=0))
    for verdict in verdicts:
        store = partial(store_answer, provider=verdict.provider, lookup=lookup, verdict=verdict, now=NOON)
        database.write(store)
    database.close()


def drift(decnet: CommandLine, **settings: str) -> tuple[int, dict[str, Any]]:
    done = replace(decnet, settings=settings).run("ttp", "drift", "--json")
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    found["differences"] = [one for one in found["differences"] if one["what"] != "review"]
    return done.returncode, found


def test_what_was_said_and_no_table_knows_is_told_with_what_to_do(decnet: CommandLine) -> None:
    said_of_an_attacker(
        decnet,
        Verdict("abuseipdb", ADDRESS, score=90, categories=(4, 18, 24)),
        Verdict("threatfox", ADDRESS, threats=(Threat("botnet_cc", 100), Threat("wiretap", 100))),
    )

    code, found = drift(decnet)

    assert code == 1
    assert [(one["provider"], one["what"], one["signal"]) for one in found["differences"]] == [
        ("abuseipdb", "seen", 24),
        ("threatfox", "seen", "wiretap"),
    ]
    assert "add a row to intel/abuseipdb.yaml" in found["differences"][0]["advice"]
    assert "raise the version of R0054" in found["differences"][0]["advice"]


def test_what_threatfox_lists_and_no_table_knows_is_new(site: ProviderServer, decnet: CommandLine) -> None:
    site.replies["/api"] = told(TYPES)

    _, found = drift(decnet, DECNET_THREATFOX_API_KEY="key", DECNET_THREATFOX_URL=f"{site.url}/api")

    assert [(one["what"], one["signal"], one["label"]) for one in found["differences"]] == [
        ("new", "wiretap", "about wiretap")
    ]
    assert json.loads(site.asked[0].body) == {"query": "types"}


def test_a_tag_that_greynoise_renamed_is_told_with_its_new_name(site: ProviderServer, decnet: CommandLine) -> None:
    slugs = ("tor-exit-node", "cobalt-strike", "metasploit", "sliver", "ssh-bruteforcers", "scanner", "web-crawler")
    site.replies["/tags"] = told({"metadata": [{"slug": slug, "name": slug.title()} for slug in slugs]})

    _, found = drift(decnet, DECNET_GREYNOISE_API_KEY="key", DECNET_GREYNOISE_TAGS_URL=f"{site.url}/tags")

    assert [(one["what"], one["signal"]) for one in found["differences"]] == [
        ("new", "ssh_bruteforcers"),
        ("gone", "ssh_bruteforcer"),
    ]
    assert "it may be 'ssh_bruteforcers' now" in found["differences"][1]["advice"]


def test_a_catalogue_that_cannot_be_read_is_told(site: ProviderServer, decnet: CommandLine) -> None:
    site.replies["/tags"] = Reply(401)

    code, found = drift(decnet, DECNET_GREYNOISE_API_KEY="s3cret", DECNET_GREYNOISE_TAGS_URL=f"{site.url}/tags")

    assert code == 1
    assert found["differences"] == []
    assert "the key is refused" in found["missed"][0]
    assert "s3cret" not in found["missed"][0]


def test_what_a_provider_said_reaches_the_screen_without_control_characters(decnet: CommandLine) -> None:
    said_of_an_attacker(decnet, Verdict("threatfox", ADDRESS, threats=(Threat("evil\x1b[2J\u202e", 100),)))

    done = decnet.run("ttp", "drift")

    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "evil␛[2J‹U+202E›" in done.stdout


@pytest.mark.parametrize("provider", ["abuseipdb", "greynoise", "threatfox", "feodo"])
def test_a_table_that_is_due_says_so(provider: str) -> None:
    table = reviewed_table(tables, provider)

    def due(today: date) -> list[str]:
        return [one.what for one in differences(table, catalogue=None, said=(), today=today)]

    assert due(date(2026, 11, 24)) == []
    assert due(table.next_review) == ["review"]


def test_words_of_every_provider_are_looked_up() -> None:
    greynoise = Verdict("greynoise", classification="malicious", tags=("mirai",))
    assert signals_of(greynoise) == {"malicious", "mirai"}
    assert signals_of(Verdict("abuseipdb", categories=(1, 2))) == {1, 2}
