"""MariaDB's bulk execution: a statement is prepared once, and all its rows are bound in binary form in one packet.

Rows that are written into the text of a statement cost three times the time of both sides: the driver spells every
value, the server parses it again. Values that are bound cannot be taken for SQL either. The command is
COM_STMT_BULK_EXECUTE (https://mariadb.com/kb/en/com_stmt_bulk_execute/); SQLAlchemy does not know it, so the driver is
asked for it. Errors come as the driver's own, not wrapped in SQLAlchemy's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Integer
from sqlalchemy.util.concurrency import await_

from decnet.db.waiting import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

Row = tuple[Any, ...]

_STATEMENTS = "decnet.statements"
_GREATEST_INTEGER = (1 << 63) - 1
_ANSWER = re.compile(rb"Records: ([0-9]+)  Duplicates: ([0-9]+)  Warnings: 0")
"""What the server says of an insert of many rows, https://mariadb.com/kb/en/mysql_info/. Stored rows that keep what
they have count as duplicates because SQLAlchemy connects with CLIENT_FOUND_ROWS."""


class NotBulk(Exception):
    """These rows cannot be bound in bulk, or the server (a proxy before it) does not know how; nothing was sent."""


def insert_in_bulk(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Row],
    end: str,
    meanwhile: Callable[[], object],
) -> int:
    """Insert ``rows`` with what ``end`` says of stored keys; returns how many of them had a stored key, -1 for unknown.

    A column that is NULL in every row is left to its default, which is NULL for every column that may be.
    ``meanwhile`` is called once the server has the rows.

    :raises NotBulk: the rows must be written in another way; nothing was sent.
    """
    if not connection.in_transaction():
        connection.begin()  # a commit is sent only where SQLAlchemy knows of a transaction
    used = [place for place in range(len(columns)) if rows[0][place] is not None or _has_value(rows, place)]
    names = [columns[place] for place in used]
    bound = rows if len(used) == len(columns) else list(map(itemgetter(*used), rows))
    _refuse_great_integers(table, tuple(names), bound)
    answer = _ANSWER.search(_execute(connection, _statement(table.name, tuple(names), end), bound, meanwhile))
    if answer is None or int(answer[1]) != len(rows):
        return -1
    return int(answer[2])


def _has_value(rows: Sequence[Row], place: int) -> bool:
    return any(row[place] is not None for row in rows)


def _execute(connection: Connection, sql: str, rows: Sequence[Row], meanwhile: Callable[[], object]) -> bytes:
    """What the server says once it has taken ``rows``; the statement stays prepared for as long as the connection."""
    from asyncmy.errors import NotSupportedError

    statements = connection.info.setdefault(_STATEMENTS, {})
    statement = statements.get(sql)
    if statement is None:
        driver: Any = connection.connection.driver_connection
        statement = statements[sql] = await_(driver.prepare(sql))
    try:
        return await_(beside(statement.execute_bulk(rows), meanwhile)).message or b""
    except (NotSupportedError, ValueError) as error:  # the driver packs everything before it sends
        raise NotBulk from error


def _refuse_great_integers(table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """The driver packs integers up to 64 bits, and the server takes the last of them for a sign."""
    for place in _integer_places(table, columns):
        if max([row[place] or 0 for row in rows]) > _GREATEST_INTEGER:
            raise NotBulk


@lru_cache(maxsize=64)
def _integer_places(table: Table, columns: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(place for place, name in enumerate(columns) if isinstance(table.c[name].type, BigInteger | Integer))


@lru_cache(maxsize=512)
def _statement(table: str, columns: tuple[str, ...], end: str) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) {end}"  # noqa: S608 - names of our schema
