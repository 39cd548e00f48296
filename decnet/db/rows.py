"""Bulk statements: inserts that report exactly the new rows, and sums that add to what is stored.

Only the conflict on the named key is a no-op; any other violation raises. A look-up before the insert would be a race,
``INSERT OR IGNORE`` would hide CHECK and NOT NULL, so the database itself says which rows it took.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

Row = tuple[Any, ...]

MAX_ROWS = 256
"""Rows per statement: past this the text of the statement costs more than another round."""


def insert_new(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    returning: Sequence[str] | None = None,
) -> set[Row]:
    """Insert ``rows`` (values in the order of ``columns``); returns the ``key`` values of those that are new.

    Every key within ``rows`` must be there once only; the caller drops repetitions. ``returning`` names other columns
    to return of the new rows.
    """
    added: set[Row] = set()
    for start in range(0, len(rows), MAX_ROWS):
        part = rows[start : start + MAX_ROWS]
        sql = _insert_sql(table.name, tuple(key), tuple(columns), tuple(returning or key), len(part))
        values = tuple(chain.from_iterable(part))
        with connection.exec_driver_sql(sql, values) as result:
            added.update(result.cursor.fetchall())  # the driver's own tuples: rows are many, and only compared
    return added


def add_counts(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Row]) -> None:
    """Add roll-up rows (key values, then count, max_confidence, first_seen, last_seen) to those that are stored."""
    if rows:
        connection.exec_driver_sql(_count_sql(table.name, tuple(key)), list(rows))


def rows_with(connection: Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    """The rows of ``sql``, in which ``({places})`` stands for any of ``values``.

    The list is filled up to a power of two with its last value, so that few different statements are prepared.
    """
    found: list[Row] = []
    for start in range(0, len(values), MAX_ROWS):
        part = tuple(values[start : start + MAX_ROWS])
        places = 1 << (len(part) - 1).bit_length()
        part += part[-1:] * (places - len(part))
        with connection.exec_driver_sql(sql.replace("{places}", ", ".join("?" * places)), part) as result:
            found += result.cursor.fetchall()
    return found


@lru_cache(maxsize=256)
def _insert_sql(
    table: str, key: tuple[str, ...], columns: tuple[str, ...], returning: tuple[str, ...], count: int
) -> str:
    """The statement for ``count`` rows. Names come from our schema, never from input."""
    row = f"({', '.join('?' * len(columns))})"
    return (
        f"INSERT INTO {table} ({_names(columns)}) VALUES {', '.join([row] * count)} "  # noqa: S608
        f"ON CONFLICT ({_names(key)}) DO NOTHING RETURNING {_names(returning)}"
    )


@lru_cache(maxsize=32)
def _count_sql(table: str, key: tuple[str, ...]) -> str:
    columns = (*key, "count", "max_confidence", "first_seen", "last_seen")
    return (
        f"INSERT INTO {table} ({_names(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608
        f"ON CONFLICT ({_names(key)}) DO UPDATE SET count = count + excluded.count, "
        "max_confidence = max(max_confidence, excluded.max_confidence), "
        "first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)"
    )


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
