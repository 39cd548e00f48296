"""Sessions for honeypots that number none: one connection, told by its two ends, its service and when it began.

The beginning counts in whole UTC hours. So a reader that starts in the middle of a log, another process, or a copy of
the log give the same session; only a connection of which nothing but its second hour is ever read is another one. Two
connections between the same two ports within one hour are one session.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

HOUR_US = 3_600_000_000

_REMEMBERED_CONNECTIONS = 8_192
_REMEMBERED_HOURS = 64
_SECONDS_PER_HOUR = 3_600


class _Open(NamedTuple):
    """A connection that may go on: the hour in which it began, and when it was last heard of, µs UTC."""

    hour: int
    last_at: int


class Connections:
    """Names sessions. The last 8,192 connections are remembered, so that one that outlives its hour stays one."""

    def __init__(self) -> None:
        self._open: Final = OrderedDict[tuple[str, str], _Open]()

    def session_of(self, sensor: str, connection: str, at: int, *, is_stream: bool) -> str:
        """The name, within ``sensor``, of the session of a record of ``connection`` (see :func:`connection`).

        ``at`` is the record's time, µs UTC. A stream goes on while no more than an hour passes between its records;
        what has no stream (datagrams, probes) is one session per hour.
        """
        hour = at // HOUR_US
        if is_stream:
            hour = self._first_hour((sensor, connection), at)
        return f"{connection}@{_hour_name(hour)}"

    def _first_hour(self, key: tuple[str, str], at: int) -> int:
        known = self._open.get(key)
        if known is not None and abs(at - known.last_at) <= HOUR_US:
            now = _Open(known.hour, max(at, known.last_at))
        else:
            now = _Open(at // HOUR_US, at)
        self._open[key] = now
        self._open.move_to_end(key)
        if len(self._open) > _REMEMBERED_CONNECTIONS:
            self._open.popitem(last=False)
        return now.hour


def connection(source: str, source_port: int | None, decoy: str, decoy_port: int | None, service: str) -> str:
    """``198.51.100.14:40222>192.0.2.10:21/ftp``; a port that is None is left out."""
    return f"{_end(source, source_port)}>{_end(decoy, decoy_port)}/{service}"


def _end(host: str, port: int | None) -> str:
    bare = f"[{host}]" if ":" in host else host
    return bare if port is None else f"{bare}:{port}"


@lru_cache(_REMEMBERED_HOURS)
def _hour_name(hour: int) -> str:
    """``2026-11-23T01`` for the hours since 1970; the number itself where no calendar has the year."""
    try:
        return f"{datetime.fromtimestamp(hour * _SECONDS_PER_HOUR, UTC):%Y-%m-%dT%H}"
    except (ValueError, OverflowError, OSError):
        return str(hour)
