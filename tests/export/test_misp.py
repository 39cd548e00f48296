from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from pymisp import MISPEvent

from decnet.attack.catalog import load
from decnet.export.misp import MAX_OBJECTS, misp_events
from tests.export.stored import HOSTILE, stored_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.models.stored_tag import StoredTag


def by_attacker(count: int) -> list[StoredTag]:
    return sorted(stored_tags(count), key=lambda tag: (tag.attacker_uuid or b"", tag.observed_at))


def text_of(tags: Iterable[StoredTag]) -> str:
    return b"".join(misp_events(tags, load, "green")).decode()


def events_of(tags: Iterable[StoredTag]) -> list[MISPEvent]:
    """The events, as MISP's own library reads them."""
    events = []
    for plain in json.loads(text_of(tags))["response"]:
        event = MISPEvent()
        event.load(plain)
        events.append(event)
    return events


@pytest.mark.parametrize(("count", "events"), [(0, 0), (1, 1), (1_000, 2)])
def test_misps_own_library_reads_every_event(count: int, events: int) -> None:
    assert len(events_of(by_attacker(count))) == events


def test_two_runs_make_the_same_text() -> None:
    assert text_of(by_attacker(60)) == text_of(by_attacker(60))


def test_an_event_names_address_techniques_sightings_and_command_lines() -> None:
    first, _ = events_of(by_attacker(3 * len(HOSTILE)))
    assert {tag.name for tag in first.tags} >= {
        "tlp:green",
        'misp-galaxy:mitre-attack-pattern="Ingress Tool Transfer - T1105"',
        'misp-galaxy:mitre-attack-pattern="Unix Shell - T1059.004"',
    }
    (address,) = first.attributes
    assert (address.type, address.to_ids) == ("ip-src", False)
    assert len(address.sightings) == 3
    lines = {attribute.value for one in first.objects for attribute in one.attributes}
    assert lines <= {text.strip() for text in HOSTILE} | set(HOSTILE)
    assert len(lines) == len(HOSTILE) // 2


def test_a_day_of_very_many_commands_is_cut() -> None:
    tags = [
        msgspec.structs.replace(stored_tags(1)[0], evidence={"command": f"wget {number}"})
        for number in range(MAX_OBJECTS + 50)
    ]
    (event,) = events_of(tags)
    assert len(event.objects) == MAX_OBJECTS
