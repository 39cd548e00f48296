from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from decnet.db import migrations
from decnet.db.engine import open_database, writing
from decnet.db.migrations import HEAD, current_version, downgrade, upgrade
from decnet.db.tables import metadata
from decnet.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine


def definitions(connection: Connection) -> dict[str, list[str]]:
    """The clauses of each table and index as SQLite keeps them; their order within a table means nothing."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    texts = {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}
    return {name: sorted(part.strip(" )") for part in text.split(",")) for name, text in texts.items()}


def test_migrations_make_the_schema_of_the_tables(database: Engine) -> None:
    with writing(database) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrated_and_declared_definitions_are_the_same_text(database: Engine) -> None:
    with writing(database) as connection:
        migrated = definitions(connection)
        downgrade(connection, "base")
        metadata.create_all(connection)
        assert definitions(connection) == migrated


def test_going_down_and_up_again_leaves_the_same_schema(database: Engine) -> None:
    with writing(database) as connection:
        before = definitions(connection)
        downgrade(connection, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
        upgrade(connection)
        assert definitions(connection) == before


def test_head_is_the_newest_file() -> None:
    files = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))
    assert files[-1].name.startswith(HEAD)


def test_a_newer_database_is_refused(database: Engine) -> None:
    with writing(database) as connection:
        assert current_version(connection) == HEAD
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match=r"schema 9999.*update decnet-ttp"):
        open_database(str(database.url))
