"""Lines of the event format for tests, and the adapter that reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decnet.sources.base import Refusal
from decnet.sources.jsonl import JsonlSource
from tests.sources.cowrie_lines import digest

if TYPE_CHECKING:
    from decnet.models.event import Event

PAGE = (Path(__file__).parents[2] / "docs/reference/event-format.md").read_text(encoding="utf-8")
EVERY_KIND = [
    example.encode() for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) for example in block.splitlines()
]
"""The examples of the page for people: one line per source kind and more."""

RECORD: dict[str, Any] = {
    "decnet": 1,
    "observed_at": "2026-11-23T01:36:18.612765Z",
    "src_ip": "198.51.100.14",
    "src_port": 40222,
    "sensor": "dmz-1",
    "decky_id": "mail-2",
    "protocol": "pop3",
    "native_session": "c0ffee",
}


def source(sensor: str | None = None) -> JsonlSource:
    return JsonlSource(digest, sensor=sensor, file="events.jsonl")


def line(source_kind: object, payload: object, *without: str, **fields: object) -> bytes:
    """A record of ``source_kind`` as a line; a field that is None in ``fields`` is written as null."""
    record = {key: value for key, value in RECORD.items() if key not in without}
    return json.dumps({**record, "source_kind": source_kind, "payload": payload, **fields}).encode()


def event(raw: bytes, adapter: JsonlSource | None = None, number: int = 1) -> Event:
    found = (adapter or source()).read(raw, number)
    assert not isinstance(found, Refusal), found
    (only,) = found
    return only


def refusal(raw: bytes, adapter: JsonlSource | None = None) -> Refusal:
    found = (adapter or source()).read(raw, 7)
    assert isinstance(found, Refusal), found
    return found
