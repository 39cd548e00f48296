"""From the raw records of a real Cowrie to findings and traits: what producers write is what attribution reads."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.attribution.engine import Attribution, Outcome
from decnet.attribution.identities import Identities
from decnet.models.secret import secret_digest
from decnet.sources.base import Refusal
from decnet.sources.cowrie import CowrieSource

if TYPE_CHECKING:
    from decnet.models.event import Event

RECORDING = Path(__file__).parents[2] / "demo" / "cowrie.json"


@cache
def recorded() -> Outcome:
    source = CowrieSource(secret_digest(b"k" * 32))
    events: list[Event] = []
    for number, line in enumerate(RECORDING.read_bytes().splitlines(), 1):
        found = source.read(line, number)
        assert not isinstance(found, Refusal)
        events.extend(found)
    return Attribution().apply(events)


def test_a_recording_shows_findings_of_every_kind_that_it_can() -> None:
    kinds = Counter(finding.source_id.partition(":")[0] for finding in recorded().findings)
    assert kinds.keys() == {"auth", "beacon", "behaviour", "login", "scan", "session", "tool"}


def test_ids_are_unique_but_for_revisions_and_hold_no_bar() -> None:
    ids = [(finding.source_id, finding.revision) for finding in recorded().findings]
    assert len(set(ids)) == len(ids)
    assert not [source_id for source_id, _ in ids if "|" in source_id or len(source_id) > 255]


def test_every_trait_that_joins_attackers_is_read_from_real_records() -> None:
    traits = recorded().ended
    assert {metric for one in traits for metric, _ in one.fingerprints} >= {"hassh"}
    assert any(one.payloads for one in traits)
    assert any(one.endpoints for one in traits)
    assert any(one.script for one in traits)


def test_every_attacker_of_a_recording_has_an_identity() -> None:
    identities = Identities()
    for traits in recorded().ended:
        identities.observe(traits)
    changes = identities.settle().changes
    assert {change.attacker for change in changes} == {traits.attacker for traits in recorded().ended}
    assert {identities.head_of(change.after) for change in changes} == {change.after for change in changes}
