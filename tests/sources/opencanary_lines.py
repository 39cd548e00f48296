"""OpenCanary's lines for tests, and the adapter that reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decnet.sources.base import Refusal
from decnet.sources.opencanary import OpenCanarySource
from tests.sources.cowrie_lines import digest

if TYPE_CHECKING:
    from decnet.models.event import Event

EVERY_LOGTYPE = (Path(__file__).parent / "data" / "opencanary_every.jsonl").read_bytes().splitlines()
"""Lines of every log type: 30 of them as the real program wrote them on visits, addresses and ports replaced; the
others (what needs iptables, Scapy or an operator's own module, and what it says of itself) after its source."""

RECORD: dict[str, Any] = {
    "dst_host": "192.0.2.10",
    "dst_port": 21,
    "local_time": "2026-11-23 01:36:18.612760",
    "local_time_adjusted": "2026-11-23 02:36:18.612770",
    "node_id": "decoy-1",
    "src_host": "198.51.100.14",
    "src_port": 40222,
    "utc_time": "2026-11-23 01:36:18.612765",
}


def source(sensor: str | None = None) -> OpenCanarySource:
    return OpenCanarySource(digest, sensor=sensor, file="opencanary.log")


def line(logtype: object, logdata: object = None, *without: str, **fields: object) -> bytes:
    """A record of ``logtype`` as a line; a field that is None in ``fields`` is written as null."""
    record = {key: value for key, value in RECORD.items() if key not in without}
    return json.dumps({**record, "logdata": logdata or {}, "logtype": logtype, **fields}, sort_keys=True).encode()


def events(raw: bytes, adapter: OpenCanarySource | None = None, number: int = 1) -> list[Event]:
    found = (adapter or source()).read(raw, number)
    assert not isinstance(found, Refusal), found
    return list(found)


def event(raw: bytes, adapter: OpenCanarySource | None = None) -> Event:
    (only,) = events(raw, adapter)
    return only


def refusal(raw: bytes, adapter: OpenCanarySource | None = None) -> Refusal:
    found = (adapter or source()).read(raw, 7)
    assert isinstance(found, Refusal), found
    return found
