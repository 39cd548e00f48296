"""Schema versions, through Alembic; a database that is up to date never loads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from decnet.errors import StorageError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection

HEAD = "0021"
"""The newest schema version; a test holds it to the files in ``versions/``."""
_MARIADB_LOCK = "CONCAT('decnet schema ', MD5(DATABASE()))"  # such names are those of the whole server


def upgrade(connection: Connection) -> None:
    """Bring the schema to :data:`HEAD` within the caller's transaction; two who come together do it once.

    MariaDB commits each change of the schema by itself: an upgrade that was cut off goes on where it stopped.

    :raises StorageError: the database was written by a version of ours that knows more than this one.
    """
    if current_version(connection) == HEAD:
        return
    _wait_for_turn(connection)
    try:
        found = current_version(connection)
        refuse_newer(found)
        if found != HEAD:
            from alembic import command

            command.upgrade(configuration(connection), HEAD)
    finally:
        _end_turn(connection)


def refuse_newer(found: str | None) -> None:
    """Nothing, unless the schema ``found`` is of a later version than this program.

    :raises StorageError: it is.
    """
    if found is not None and found > HEAD:
        raise StorageError(f"the database has schema {found}, this program knows up to {HEAD}; update decnet-ttp")


def _wait_for_turn(connection: Connection) -> None:
    """Hold the right to change the schema of this database; SQLite's writer has it already."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('decnet schema'))")
    elif connection.dialect.name == "mysql":
        connection.exec_driver_sql(f"SELECT GET_LOCK({_MARIADB_LOCK}, 60)").scalar_one()


def _end_turn(connection: Connection) -> None:
    """Give it back where the end of the transaction does not: a pool would keep it with the connection."""
    if connection.dialect.name == "mysql":
        connection.exec_driver_sql("COMMIT")  # the version, before anybody else looks at it
        connection.exec_driver_sql(f"SELECT RELEASE_LOCK({_MARIADB_LOCK})").scalar_one()


def downgrade(connection: Connection, version: str) -> None:
    """Take the schema back to ``version`` (``base`` for nothing) within the caller's transaction; data goes with it."""
    from alembic import command

    command.downgrade(configuration(connection), version)


def current_version(connection: Connection) -> str | None:
    """The schema version of the database, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    return str(found) if found is not None else None


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for one run on ``connection``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
