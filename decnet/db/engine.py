"""Opening the database, and the two ways to use it: reading, and writing in one short transaction."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from decnet.db.migrations import upgrade
from decnet.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

WRITE_PATIENCE_S = 30.0
"""How long a writer waits for its turn before it says that the database is locked."""
_READ_TIMEOUT_MS = 2_000
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.005
_WRITE = "decnet_write"
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "cache_size=-16384",  # KiB
    "wal_autocheckpoint=4000",  # pages: a checkpoint syncs the disk, so it comes every 16 MB instead of every 4
)


def open_database(url: str) -> Engine:
    """An engine on the database at ``url``, brought to the newest schema; a missing SQLite file is made, owner-only.

    :raises StorageError: the database cannot be opened, or was written by a newer version.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise StorageError(
            f"DECNET_DB_URL {parsed.render_as_string()!r}: only sqlite:///… is supported by this version"
        )
    if parsed.database and parsed.database != ":memory:":
        _make_private_file(Path(parsed.database))
    engine = create_engine(url, connect_args={"timeout": 0, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    try:
        with writing(engine) as connection:
            upgrade(connection)
    except DBAPIError as error:
        raise storage_error(error, parsed.database or "memory") from error
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a write transaction: committed at the end, or rolled back whole.

    SQLite: ``BEGIN IMMEDIATE``, with our own short jittered retry; the driver's back-off waits up to a second, and a
    transaction that reads before it writes fails under contention.

    :raises StorageError: the disk is full, the database is locked for too long or damaged.
    """
    with engine.connect().execution_options(**{_WRITE: True}) as connection:
        try:
            _begin_patiently(connection)
            yield connection
            connection.commit()
        except DBAPIError as error:
            raise storage_error(error, str(engine.url.database)) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one consistent state of the database.

    :raises StorageError: the database cannot be read.
    """
    with engine.connect() as connection:
        try:
            yield connection
        except DBAPIError as error:
            raise storage_error(error, str(engine.url.database)) from error


def storage_error(error: DBAPIError, place: str) -> StorageError:
    """``error`` in words that name the database and the way out."""
    reason = str(error.orig)
    if "full" in reason or "disk I/O" in reason:
        return StorageError(f"{place}: {reason}; nothing of this batch was stored. Free some space and run again")
    if "locked" in reason:
        return StorageError(
            f"{place}: another program holds the database for over {WRITE_PATIENCE_S:.0f} s; stop it and run again"
        )
    if "unable to open" in reason or "readonly" in reason or "not a database" in reason:
        return StorageError(f"{place}: {reason}; check the file and its folder, or choose another with DECNET_DATA_DIR")
    return StorageError(f"{place}: {reason}")


def _make_private_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; choose another place with DECNET_DATA_DIR") from None


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql(f"PRAGMA busy_timeout={0 if write else _READ_TIMEOUT_MS}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _begin_patiently(connection: Connection) -> None:
    deadline = time.monotonic() + WRITE_PATIENCE_S
    while True:
        try:
            connection.begin()
        except DBAPIError as error:
            if not _is_busy(error.orig) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S))  # noqa: S311 - jitter, not a secret
        else:
            return


def _is_busy(error: Any) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
