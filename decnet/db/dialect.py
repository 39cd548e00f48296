"""Where SQLite, MariaDB and PostgreSQL differ: bulk statements, locks, and what their errors mean.

Bulk inserts report exactly the new rows and hide nothing: only a conflict on the named key is a no-op, any other
violation raises. A look-up before the insert would be a race; ``INSERT IGNORE`` would hide CHECK and foreign keys, and
cut strings. So the database itself says which rows it took:

* SQLite: ``INSERT … VALUES … ON CONFLICT (key) DO NOTHING`` row by row and, where not all of them were new, once more
  with ``RETURNING key``, 256 rows to a statement;
* PostgreSQL: many rows by COPY into the table itself, most often all of them are new; where one was not, COPY refuses
  all, and they go through a staging table into an ``INSERT … ON CONFLICT (key) DO NOTHING RETURNING key``. Few rows go
  there as one array per column, a single statement for any number of them;
* MariaDB: ``ON DUPLICATE KEY UPDATE write_id = write_id``, which says how many rows were stored before; where it was
  some but not all, rows that bear the number of this very write are new.

MariaDB takes its rows in bulk (see bulk.py), and as the text of a statement where it cannot.
"""

from __future__ import annotations

import random
import sqlite3
from abc import ABC, abstractmethod
from enum import Enum, auto
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Boolean, Double, Integer, LargeBinary, SmallInteger, Text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util.concurrency import await_

from decnet.db.bulk import NotBulk, insert_in_bulk
from decnet.db.waiting import at_once, beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

Row = tuple[Any, ...]

WRITE_ID = "write_id"
"""The column in which MariaDB keeps the number of the statement that inserted a row; empty elsewhere."""
_SQLITE_ROWS = 256  # past this the text of the statement costs more than another round
_MARIADB_ROWS = 1_000
_MARIADB_CHARACTERS = 2 << 20  # the server's packet is 16 MiB unless told; a character takes up to 4 bytes
_COPY_FROM_ROWS = 200  # below, the savepoint or the staging table costs more than COPY saves
_MET_STORED = "decnet.met_stored"


class Merge(Enum):
    """How a value joins the one that is stored."""

    ADD = auto()
    GREATEST = auto()
    LEAST = auto()
    GIVEN = auto()
    """The new value, unless it is NULL."""


class Fault(Enum):
    """What an error of the database means for whoever asked."""

    BUSY = auto()
    """Another writer of this file has its turn: ask again in milliseconds."""
    CONFLICT = auto()
    """Two transactions met, this one was rolled back: do it again."""
    GONE = auto()
    """The server is out of reach or starting: ask again in seconds."""
    FULL = auto()
    REFUSED = auto()
    """The statement or the data is at fault; asking again changes nothing."""


class Merged(NamedTuple):
    """Rows for :meth:`Dialect.merge_all`: ``key`` names their first columns, the others come after them."""

    table: Table
    key: Sequence[str]
    rows: Sequence[Row]


class Dialect(ABC):
    """One database's way. Rows are tuples in the order of ``columns``; keys within ``rows`` are there once only.

    Callers sort rows by key, so that two writers never wait for each other in a circle.
    """

    name: str

    @abstractmethod
    def insert_new(
        self,
        connection: Connection,
        table: Table,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Row],
        meanwhile: Callable[[], object] = at_once,
    ) -> set[Row]:
        """Insert ``rows``; returns the ``key`` values of those that are new. ``table`` has a :data:`WRITE_ID`.

        ``meanwhile`` is called, once at most, where a server works on the rows and we would only wait. It stays away
        from ``connection``.
        """

    @abstractmethod
    def insert_missing(
        self, connection: Connection, table: Table, key: Sequence[str], columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Insert those of ``rows`` whose key is not stored."""

    @abstractmethod
    def merge(
        self, connection: Connection, table: Table, key: Sequence[str], rules: Mapping[str, Merge], rows: Sequence[Row]
    ) -> None:
        """Insert ``rows`` (the key, then a value for each of ``rules``), or join them with what is stored."""

    def merge_all(self, connection: Connection, rules: Mapping[str, Merge], parts: Sequence[Merged]) -> None:
        """:meth:`merge` each of ``parts`` in their order."""
        for table, key, rows in parts:
            self.merge(connection, table, key, rules, rows)

    @abstractmethod
    def update(self, connection: Connection, table: Table, rules: Mapping[str, Merge], rows: Sequence[Row]) -> None:
        """Join ``rows`` (the ``id``, then a value for each of ``rules``) with stored rows, which must exist."""

    @abstractmethod
    def rows_with(self, connection: Connection, sql: str, values: Sequence[Any]) -> list[Row]:
        """The rows of ``sql``, in which ``IN ({places})`` stands for any of ``values``."""

    @abstractmethod
    def fault(self, error: BaseException) -> Fault | None:
        """What ``error`` means, or None when it is not the database's."""

    def lock(self, connection: Connection, table: Table, column: str, values: Sequence[Any]) -> None:
        """Hold the rows with these values, in order of their ``id``, until the transaction ends."""
        if values:
            sql = f"SELECT id FROM {table.name} WHERE {column} IN ({{places}}) ORDER BY id FOR UPDATE"  # noqa: S608
            self.rows_with(connection, sql, values)


class SQLite(Dialect):
    """One file, one writer at a time: whoever has begun to write holds everything."""

    name = "sqlite"

    def insert_new(
        self,
        connection: Connection,
        table: Table,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Row],
        meanwhile: Callable[[], object] = at_once,  # noqa: ARG002 - nothing is waited for
    ) -> set[Row]:
        """The driver asks for a row once the one before it is stored, or not: its count of changes then says which."""
        if not rows:
            return set()
        driver = self._driver(connection)
        added: list[Row] = []

        def asked_for() -> Iterator[Row]:
            changes = driver.total_changes
            for row in rows:
                yield row
                if (changes_now := driver.total_changes) != changes:
                    changes = changes_now
                    added.append(row)

        driver.executemany(self._insert_if_new(table, key, columns), asked_for())
        return _keys(key, columns, added)

    def insert_missing(
        self, connection: Connection, table: Table, key: Sequence[str], columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Row by row: as fast as hundreds of rows to a statement, whose texts fill the driver's memory of them."""
        if rows:
            self._driver(connection).executemany(self._insert_if_new(table, key, columns), rows)

    def _insert_if_new(self, table: Table, key: Sequence[str], columns: Sequence[str]) -> str:
        return _insert_values(table.name, tuple(columns), "?", 1, f"ON CONFLICT ({', '.join(key)}) DO NOTHING")

    def _driver(self, connection: Connection) -> Any:
        """What SQLAlchemy runs on, asked itself: its part in a dozen statements is a twentieth of a batch.

        Errors are the driver's own.
        """
        if not connection.in_transaction():
            connection.begin()
        return connection.connection.driver_connection

    def merge(
        self, connection: Connection, table: Table, key: Sequence[str], rules: Mapping[str, Merge], rows: Sequence[Row]
    ) -> None:
        if rows:
            joined = _joined(rules, table.name, "excluded.{}", "max", "min")
            end = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {joined}"
            sql = _insert_values(table.name, (*key, *rules), "?", 1, end)
            self._driver(connection).executemany(sql, rows)

    def update(self, connection: Connection, table: Table, rules: Mapping[str, Merge], rows: Sequence[Row]) -> None:
        if rows:
            sql = f"UPDATE {table.name} SET {_joined(rules, table.name, '?', 'max', 'min')} WHERE id = ?"  # noqa: S608
            connection.exec_driver_sql(sql, [(*row[1:], row[0]) for row in rows])

    def rows_with(self, connection: Connection, sql: str, values: Sequence[Any]) -> list[Row]:
        found: list[Row] = []
        for part in _parts(values, _SQLITE_ROWS):
            filled = _filled(part)
            places = ", ".join("?" * len(filled))
            with connection.exec_driver_sql(sql.replace("{places}", places), filled) as result:
                found += result.cursor.fetchall()
        return found

    def lock(self, connection: Connection, table: Table, column: str, values: Sequence[Any]) -> None:
        """A writer holds the whole file already."""

    def fault(self, error: BaseException) -> Fault | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, sqlite3.Error):
            return None
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            return Fault.BUSY
        if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
            return Fault.FULL
        return Fault.REFUSED


class MariaDB(Dialect):
    """MariaDB from 10.6 on: it tells text with a space at its end apart, and reads a JSON parameter as a table."""

    name = "mysql"
    _CONFLICTS = frozenset({1020, 1205, 1213})  # changed since read, lock wait time-out, deadlock
    _GONE = frozenset({1040, 1053, 1077, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
    _FULL = frozenset({1021, 1041, 1114})  # disk full, out of memory, table full

    def insert_new(
        self,
        connection: Connection,
        table: Table,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Row],
        meanwhile: Callable[[], object] = at_once,
    ) -> set[Row]:
        added: set[Row] = set()
        places = [columns.index(name) for name in key]
        number = random.getrandbits(63)
        for part in _packets(table, columns, rows):
            numbered = [(*row, number) for row in part]
            end = f"ON DUPLICATE KEY UPDATE {WRITE_ID} = {WRITE_ID}"
            known = self._insert(connection, table, (*columns, WRITE_ID), numbered, end, meanwhile)
            meanwhile = at_once
            if known == 0:
                added |= _keys(key, columns, part)
            elif known != len(part):
                added |= self._written(connection, table, key, [row[places[0]] for row in part], number)
        return added

    def insert_missing(
        self, connection: Connection, table: Table, key: Sequence[str], columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        for part in _packets(table, columns, rows):
            self._insert(connection, table, columns, part, f"ON DUPLICATE KEY UPDATE {key[0]} = {table.name}.{key[0]}")

    def merge(
        self, connection: Connection, table: Table, key: Sequence[str], rules: Mapping[str, Merge], rows: Sequence[Row]
    ) -> None:
        end = f"ON DUPLICATE KEY UPDATE {_joined(rules, table.name, 'VALUES({})', 'greatest', 'least')}"
        for part in _packets(table, (*key, *rules), rows):
            self._insert(connection, table, (*key, *rules), part, end)

    def update(self, connection: Connection, table: Table, rules: Mapping[str, Merge], rows: Sequence[Row]) -> None:
        if not rows:
            return
        columns = ", ".join(f"new_{name} BIGINT PATH '$[{number}]'" for number, name in enumerate(("id", *rules)))
        sql = (
            f"UPDATE {table.name} JOIN JSON_TABLE(%s, '$[*]' COLUMNS ({columns})) AS new "  # noqa: S608
            f"ON {table.name}.id = new_id SET {_joined(rules, table.name, 'new_{}', 'greatest', 'least')}"
        )
        connection.exec_driver_sql(sql, (msgspec.json.encode(rows).decode(),))

    def rows_with(self, connection: Connection, sql: str, values: Sequence[Any]) -> list[Row]:
        found: list[Row] = []
        for part in _parts(values, _MARIADB_ROWS):
            places = ", ".join(["%s"] * len(part))
            with connection.exec_driver_sql(sql.replace("{places}", places), tuple(part)) as result:
                found += map(tuple, result.cursor.fetchall())
        return found

    def _insert(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        rows: Sequence[Row],
        end: str,
        meanwhile: Callable[[], object] = at_once,
    ) -> int:
        """How many of ``rows`` had a stored key, -1 for unknown."""
        try:
            return insert_in_bulk(connection, table, columns, rows, end, meanwhile)
        except NotBulk:
            sql = _insert_values(table.name, tuple(columns), "%s", len(rows), end)
            connection.exec_driver_sql(sql, tuple(chain.from_iterable(rows)))
            return -1

    def _written(
        self, connection: Connection, table: Table, key: Sequence[str], first: Sequence[Any], number: int
    ) -> set[Row]:
        """The keys of the rows that were written under ``number``; ``first`` has the first part of each key."""
        sql = f"SELECT {', '.join(key)} FROM {table.name} WHERE {key[0]} IN ({{places}}) AND {WRITE_ID} = {number}"  # noqa: S608
        return set(self.rows_with(connection, sql, sorted(set(first))))

    def fault(self, error: BaseException) -> Fault | None:
        if isinstance(error, ConnectionError | TimeoutError):
            return Fault.GONE
        cause = error.orig if isinstance(error, DBAPIError) else error
        if cause is error and not type(error).__module__.startswith("asyncmy"):
            return None
        code = cause.args[0] if cause is not None and cause.args else 0
        if code in self._CONFLICTS:
            return Fault.CONFLICT
        if code in self._FULL:
            return Fault.FULL
        return Fault.GONE if code in self._GONE or _has_lost_connection(error) else Fault.REFUSED


class PostgreSQL(Dialect):
    """Statements take one array per column: one text, prepared once, for any number of rows."""

    name = "postgresql"
    _CONFLICTS = frozenset({"40001", "40P01", "55P03"})  # serialization, deadlock, lock not available
    _GONE = ("08", "57P")  # connection classes: broken, shut down, starting
    _FULL = ("53",)  # out of disk, memory, connections

    def insert_new(
        self,
        connection: Connection,
        table: Table,
        key: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Row],
        meanwhile: Callable[[], object] = at_once,
    ) -> set[Row]:
        """A batch that follows one of stored rows is not tried as all new: replays come in many batches."""
        if not rows:
            return set()
        are_many = len(rows) >= _COPY_FROM_ROWS
        if (
            are_many
            and not connection.info.get(_MET_STORED)
            and self._copied(connection, table, columns, rows, meanwhile)
        ):
            return _keys(key, columns, rows)
        source = self._staged if are_many else self._unnested
        select, values = source(connection, table, columns, rows)
        sql = (
            f"INSERT INTO {table.name} ({', '.join(columns)}) {select} "
            f"ON CONFLICT ({', '.join(key)}) DO NOTHING RETURNING {', '.join(key)}"
        )
        with connection.exec_driver_sql(sql, values) as result:
            added = set(map(tuple, result.cursor.fetchall()))
        if are_many:
            connection.info[_MET_STORED] = len(added) < len(rows)
        return added

    def _copied(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        rows: Sequence[Row],
        meanwhile: Callable[[], object],
    ) -> bool:
        """Whether no row was stored before, under any unique key; if so all of ``rows`` are now, else none."""
        from asyncpg.exceptions import UniqueViolationError

        connection.exec_driver_sql("SAVEPOINT all_new")
        driver: Any = connection.connection.driver_connection
        try:
            await_(beside(driver.copy_records_to_table(table.name, records=rows, columns=list(columns)), meanwhile))
        except UniqueViolationError:
            connection.exec_driver_sql("ROLLBACK TO all_new")
            connection.exec_driver_sql("RELEASE all_new")
            return False
        connection.exec_driver_sql("RELEASE all_new")
        return True

    def insert_missing(
        self, connection: Connection, table: Table, key: Sequence[str], columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        if rows:
            select, values = self._unnested(connection, table, columns, rows)
            end = f"ON CONFLICT ({', '.join(key)}) DO NOTHING"
            connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(columns)}) {select} {end}", values)

    def merge(
        self, connection: Connection, table: Table, key: Sequence[str], rules: Mapping[str, Merge], rows: Sequence[Row]
    ) -> None:
        self.merge_all(connection, rules, [Merged(table, key, rows)])

    def merge_all(self, connection: Connection, rules: Mapping[str, Merge], parts: Sequence[Merged]) -> None:
        """One statement for all of them: each costs a round trip and a place in the client's loop."""
        filled = [part for part in parts if part.rows]
        if filled:
            sql = _merges(tuple((part.table, tuple(part.key)) for part in filled), tuple(rules.items()))
            connection.exec_driver_sql(sql, tuple(chain.from_iterable(_columns(part.rows) for part in filled)))

    def update(self, connection: Connection, table: Table, rules: Mapping[str, Merge], rows: Sequence[Row]) -> None:
        if rows:
            columns = ("id", *rules)
            select, values = self._unnested(connection, table, columns, rows)
            joined = _joined(rules, table.name, "new.{}", "greatest", "least")
            source = f"FROM ({select}) AS new ({', '.join(columns)})"
            sql = f"UPDATE {table.name} SET {joined} {source} WHERE {table.name}.id = new.id"  # noqa: S608
            connection.exec_driver_sql(sql, values)

    def rows_with(self, connection: Connection, sql: str, values: Sequence[Any]) -> list[Row]:
        if not values:
            return []
        with connection.exec_driver_sql(sql.replace("IN ({places})", "= ANY($1)"), (list(values),)) as result:
            return list(map(tuple, result.cursor.fetchall()))

    def fault(self, error: BaseException) -> Fault | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        state = str(getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or "")
        if state in self._CONFLICTS:
            return Fault.CONFLICT
        if state.startswith(self._FULL):
            return Fault.FULL
        if state.startswith(self._GONE) or isinstance(cause, ConnectionError | TimeoutError):
            return Fault.GONE
        if isinstance(error, DBAPIError):
            return Fault.GONE if error.connection_invalidated else Fault.REFUSED
        if not type(error).__module__.startswith("asyncpg"):
            return None
        return (
            Fault.REFUSED if state or isinstance(error, ValueError) else Fault.GONE
        )  # from COPY, which is not wrapped

    def _unnested(
        self, _connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> tuple[str, tuple[Any, ...]]:
        """``rows`` as a SELECT over arrays, and the arrays."""
        return f"SELECT * FROM {_arrays(table, tuple(columns), 1)}", _columns(rows)  # noqa: S608

    def _staged(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> tuple[str, tuple[Any, ...]]:
        """``rows`` copied into a table of this connection alone, as a SELECT in their order."""
        stage = f"stage_{table.name}"
        kinds = ", ".join(
            f"{name} {kind}" for name, kind in zip(columns, _array_types(table, tuple(columns)), strict=True)
        )
        connection.exec_driver_sql(f"CREATE TEMP TABLE IF NOT EXISTS {stage} ({kinds}) ON COMMIT DELETE ROWS")
        driver: Any = connection.connection.driver_connection
        await_(driver.copy_records_to_table(stage, records=rows, columns=list(columns)))
        return f"SELECT {', '.join(columns)} FROM {stage}", ()  # noqa: S608


DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (SQLite(), MariaDB(), PostgreSQL())}


def dialect_of(connection: Connection) -> Dialect:
    """The dialect that ``connection`` speaks."""
    return DIALECTS[connection.dialect.name]


def _has_lost_connection(error: BaseException) -> bool:
    """Whether SQLAlchemy says so, or the driver where it was asked directly."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return type(error).__name__ == "InterfaceError"


@lru_cache(maxsize=512)
def _insert_values(table: str, columns: tuple[str, ...], place: str, count: int, end: str) -> str:
    """The statement for ``count`` rows. Names come from our schema, never from input."""
    row = f"({', '.join([place] * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * count)} {end}"  # noqa: S608


def _joined(rules: Mapping[str, Merge], table: str, new: str, greatest: str, least: str) -> str:
    """The SET clause by which new values (``new`` with the column's name) join stored ones."""
    clauses = []
    for name, rule in rules.items():
        stored, value = f"{table}.{name}", new.format(name)
        joined = {
            Merge.ADD: f"{stored} + {value}",
            Merge.GREATEST: f"{greatest}({stored}, {value})",
            Merge.LEAST: f"{least}({stored}, {value})",
            Merge.GIVEN: f"coalesce({value}, {stored})",
        }[rule]
        clauses.append(f"{name} = {joined}")
    return ", ".join(clauses)


@lru_cache(maxsize=64)
def _array_types(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    """PostgreSQL's type of each column; text without its length, because a cast to a length cuts in silence."""
    return tuple(_array_type(table.c[name].type) for name in columns)


def _array_type(column: object) -> str:
    kinds = {BigInteger: "bigint", SmallInteger: "smallint", Integer: "integer", LargeBinary: "bytea"}
    kinds |= {Double: "float8", Boolean: "boolean"}
    return next((name for kind, name in kinds.items() if isinstance(column, kind)), "text")


def _arrays(table: Table, columns: tuple[str, ...], first: int) -> str:
    """A table of PostgreSQL's over one array per column, the parameters from number ``first`` on."""
    kinds = enumerate(_array_types(table, columns), first)
    return f"unnest({', '.join(f'${number}::{kind}[]' for number, kind in kinds)})"


def _columns(rows: Sequence[Row]) -> tuple[list[Any], ...]:
    return tuple(map(list, zip(*rows, strict=True)))


@lru_cache(maxsize=64)
def _merges(parts: tuple[tuple[Table, tuple[str, ...]], ...], rules: tuple[tuple[str, Merge], ...]) -> str:
    """PostgreSQL's statement that merges rows into each table, its columns given as arrays, one table after another.

    PostgreSQL may write the tables of one statement in any order, and then writers could wait in a circle; so each
    asks how many rows the one before it has written.
    """
    merges: list[str] = []
    first = 1
    for table, key in parts:
        columns = (*key, *(name for name, _ in rules))
        after = f" WHERE (SELECT count(*) FROM merge_{len(merges) - 1}) >= 0" if merges else ""  # noqa: S608 - our names
        joined = _joined(dict(rules), table.name, "excluded.{}", "greatest", "least")
        merges.append(
            f"merge_{len(merges)} AS (INSERT INTO {table.name} ({', '.join(columns)}) "  # noqa: S608
            f"SELECT * FROM {_arrays(table, columns, first)}{after} "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {joined} RETURNING 1)"
        )
        first += len(columns)
    return f"WITH {', '.join(merges)} SELECT count(*) FROM merge_{len(merges) - 1}"  # noqa: S608


def _filled(values: Sequence[Any]) -> tuple[Any, ...]:
    """``values`` up to a power of two, the last one repeated: few different statements are prepared."""
    places = 1 << (len(values) - 1).bit_length()
    return (*values, *[values[-1]] * (places - len(values)))


def _keys(key: Sequence[str], columns: Sequence[str], rows: Sequence[Row]) -> set[Row]:
    """The ``key`` values of ``rows``."""
    return set(zip(*(map(itemgetter(columns.index(name)), rows) for name in key), strict=True))


def _parts(rows: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    """``rows`` in pieces of up to ``most`` rows."""
    for start in range(0, len(rows), most):
        yield rows[start : start + most]


def _packets(table: Table, columns: Sequence[str], rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """``rows`` in pieces that fit one packet of MariaDB's; only columns of unlimited length are weighed."""
    long = [place for place, name in enumerate(columns) if isinstance(table.c[name].type, Text)]
    if (
        0 < len(rows) <= _MARIADB_ROWS
        and sum([len(row[at] or "") for at in long for row in rows]) <= _MARIADB_CHARACTERS
    ):
        yield rows
        return
    start = size = 0
    for end, row in enumerate(rows):
        grown = sum([len(row[place] or "") for place in long])
        if end - start == _MARIADB_ROWS or (end > start and size + grown > _MARIADB_CHARACTERS):
            yield rows[start:end]
            start, size = end, 0
        size += grown
    if start < len(rows):
        yield rows[start:]
