"""How far the event time of each sensor has come: by its events, and by records that say so where there are none.

A clock record is a row: reading the stored events and records of a sensor again, in order of time, ends the same
sessions by silence as it did the first time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from decnet.db.dialect import Merge, dialect_of
from decnet.db.tables import clock, sensor, sensor_clock
from decnet.models.finding import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

_SENSORS = "SELECT name, id FROM sensor WHERE name IN ({places})"
_TIMES = {"heard_at": Merge.GREATEST, "told_at": Merge.GREATEST}
_NEVER = 0


class SensorTime(NamedTuple):
    """The time (µs UTC) of a sensor's latest event, and how far everybody was told that its time has come."""

    sensor: str
    heard_at: int
    told_at: int


def note_heard(connection: Connection, heard: Mapping[str, int]) -> None:
    """The latest event of each of these sensors, which are stored, was then; an earlier one changes nothing."""
    _merge(connection, [SensorTime(name, at, _NEVER) for name, at in heard.items()])


def note_told(connection: Connection, clocks: Iterable[Clock]) -> None:
    """Everybody is told, in this transaction, that the time of these sensors has come so far."""
    _merge(connection, [SensorTime(one.sensor, _NEVER, one.observed_at) for one in clocks])


def write_clocks(connection: Connection, clocks: Sequence[Clock]) -> None:
    """Store these records; one that is stored already is a no-op. What is told of them is up to the caller."""
    numbers = _numbers(connection, {one.sensor for one in clocks})
    columns = ("sensor_id", "observed_at")
    rows = sorted({(numbers[one.sensor], one.observed_at) for one in clocks if one.sensor in numbers})
    dialect_of(connection).insert_missing(connection, clock, columns, columns, rows)
    note_told(connection, clocks)


def sensor_times(connection: Connection) -> list[SensorTime]:
    """Every sensor that was heard, in order of their names."""
    query = select(sensor.c.name, sensor_clock.c.heard_at, sensor_clock.c.told_at)
    joined = query.join(sensor, sensor.c.id == sensor_clock.c.sensor_id).order_by(sensor.c.name)
    return [SensorTime(*row) for row in connection.execute(joined)]


def stored_clocks(connection: Connection) -> list[Clock]:
    """All records, in order of time."""
    query = select(sensor.c.name, clock.c.observed_at).join(sensor, sensor.c.id == clock.c.sensor_id)
    return [Clock(*row) for row in connection.execute(query.order_by(clock.c.observed_at, sensor.c.name))]


def _merge(connection: Connection, times: Sequence[SensorTime]) -> None:
    numbers = _numbers(connection, {one.sensor for one in times})
    rows = [(numbers[one.sensor], one.heard_at, one.told_at) for one in times if one.sensor in numbers]
    dialect_of(connection).merge(connection, sensor_clock, ("sensor_id",), _TIMES, sorted(rows))


def _numbers(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    return dict(dialect_of(connection).rows_with(connection, _SENSORS, sorted(names)))
