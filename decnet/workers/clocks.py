"""Sensor time as the intake tells it: sessions end by silence also where no event comes that would say so.

An event tells of time only to the partition of its attacker. So all partitions are told, with the events themselves,
each time that a sensor's event time has moved on by some minutes; and once more when it was silent for a whole
time-out, or its log is at its end: then every session of it is over. The latter is no event's time and is stored.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from decnet.attribution.engine import IDLE_US
from decnet.db.clocks import note_heard, note_told, write_clocks
from decnet.db.outbox import add_messages
from decnet.models.finding import SECOND_US, Clock
from decnet.models.message import EVENTS, PARTITIONS, bulk_messages
from decnet.models.record import packed_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.clocks import SensorTime
    from decnet.models.event import Event
    from decnet.models.message import Message

MOVED_US = 5 * 60 * SECOND_US
"""Event time after which all partitions are told: a third of a time-out, and 32 small messages."""
SILENCE_S = IDLE_US / SECOND_US
"""How long a sensor says nothing until its sessions are over."""


class SensorClocks:
    """How far the event time of each sensor has come, and what others were told of it. Safe to share between threads.

    All ``now_s`` are times on one clock that only goes forward.
    """

    def __init__(self, *, silence_s: float = SILENCE_S) -> None:
        self._silence_s = silence_s
        self._heard: dict[str, _Heard] = {}
        self._turn = threading.Lock()

    def recall(self, times: Iterable[SensorTime], now_s: float) -> None:
        """This was stored before the start; a sensor that was heard then is silent from now on."""
        with self._turn:
            for one in times:
                self._heard.setdefault(one.sensor, _Heard(one.heard_at, one.told_at or one.heard_at, now_s))

    def moved(self, events: Iterable[Event]) -> list[Clock]:
        """What all are to be told together with these events, since a sensor's time has moved on by a good deal."""
        with self._turn:
            return [
                Clock(sensor, at)
                for sensor, at in sorted(latest(events).items())
                if sensor in self._heard and at >= self._heard[sensor].told_at + MOVED_US
            ]

    def note(self, events: Iterable[Event], told: Iterable[Clock], now_s: float) -> None:
        """These came at ``now_s``, and this was told of them."""
        with self._turn:
            for sensor, at in latest(events).items():
                known = self._heard.get(sensor, _Heard(at, at, now_s))
                self._heard[sensor] = _Heard(max(known.heard_at, at), known.told_at, now_s)
        self.note_told(told)

    def note_told(self, told: Iterable[Clock]) -> None:
        """All were told this."""
        with self._turn:
            for one in told:
                known = self._heard[one.sensor]
                self._heard[one.sensor] = known._replace(told_at=max(known.told_at, one.observed_at))

    def due(self, now_s: float) -> list[Clock]:
        """A record for each sensor that was silent for a time-out, until :meth:`note_told` says that it is told."""
        with self._turn:
            return [
                Clock(sensor, heard.heard_at + IDLE_US)
                for sensor, heard in sorted(self._heard.items())
                if heard.told_at < heard.heard_at + IDLE_US and now_s - heard.came_s >= self._silence_s
            ]

    def ends(self, sensors: Iterable[str]) -> list[Clock]:
        """A record for each of these whose log is at its end, where it was not told."""
        with self._turn:
            found = [(sensor, self._heard[sensor]) for sensor in sorted(sensors) if sensor in self._heard]
        return [
            Clock(sensor, heard.heard_at + IDLE_US)
            for sensor, heard in found
            if heard.told_at < heard.heard_at + IDLE_US
        ]


class _Heard(NamedTuple):
    """The latest event time of a sensor, how far all were told of it (both µs UTC), and when the event came."""

    heard_at: int
    told_at: int
    came_s: float


def latest(events: Iterable[Event]) -> dict[str, int]:
    """The time of the latest event of each sensor."""
    found: dict[str, int] = {}
    for event in events:
        if event.observed_at > found.get(event.sensor, -1):
            found[event.sensor] = event.observed_at
    return found


def store_times(connection: Connection, events: Iterable[Event], moved: Sequence[Clock], *, now: int) -> None:
    """Store what ``events`` tell of time, and tell all partitions what has ``moved``, behind the events' messages."""
    note_heard(connection, latest(events))
    if moved:
        note_told(connection, moved)
        add_messages(connection, clock_messages(moved), now=now)


def store_clocks(connection: Connection, clocks: Sequence[Clock], *, now: int) -> None:
    """Store these records and tell all partitions, in one transaction."""
    write_clocks(connection, clocks)
    add_messages(connection, clock_messages(clocks), now=now)


def clock_messages(clocks: Sequence[Clock]) -> Iterator[Message]:
    """``clocks`` for every partition: each may have open sessions of these sensors."""
    items = [packed_record(clock) for clock in clocks]
    for partition in range(PARTITIONS) if items else ():
        yield from bulk_messages(EVENTS, partition, items)
