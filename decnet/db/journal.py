"""The outbox as a journal: how far each consumer has read it, what it could not handle, what may go.

On SQLite alone, where numbers commit in order: a position says that everything up to it is done. ``takes`` arguments
tell which topics a consumer reads. Bodies are read last and only where they are wanted: they may be half a megabyte.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, update

from decnet.db.dialect import dialect_of
from decnet.db.outbox import StoredMessage
from decnet.db.tables import bus_position, dead_letter, lease, outbox
from decnet.models.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

_LOOK_AHEAD = 500
"""How many messages of a partition are looked at for their topics at once."""
_DELETED_AT_ONCE = 200
_decode = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode

_AHEAD = 'SELECT id, topic FROM outbox WHERE "partition" = ? AND id > ? ORDER BY id LIMIT ?'
_BODIES = (
    select(outbox.c.id, outbox.c.topic, outbox.c.partition, outbox.c.body, outbox.c.created_at)
    .where(outbox.c.id.in_(bindparam("numbers", expanding=True)))
    .order_by(outbox.c.id)
)
_NEXT_OF_TOPIC = (
    select(outbox.c.created_at)
    .where(outbox.c.partition == bus_position.c.partition, outbox.c.id > bus_position.c.position)
    .where(outbox.c.topic == bindparam("topic"))
    .order_by(outbox.c.id)
    .limit(1)
    .scalar_subquery()
)
_OLDEST_OF_TOPIC = select(func.min(_NEXT_OF_TOPIC)).where(
    bus_position.c.consumer.in_(bindparam("readers", expanding=True))
)
_MOVE = (
    update(bus_position)
    .where(
        bus_position.c.consumer == bindparam("of"),
        bus_position.c.partition == bindparam("at"),
        bus_position.c.position == bindparam("expected"),
    )
    .values(position=bindparam("to"), tries=bindparam("tries"))
)


class Place(NamedTuple):
    """``position`` is the last number that is done; ``tries`` how often the next message was handed out."""

    position: int
    tries: int


class StoredLetter(NamedTuple):
    """An item that could not be handled; ``died_at`` in µs UTC."""

    id: int
    consumer: str
    partition: int
    topic: str
    item: bytes
    error: str
    tries: int
    died_at: int


def last_number(connection: Connection) -> int:
    """The number of the newest message that is there, 0 for none."""
    newest: int | None = connection.execute(select(func.max(outbox.c.id))).scalar_one()
    return newest or 0


def begin_positions(
    connection: Connection, consumer: str, partitions: Iterable[int], *, position: int, topics: Sequence[str]
) -> None:
    """Where ``consumer`` has no position, it is ``position``; from now on it reads the NATS patterns ``topics``."""
    stored = " ".join(topics)
    rows = [(consumer, partition, position, 0, stored) for partition in partitions]
    columns = ("consumer", "partition", "position", "tries", "topics")
    dialect_of(connection).insert_missing(connection, bus_position, columns[:2], columns, rows)
    connection.execute(update(bus_position).where(bus_position.c.consumer == consumer).values(topics=stored))


def read_topics(connection: Connection, consumer: str) -> tuple[str, ...]:
    """The NATS patterns that ``consumer`` reads; none for one that has no position."""
    query = select(bus_position.c.topics).where(bus_position.c.consumer == consumer)
    stored: str = connection.execute(query.limit(1)).scalar() or ""
    return tuple(stored.split())


def read_places(connection: Connection, consumer: str) -> Mapping[int, Place]:
    """The place of ``consumer`` in each partition that it has one in."""
    columns = bus_position.c
    query = select(columns.partition, columns.position, columns.tries).where(columns.consumer == consumer)
    return {partition: Place(position, tries) for partition, position, tries in connection.execute(query)}


def move_place(connection: Connection, consumer: str, partition: int, *, expected: int, place: Place) -> bool:
    """Move from position ``expected`` to ``place``; False when it is somewhere else: another process has moved it."""
    values = {"of": consumer, "at": partition, "expected": expected, "to": place.position, "tries": place.tries}
    return bool(connection.execute(_MOVE, values).rowcount)


def forget_places(connection: Connection, consumer: str) -> None:
    """``consumer`` has no position any more."""
    connection.execute(delete(bus_position).where(bus_position.c.consumer == consumer))


def next_messages(
    connection: Connection,
    partition: int,
    position: int,
    takes: Callable[[str], bool],
    limit: int,
    *,
    most_bytes: int,
) -> tuple[list[StoredMessage], int]:
    """The first messages behind ``position`` whose topic is taken, and the last number that was looked at.

    They are up to ``limit``, and end with the one that reaches ``most_bytes``. That number is ``position`` when there
    is nothing more; there may be more when it is not.
    """
    wanted: list[int] = []
    for number, topic in connection.exec_driver_sql(_AHEAD, (partition, position, _LOOK_AHEAD)):
        position = number
        if takes(topic):
            wanted.append(number)
            if len(wanted) == limit:
                break
    found = stored_messages(connection, wanted, most_bytes=most_bytes)
    return found, found[-1].id if len(found) < len(wanted) else position


def stored_messages(connection: Connection, numbers: list[int], *, most_bytes: float = math.inf) -> list[StoredMessage]:
    """The messages with these numbers, in order, up to the one that reaches ``most_bytes``."""
    found: list[StoredMessage] = []
    if not numbers:
        return found
    size = 0
    with connection.execute(_BODIES, {"numbers": numbers}) as rows:
        for number, topic, partition, body, created_at in rows:
            found.append(StoredMessage(number, Message(topic, partition, _decode(body)), created_at))
            size += len(body)
            if size >= most_bytes:
                break
    return found


def topics_after(connection: Connection, position: int, limit: int) -> list[tuple[int, str, int]]:
    """Number, topic and partition of up to ``limit`` messages of any partition behind ``position``, in order."""
    columns = outbox.c
    query = select(columns.id, columns.topic, columns.partition).where(columns.id > position)
    return [
        (number, topic, partition)
        for number, topic, partition in connection.execute(query.order_by(columns.id).limit(limit))
    ]


def waiting(connection: Connection, consumer: str, takes: Callable[[str], bool]) -> tuple[int, int | None]:
    """How many taken messages are behind the positions of ``consumer``, and when the oldest was written (µs UTC)."""
    columns = outbox.c
    count, oldest = 0, None
    for partition, place in read_places(connection, consumer).items():
        behind = (columns.partition == partition, columns.id > place.position)
        query = select(columns.topic, func.count(), func.min(columns.id)).where(*behind).group_by(columns.topic)
        for topic, number, first in connection.execute(query):
            if takes(topic):
                count += number
                oldest = first if oldest is None else min(oldest, first)
    if oldest is None:
        return count, None
    return count, connection.execute(select(columns.created_at).where(columns.id == oldest)).scalar_one()


def oldest_unread(connection: Connection, topic: str, reads: Callable[[tuple[str, ...]], bool]) -> int | None:
    """When the oldest message of ``topic`` was written (µs UTC) that a consumer which ``reads`` it has not passed."""
    known = select(bus_position.c.consumer, func.max(bus_position.c.topics)).group_by(bus_position.c.consumer)
    readers = [name for name, topics in connection.execute(known) if reads(tuple(topics.split()))]
    oldest: int | None = connection.execute(_OLDEST_OF_TOPIC, {"readers": readers, "topic": topic}).scalar_one()
    return oldest


def has_readers(connection: Connection) -> bool:
    """Whether any consumer has a place in the journal, or a relay has passed messages on to a bus elsewhere."""
    relays = select(lease.c.name).where(lease.c.name.startswith("relay.", autoescape=True)).limit(1)
    place = select(bus_position.c.consumer).limit(1)
    return connection.execute(place).first() is not None or connection.execute(relays).first() is not None


def unread(connection: Connection) -> int:
    """How many messages some consumer has not passed."""
    columns = outbox.c
    return sum(
        connection.execute(select(func.count()).where(columns.partition == partition, columns.id > passed)).scalar_one()
        for partition, passed in _passed(connection).items()
    )


def delete_passed(connection: Connection, partition: int, *, before: int) -> int:
    """Delete the first messages of a partition that every consumer has passed and that were written before ``before``.

    Returns how many; a few at a time, so that the transaction is short: call again until it is 0.
    """
    columns = outbox.c
    first = select(columns.id, columns.created_at).where(columns.partition == partition)
    passed = _passed(connection).get(partition)
    if passed is not None:
        first = first.where(columns.id <= passed)
    rows = connection.execute(first.order_by(columns.id).limit(_DELETED_AT_ONCE)).all()
    numbers = [number for number, created_at in rows if created_at < before]
    if numbers:
        connection.execute(delete(outbox).where(columns.id.in_(numbers)))
    return len(numbers)


def _passed(connection: Connection) -> Mapping[int, int]:
    """The lowest position in each partition that has one."""
    columns = bus_position.c
    query = select(columns.partition, func.min(columns.position)).group_by(columns.partition)
    return dict(connection.execute(query).all())


def add_letter(connection: Connection, letter: StoredLetter) -> None:
    """Put ``letter`` aside, under a new number, unless the same item of the same consumer is there already."""
    columns = dead_letter.c
    same = select(columns.id).where(
        columns.consumer == letter.consumer,
        columns.partition == letter.partition,
        columns.topic == letter.topic,
        columns.item == letter.item,
    )
    if connection.execute(same.limit(1)).first() is None:
        values = letter._asdict()
        del values["id"]
        connection.execute(insert(dead_letter).values(**values))


def read_letters(connection: Connection, consumer: str | None, limit: int) -> list[StoredLetter]:
    """The oldest ``limit`` dead letters of ``consumer``, or of all."""
    query = select(*(dead_letter.c[name] for name in StoredLetter._fields)).order_by(dead_letter.c.id).limit(limit)
    if consumer is not None:
        query = query.where(dead_letter.c.consumer == consumer)
    return [StoredLetter(*row) for row in connection.execute(query)]


def take_letter(connection: Connection, number: int) -> StoredLetter | None:
    """The dead letter ``number``, which is gone then; None when there is none."""
    query = select(*(dead_letter.c[name] for name in StoredLetter._fields)).where(dead_letter.c.id == number)
    row = connection.execute(query).one_or_none()
    connection.execute(delete(dead_letter).where(dead_letter.c.id == number))
    return StoredLetter(*row) if row else None
