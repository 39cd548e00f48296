"""Opening the database, and the two ways to use it: reading, and writing in one short transaction.

The rest of the program is synchronous towards the database: it hands over a function of a connection. SQLite runs it
in the caller's thread. MariaDB and PostgreSQL have asynchronous drivers: their connections live on one event loop in a
thread of their own, on which the function runs.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from decnet.db.dialect import DIALECTS, Fault
from decnet.db.migrations import HEAD, current_version, refuse_newer, upgrade
from decnet.errors import StorageError, StorageUnavailable
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sqlalchemy.engine import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long a locked file is waited for before it is reported."""
SERVER_PATIENCE_S = 90.0
"""How long a server that went away is waited for before it is reported."""
_CONFLICTS = 20
_READ_TIMEOUT_S = 2.0
_ASKED_AGAIN_S = 1.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.005
_LONGEST_SERVER_PAUSE_S = 2.0
_CONNECT_TIMEOUT_S = 10
_POOL = 8
_PRAGMAS = (
    "page_size=8192",  # of a new file; a tenth less to store than with half as much
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "cache_size=-16384",  # KiB; twice as much saves nothing more
    "wal_autocheckpoint=8000",  # pages: a checkpoint syncs the disk, so it comes every 64 MB instead of every 8
)
_MARIADB_START = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 10"
_OLDEST_MARIADB = (10, 6)
_URLS = "sqlite:///…, mysql+asyncmy://user@host/name or postgresql+asyncpg://user@host/name"

_log = logger(__name__)


class Database:
    """One database. Functions given to it may run more than once, so all that they do must be undone by a roll-back.

    Safe to share between threads, not between processes.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.place = url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string()
        self._dialect = DIALECTS[url.get_backend_name()]
        self._driver: _Driver = _File(url) if self.is_embedded else _Server(url)
        self._before_reading: Callable[[], None] = _at_once

    @property
    def is_embedded(self) -> bool:
        """Whether this is one SQLite file of this host."""
        return self.url.get_backend_name() == "sqlite"

    def write(self, work: Callable[[Connection], T], undone: Callable[[], None] | None = None) -> T:
        """What ``work`` returns from within a transaction that is then committed; an exception rolls it back whole.

        A deadlock, a busy file and a server that went away are met by trying again; ``undone`` is called after every
        roll-back of what ``work`` had begun, to forget what was learnt in it. A server that dies during the commit
        leaves open whether it took the transaction: ``work`` runs again and must find its own rows.

        :raises StorageUnavailable: full, locked or out of reach for longer than we wait.
        :raises StorageError: the database refused a statement or a value.
        """
        return self._patiently(self._driver.write, work, undone)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns; SQLite shows it one consistent state of the database.

        :raises StorageUnavailable: out of reach for longer than we wait.
        :raises StorageError: the database cannot be read.
        """
        self._before_reading()
        return self._patiently(self._driver.read, work, None)

    def peek(self, work: Callable[[Connection], T]) -> T:
        """As :meth:`read`, but at once: what others are about to store may be missing.

        :raises StorageError: as :meth:`read`.
        """
        return self._patiently(self._driver.read, work, None)

    def wait_before_reading(self, wait: Callable[[], None]) -> None:
        """From now on every read begins once ``wait`` has returned: what it is to see is stored by others."""
        self._before_reading = wait

    def let_go(self) -> None:
        """No connection to the SQLite file is open until the next use: none survives a copy of this process."""
        self._driver.close()

    def close(self) -> None:
        """Give back every connection."""
        self._driver.close()

    def _patiently(
        self,
        run: Callable[[Callable[[Connection], T]], T],
        work: Callable[[Connection], T],
        undone: Callable[[], None] | None,
    ) -> T:
        started, tries = time.monotonic(), 0
        has_begun = False

        def begun(connection: Connection) -> T:
            nonlocal has_begun
            has_begun = True
            return work(connection)

        while True:
            try:
                return run(begun)
            except BaseException as error:
                if undone is not None and has_begun:  # a busy file is told of before anything was learnt
                    undone()
                has_begun = False
                fault = self._dialect.fault(error)
                if fault is None:
                    raise
                tries += 1
                pause = _pause(fault, tries, time.monotonic() - started)
                if pause is None:
                    raise _storage_error(fault, error, self.place) from error
                if fault is Fault.GONE and tries == 1:
                    _log.warning("%s is out of reach; waiting for it", self.place)
            time.sleep(pause)


def open_database(url: str) -> Database:
    """The database at ``url``, ready for use.

    A missing SQLite file is made, owner-only, and an older schema is brought up to date; a server is only looked at,
    because several hosts share it: ``decnet db upgrade`` changes its schema.

    :raises StorageError: the database cannot be opened, or its schema is not of this version.
    """
    database = _connect(url)
    try:
        if database.is_embedded:
            database.write(upgrade)
        else:
            _refuse_other_schema(database)
    except BaseException:
        database.close()
        raise
    return database


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Schema versions of a database (``place``, without password) before and after; None for an empty one."""

    place: str
    before: str | None
    after: str


def upgrade_database(url: str) -> Upgraded:
    """Bring the schema at ``url`` to the newest version.

    :raises StorageError: the database cannot be opened, or was written by a newer version.
    """
    database = _connect(url)
    try:
        before = database.read(current_version)
        database.write(upgrade)
        return Upgraded(database.place, before, HEAD)
    finally:
        database.close()


def _refuse_other_schema(database: Database) -> None:
    found = database.read(current_version)
    refuse_newer(found)
    if found != HEAD:
        state = f"has schema {found}" if found else "is empty"
        raise StorageError(f"{database.place} {state}, this program needs {HEAD}; run decnet db upgrade")


class _Driver(Protocol):
    def write(self, work: Callable[[Connection], T]) -> T: ...
    def read(self, work: Callable[[Connection], T]) -> T: ...
    def close(self) -> None: ...


class _File:
    """SQLite: one connection writes at a time in this process, others read beside it.

    Write transactions begin with ``BEGIN IMMEDIATE``: a transaction that reads before it writes fails under contention,
    and the driver's own back-off waits up to a second.
    """

    def __init__(self, url: URL) -> None:
        _make_private_file(Path(url.database or ""))
        self._writer = _sqlite_engine(url, _begin_to_write, timeout_s=0)
        self._reader = _sqlite_engine(url, _begin_to_read, timeout_s=_READ_TIMEOUT_S)
        self._turn = threading.Lock()

    def write(self, work: Callable[[Connection], T]) -> T:
        with self._turn:
            return _in_transaction(self._writer, work)

    def read(self, work: Callable[[Connection], T]) -> T:
        return _in_transaction(self._reader, work)

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()


class _Server:
    """MariaDB or PostgreSQL: a pool of connections on an event loop in a thread of its own."""

    def __init__(self, url: URL) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="decnet-db", daemon=True)
        self._thread.start()
        self._engine = _server_engine(url)

    def write(self, work: Callable[[Connection], T]) -> T:
        return self._run(self._transaction(work))

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._run(self._transaction(work))

    def close(self) -> None:
        self._run(self._disposed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            connection = await self._engine.connect()
        except OSError as error:
            raise ConnectionError(str(error)) from error  # so that it is told from an OSError of ``work``
        try:
            answer = await connection.run_sync(work)
            await self._commit(connection)
            return answer
        finally:
            await connection.close()  # rolls back what was not committed

    async def _commit(self, connection: AsyncConnection) -> None:
        try:
            await connection.commit()
        except BaseException:
            await connection.invalidate()  # nobody knows what it holds, and the pool does not roll it back
            raise

    async def _disposed(self) -> None:
        await self._engine.dispose()
        await asyncio.sleep(0)  # asyncmy leaves the closing of its sockets to the next turn of the loop

    def _run(self, job: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(job, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupted caller leaves no transaction behind
            raise


def _at_once() -> None:
    """Nothing is waited for."""


def _connect(url: str) -> Database:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "mariadb":
            parsed = parsed.set(drivername=parsed.drivername.replace("mariadb", "mysql", 1))
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError):
        raise StorageError(f"DECNET_DB_URL is no database address; write {_URLS}") from None
    if parsed.drivername not in {"sqlite", "mysql+asyncmy", "postgresql+asyncpg"}:
        raise StorageError(f"DECNET_DB_URL {parsed.render_as_string()!r} is not supported; write {_URLS}")
    return Database(parsed)


def _server_engine(url: URL) -> AsyncEngine:
    from sqlalchemy.ext.asyncio import create_async_engine

    for name in ("sqlalchemy.pool", "asyncmy"):  # what they tell of lost connections, we tell once and in words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Nothing comes back to the pool with a transaction open, so a ROLLBACK to make sure would be a trip for nothing.
    options: dict[str, Any] = {
        "pool_size": _POOL,
        "pool_reset_on_return": None,
        "isolation_level": "READ COMMITTED",
    }
    if url.get_backend_name() == "mysql":
        start = {"charset": "utf8mb4", "init_command": _MARIADB_START, "connect_timeout": _CONNECT_TIMEOUT_S}
        engine = create_async_engine(url, connect_args=start, **options)
        event.listen(engine.sync_engine, "first_connect", _refuse_other_servers, insert=False)
        return engine
    start = {"timeout": _CONNECT_TIMEOUT_S, "server_settings": {"application_name": "decnet", "jit": "off"}}
    return create_async_engine(url, connect_args=start, **options)


def _refuse_other_servers(connection: Any, _record: object) -> None:
    """Refuse MySQL and old MariaDB by name, before a statement fails in words of its own."""
    cursor = connection.cursor()
    cursor.execute("SELECT version()")
    version = str(cursor.fetchone()[0])
    cursor.close()
    numbers = tuple(int(part) for part in version.partition("-")[0].split(".")[:2])
    if "MariaDB" not in version or numbers < _OLDEST_MARIADB:
        raise StorageError(f"the server at DECNET_DB_URL is {version}; MariaDB 10.6 or newer is needed")


def _in_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.connect() as connection, connection.begin():
        return work(connection)


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


def _begin_to_read(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_to_write(connection: Connection) -> None:
    """Take the file, or ask again every few milliseconds for a while, of the driver: its answer costs a tenth."""
    driver: Any = connection.connection.driver_connection
    until = time.monotonic() + _ASKED_AGAIN_S
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
        else:
            return
        time.sleep(random.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S))  # noqa: S311 - jitter, not a secret


def _sqlite_engine(url: URL, begin: Callable[[Connection], None], *, timeout_s: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": timeout_s, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", begin)
    return engine


def _pause(fault: Fault, tries: int, waited_s: float) -> float | None:
    """How long to wait before the next try, in seconds; None when it is time to give up."""
    jittered = random.uniform(_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)  # noqa: S311 - jitter, not a secret
    if fault is Fault.BUSY and waited_s < PATIENCE_S:
        return jittered
    if fault is Fault.CONFLICT and tries < _CONFLICTS:
        return jittered * tries
    if fault is Fault.GONE and waited_s < SERVER_PATIENCE_S:
        return min(_LONGEST_SERVER_PAUSE_S, 0.05 * float(2 ** min(tries, 10)))
    return None


def _storage_error(fault: Fault, error: BaseException, place: str) -> StorageError:
    """``error`` in words that name the database and the way out."""
    reason = str(getattr(error, "orig", None) or error) or type(error).__name__
    if fault is Fault.FULL:
        return StorageUnavailable(f"{place}: {reason}; nothing of this batch was stored. Free some space and run again")
    if fault is Fault.BUSY:
        return StorageUnavailable(
            f"{place}: another program holds the database for over {PATIENCE_S:.0f} s; stop it and run again"
        )
    if fault is Fault.GONE:
        return StorageUnavailable(f"{place}: {reason}; check that the server runs and DECNET_DB_URL is right")
    if fault is Fault.CONFLICT:
        return StorageUnavailable(f"{place}: {reason}, {_CONFLICTS} times in a row; run again with fewer writers")
    if "unable to open" in reason or "readonly" in reason or "not a database" in reason:
        return StorageError(f"{place}: {reason}; check the file and its folder, or choose another with DECNET_DATA_DIR")
    return StorageError(f"{place}: {reason}")
