"""How far each log was read. A log is known by its first line, so that a rotated or moved file is still the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from decnet.db.dialect import Merge, dialect_of
from decnet.db.tables import log_position

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


_RULES = dict.fromkeys(("path", "end_offset", "line_number", "tail_digest", "read_at"), Merge.GIVEN)


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """Everything before ``offset`` (bytes, decompressed) is stored; ``tail_digest`` is of the bytes just before it."""

    fingerprint: str
    path: str
    offset: int
    line_number: int
    tail_digest: str


def read_position(connection: Connection, fingerprint: str) -> StoredPosition | None:
    """Where reading of the log with this first line stopped, or None for a log that is new."""
    columns = log_position.c
    row = connection.execute(
        select(columns.fingerprint, columns.path, columns.end_offset, columns.line_number, columns.tail_digest).where(
            columns.fingerprint == fingerprint
        )
    ).one_or_none()
    return StoredPosition(*row) if row else None


def write_position(connection: Connection, position: StoredPosition, *, now: int) -> None:
    """Remember ``position`` in the transaction that stores what was read up to it."""
    row = (position.fingerprint, position.path, position.offset, position.line_number, position.tail_digest, now)
    dialect_of(connection).merge(connection, log_position, ("fingerprint",), _RULES, [row])
