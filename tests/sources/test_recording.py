"""A recording of the real program is read to the last line."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from decnet.models.event import AUTH_ATTEMPT, COMMAND, SESSION, Event
from decnet.sources.base import Refusal
from decnet.sources.cowrie_events import MAPPINGS
from decnet.sources.lines import LogReader
from tests.sources.cowrie_lines import source

RECORDING = Path(__file__).parents[2] / "demo" / "cowrie.json"


def test_recording_of_a_real_cowrie_is_read_without_refusal_or_note() -> None:
    adapter = source()
    found: list[Event] = []
    for batch in LogReader(str(RECORDING)).batches():
        assert batch.complete
        for number, raw in enumerate(batch.lines, batch.first_line):
            events = adapter.read(raw, number)
            assert not isinstance(events, Refusal), events
            found.extend(events)

    kinds = Counter(event.source_kind for event in found)
    records = Counter(json.loads(raw)["eventid"] for raw in RECORDING.read_bytes().splitlines())
    assert not adapter.notes
    assert len({event.id for event in found}) == len(found)
    for kind in (COMMAND, AUTH_ATTEMPT, SESSION):
        assert kinds[kind] == sum(records[eventid] for eventid, mapping in MAPPINGS.items() if kind in mapping.kinds)
