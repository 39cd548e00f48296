"""Cowrie's lines for tests, and the adapter that reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decnet.sources.base import Refusal
from decnet.sources.cowrie import CowrieSource

if TYPE_CHECKING:
    from decnet.models.event import Event

EVERY_EVENT = (Path(__file__).parent / "data" / "every_event.jsonl").read_bytes().splitlines()
"""One line per event id: 28 as the real program wrote them, the others after its source."""

RECORD: dict[str, Any] = {
    "session": "78e25f00256e",
    "protocol": "ssh",
    "src_ip": "198.51.100.14",
    "src_port": 44163,
    "dst_ip": "192.0.2.10",
    "dst_port": 2222,
    "sensor": "decoy-ssh-01",
    "timestamp": "2026-11-23T01:36:18.612765Z",
}


def digest(secret: str) -> str:
    """A stand-in that shows what it was given; the real one is keyed."""
    return f"HMAC({secret})"


def source(sensor: str | None = None) -> CowrieSource:
    return CowrieSource(digest, sensor=sensor, file="cowrie.json")


def line(eventid: str, *without: str, **fields: object) -> bytes:
    """A record of ``eventid`` as a line; a field that is None in ``fields`` is written as null."""
    record = {key: value for key, value in RECORD.items() if key not in without}
    return json.dumps({**record, "eventid": eventid, **fields}).encode()


def events(raw: bytes, adapter: CowrieSource | None = None, number: int = 1) -> list[Event]:
    found = (adapter or source()).read(raw, number)
    assert not isinstance(found, Refusal), found
    return list(found)


def event(raw: bytes, adapter: CowrieSource | None = None) -> Event:
    (only,) = events(raw, adapter)
    return only


def refusal(raw: bytes, adapter: CowrieSource | None = None) -> Refusal:
    found = (adapter or source()).read(raw, 7)
    assert isinstance(found, Refusal), found
    return found
