"""Rules about identities: lines of Cowrie's log through attribution, clustering and tagging to stored tags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from decnet.models.actor import attacker_uuid, identity_uuid
from decnet.models.finding import (
    DAY_US,
)
from decnet.models.ids import uuid_text
from tests.sources.cowrie_lines import line

if TYPE_CHECKING:
    from tests.e2e.rules.served import Served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
START = datetime(2026, 11, 17, 12, tzinfo=UTC)
DAY = int(START.timestamp()) * 1_000_000 // DAY_US


def visit(source: str, *attempts: tuple[str, str], decoy: str = "a", at: float = 0, payload: str = "") -> list[bytes]:
    """A session in which these pairs are tried, and a file (by its name) is fetched; it ends."""
    sensor = f"identities-{decoy}"
    session = sha256(f"{source} {decoy} {at}".encode()).hexdigest()[:12]

    def record(eventid: str, second: float, **fields: object) -> bytes:
        stamp = (START + timedelta(seconds=at + second)).isoformat(timespec="microseconds")
        return line(f"cowrie.{eventid}", src_ip=source, sensor=sensor, timestamp=stamp, session=session, **fields)

    lines = [record("session.connect", 0)]
    for number, (user, password) in enumerate(attempts, 1):
        lines.append(record("login.failed", number, username=user, password=password))
    if payload:
        digest = sha256(payload.encode()).hexdigest()
        lines.append(record("session.file_download", 20, url="http://203.0.113.200/x", outfile="x", shasum=digest))
    return [*lines, record("session.closed", 30, duration_ms=30_000)]


@pytest.mark.rule("R0003")
def test_spraying_over_rotated_addresses_is_one_tag_of_one_identity(served: Served) -> None:
    sources = [f"192.0.2.{number}" for number in range(1, 4)]
    for number, source in enumerate(sources):
        served.log("cowrie.json", visit(source, (f"user{number}", "Winter2026!"), at=number * 60, payload="sprayer"))
    served.settle()
    (identity,) = served.identities_of(*sources)
    own = {uuid_text(identity_uuid(attacker_uuid(source))) for source in sources}
    (tag,) = [found for found in served.tags_now("R0003") if found.identity in own]
    assert tag.shown == ("TA0006", "T1110.003", 0.9)
    assert (tag.attacker, tag.identity, tag.source_kind) == ("", identity, "identity_rollup")
    assert tag.evidence == {
        "finding": tag.source_id,
        "window_seconds": 86_400,
        "threshold": {"accounts_gte": 3},
    }


@pytest.mark.rule("R0003")
def test_two_identities_with_one_password_are_two_tags(served: Served) -> None:
    sources = ("192.0.2.11", "192.0.2.12")
    for number, source in enumerate(sources):
        attempts = [(f"name{account}", "Summer2026!") for account in range(3)]
        served.log("cowrie.json", visit(source, *attempts, decoy=f"two-{number}"))
    served.settle()
    tags = [served.identity_tags("R0003", identity) for identity in served.identities_of(*sources)]
    assert [len(found) for found in tags] == [1, 1]
    assert tags[0][0].source_id != tags[1][0].source_id


@pytest.mark.rule("R0004")
def test_one_pair_on_three_decoys_is_stuffing(served: Served) -> None:
    source = "192.0.2.21"
    for number in range(3):
        served.log("cowrie.json", visit(source, ("svc", "Pa55-of-svc"), decoy=f"stuffed-{number}", at=number * 60))
    served.settle()
    (identity,) = served.identities_of(source)
    (tag,) = served.identity_tags("R0004", identity)
    assert tag.shown == ("TA0006", "T1110.004", 0.9)
    assert tag.evidence["threshold"] == {"targets_gte": 3}


@pytest.mark.rule("R0070")
def test_one_identity_from_three_networks_in_a_day_is_hopping(served: Served) -> None:
    sources = ("203.0.113.5", "203.0.113.70", "203.0.113.140")
    for number, source in enumerate(sources):
        served.log("cowrie.json", visit(source, decoy="hop", at=number * 60, payload="hopper"))
    served.settle()
    (identity,) = served.identities_of(*sources)
    (tag,) = served.identity_tags("R0070", identity)
    assert tag.shown == ("TA0042", "T1583.003", 0.7)
    assert tag.source_id.split(":")[1] == "asn_hopping"
