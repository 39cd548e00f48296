"""Messages that were stored together with what they announce, until they were passed on.

``event`` rows and their message commit or vanish together: a crash between "stored" and "announced" cannot happen.
Two kinds of reader, never on one database:

* embedded, the journal bus reads rows in order of their number and keeps its place in ``bus_position``. That is sound
  on SQLite alone, where numbers commit in order;
* distributed, a relay takes *what is there*, passes it on and deletes it: numbers commit out of order on a server, so
  a place in their sequence would skip rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, func, insert, literal_column, select

from decnet.db.tables import outbox
from decnet.models.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode

# A sum keeps SQLite from walking the whole index of partitions instead of the few new numbers.
_PARTITION = outbox.c.partition + literal_column("0")
_FRESH = select(_PARTITION, func.max(outbox.c.id)).where(outbox.c.id > bindparam("after")).group_by(_PARTITION)
_MESSAGE = (outbox.c.id, outbox.c.topic, outbox.c.partition, outbox.c.body, outbox.c.created_at)


class StoredMessage(NamedTuple):
    """A message with its number; ``created_at`` in µs UTC."""

    id: int
    message: Message
    created_at: int


def add_messages(connection: Connection, messages: Iterable[Message], *, now: int) -> int:
    """Announce ``messages`` once the caller's transaction commits; returns their number."""
    rows = [{"partition": m.partition, "topic": m.topic, "body": _encode(m.items), "created_at": now} for m in messages]
    if rows:
        connection.execute(insert(outbox), rows)
    return len(rows)


def messages_after(connection: Connection, partition: int, position: int, limit: int) -> list[StoredMessage]:
    """Up to ``limit`` messages of a partition behind number ``position``, in order."""
    query = select(*_MESSAGE).where(outbox.c.partition == partition, outbox.c.id > position)
    return [_stored(row) for row in connection.execute(query.order_by(outbox.c.id).limit(limit))]


def oldest_messages(connection: Connection, partitions: Sequence[int], limit: int) -> list[StoredMessage]:
    """Up to ``limit`` messages of these partitions that are still there, lowest numbers first."""
    query = select(*_MESSAGE).where(outbox.c.partition.in_(partitions)).order_by(outbox.c.id).limit(limit)
    return [_stored(row) for row in connection.execute(query)] if partitions else []


def fresh_partitions(connection: Connection, after: int) -> Mapping[int, int]:
    """The highest number in each partition that has messages behind number ``after``."""
    return dict(connection.execute(_FRESH, {"after": after}).all())


def delete_messages(connection: Connection, numbers: Sequence[int]) -> int:
    """Forget messages that were passed on; returns how many were there."""
    return connection.execute(delete(outbox).where(outbox.c.id.in_(numbers))).rowcount if numbers else 0


def backlog(connection: Connection) -> tuple[int, int | None]:
    """How many messages are there, and when the oldest was written (µs UTC)."""
    number, oldest = connection.execute(select(func.count(), func.min(outbox.c.created_at))).one()
    return number, oldest


def _stored(row: Sequence[Any]) -> StoredMessage:
    number, topic, partition, body, created_at = row
    return StoredMessage(number, Message(topic, partition, _decode(body)), created_at)
