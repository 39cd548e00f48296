"""Real databases for tests: a SQLite file, and a database of its own on MariaDB and PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from decnet.db.engine import Database, open_database, upgrade_database
from decnet.db.tables import campaign, epoch, identity, metadata
from tests.require import lacking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import URL
    from sqlalchemy.engine import Connection

BACKENDS = ("sqlite", "mariadb", "postgresql")
_SERVERS = {
    "mariadb": ("DECNET_TEST_MYSQL_URL", "mysql+asyncmy://root@127.0.0.1:3306/test"),
    "postgresql": ("DECNET_TEST_POSTGRES_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/test"),
}


@contextmanager
def empty_server_database(backend: str) -> Iterator[str]:
    """The URL of a new, empty database on a server; it is dropped at the end. A missing server ends the test."""
    name, default = _SERVERS[backend]
    url = make_url(os.environ.get(name, default))
    own = f"decnet_{secrets.token_hex(6)}"
    try:
        asyncio.run(_administer(url, f"CREATE DATABASE {own}"))
    except (OSError, DBAPIError) as error:
        lacking(backend, f"no server at {url.render_as_string()}: {error}")
    try:
        yield url.set(database=own).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if backend == "postgresql" else ""
        asyncio.run(_administer(url, f"DROP DATABASE {own}{force}"))


@contextmanager
def ready_database(backend: str) -> Iterator[Database]:
    """An empty database of a server at the newest schema."""
    with empty_server_database(backend) as url:
        upgrade_database(url)
        database = open_database(url)
        yield database
        database.close()


@contextmanager
def ready_databases() -> Iterator[Callable[[str], Database]]:
    """Gives the database of a server, made when it is asked for first; all are dropped at the end."""
    made: dict[str, Database] = {}
    with ExitStack() as stack:

        def get(backend: str) -> Database:
            if backend not in made:
                made[backend] = stack.enter_context(ready_database(backend))
            return made[backend]

        yield get


@contextmanager
def own_database(backend: str, folder: Path) -> Iterator[Database]:
    """An empty database that other processes can open too; SQLite's is a file in ``folder``."""
    if backend != "sqlite":
        with ready_database(backend) as database:
            yield database
        return
    database = open_database(f"sqlite:///{folder / 'decnet.sqlite'}")
    yield database
    database.close()


def empty(database: Database) -> None:
    """Delete every row, the schema stays."""

    def work(connection: Connection) -> None:
        for table in (campaign, identity):  # MariaDB checks each row as it goes, also against those that go as well
            connection.execute(table.update().values(merged_into_id=None))
        for table in reversed(metadata.sorted_tables):
            if table is not epoch:
                connection.execute(table.delete())

    database.write(work)


def rows(database: Database, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """What ``sql`` gives, values by ``:name``."""
    return database.read(lambda connection: [tuple(row) for row in connection.execute(text(sql), values)])


def run(database: Database, sql: str, **values: Any) -> None:
    """Do ``sql`` in a transaction of its own."""
    database.write(lambda connection: connection.execute(text(sql), values).close())


async def _administer(url: URL, sql: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(sql))
    finally:
        await engine.dispose()
