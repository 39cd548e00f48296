from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from decnet.db import migrations
from decnet.db.actors import Actors
from decnet.db.engine import Database, open_database, upgrade_database
from decnet.db.migrations import HEAD, current_version, downgrade, upgrade
from decnet.db.tables import metadata
from decnet.errors import StorageError
from decnet.intake.store import Intake
from tests.databases import empty_server_database, rows, run
from tests.events import NOON, a_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection


@pytest.fixture
def database(backend: str, tmp_path: Path) -> Iterator[Database]:
    """A database that a test may take apart."""
    if backend == "sqlite":
        database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
        yield database
        database.close()
        return
    with empty_server_database(backend) as url:
        upgrade_database(url)
        database = open_database(url)
        yield database
        database.close()


def schema(connection: Connection) -> dict[str, Any]:
    """Columns, keys, indexes and checks of each table as the database tells them; their order means nothing."""
    look = inspect(connection)
    return {
        name: {
            "columns": sorted(
                (c["name"], str(c["type"]), getattr(c["type"], "collation", None), c["nullable"])
                for c in look.get_columns(name)
            ),
            "key": look.get_pk_constraint(name)["constrained_columns"],
            "indexes": sorted((i["name"], i["column_names"], bool(i["unique"])) for i in look.get_indexes(name)),
            "foreign": sorted(
                (f["constrained_columns"], f["referred_table"], f["options"].get("ondelete"))
                for f in look.get_foreign_keys(name)
            ),
            "checks": sorted(c["name"] or "" for c in look.get_check_constraints(name)),
            "collation": look.get_table_options(name).get("mysql_collate"),
        }
        for name in look.get_table_names()
        if name != "alembic_version"
    }


def test_migrations_make_the_schema_of_the_tables(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        found: list[Any] = compare_metadata(MigrationContext.configure(connection), metadata)
        return found

    assert database.write(differences) == []


def test_migrated_and_declared_schemas_are_the_same(database: Database) -> None:
    def declared(connection: Connection) -> dict[str, Any]:
        downgrade(connection, "base")
        metadata.create_all(connection)
        return schema(connection)

    migrated = database.read(schema)
    assert database.write(declared) == migrated


@pytest.mark.timeout(60)
def test_going_down_and_up_again_leaves_the_same_schema(database: Database) -> None:
    before = database.read(schema)
    database.write(lambda connection: downgrade(connection, "base"))
    assert database.read(schema) == {}
    database.write(upgrade)
    assert database.read(schema) == before


@pytest.mark.timeout(60)
def test_sums_of_the_fleet_survive_the_way_down_and_up(database: Database) -> None:
    run(database, "INSERT INTO ttp VALUES (1, 'enterprise-19.2', 'TA0007', 'T1083', '')")
    columns = "hour, shard, ttp_id, band, count, max_confidence, first_seen, last_seen"
    run(
        database,
        f"INSERT INTO rollup_fleet_hour ({columns}) VALUES (7, 0, 1, 4, 2, 0.9, 5, 6), (7, 3, 1, 4, 1, 1, 1, 2)",
    )
    database.write(lambda connection: downgrade(connection, "0001"))
    database.write(upgrade)
    assert rows(database, f"SELECT {columns} FROM rollup_fleet_hour") == [(7, 0, 1, 4, 3, 1.0, 1, 6)]


@pytest.mark.timeout(60)
def test_sums_of_the_fleet_over_all_time_begin_with_those_of_its_days(database: Database) -> None:
    sums = "ttp_id, band, count, max_confidence, first_seen, last_seen"
    database.write(lambda connection: downgrade(connection, "0006"))
    run(
        database,
        f"INSERT INTO rollup_fleet_day (day, decky_id, source_kind, shard, {sums}) VALUES "
        "(7, 1, 'command', 0, 1, 4, 2, 0.9, 5, 6), (8, 1, 'command', 3, 1, 4, 1, 1, 15, 16)",
    )
    database.write(upgrade)
    assert rows(database, f"SELECT shard, {sums} FROM rollup_fleet") == [(0, 1, 4, 3, 1.0, 5, 16)]


@pytest.mark.timeout(60)
def test_hours_by_tactic_begin_with_those_by_technique(database: Database) -> None:
    database.write(lambda connection: downgrade(connection, "0016"))
    run(
        database,
        "INSERT INTO ttp VALUES (1, 'enterprise-19.2', 'TA0007', 'T1083', ''), "
        "(2, 'enterprise-19.2', 'TA0007', 'T1057', '')",
    )
    run(
        database,
        "INSERT INTO rollup_fleet_hour (hour, shard, ttp_id, band, count, max_confidence, first_seen, last_seen) "
        "VALUES (7, 0, 1, 4, 2, 0.9, 5, 6), (7, 3, 2, 4, 1, 1, 1, 2), (8, 0, 1, 4, 0, 1, 1, 2)",
    )
    database.write(upgrade)
    columns = "hour, tactic, shard, band, count, max_confidence, first_seen, last_seen"
    assert rows(database, f"SELECT {columns} FROM rollup_fleet_tactic") == [(7, "TA0007", 0, 4, 3, 1.0, 1, 6)]


@pytest.mark.timeout(60)
def test_findings_and_states_survive_the_way_down_and_up(database: Database) -> None:
    database.write(lambda connection: Intake(Actors()).store(connection, [a_command("id")]))
    ((number, attacker, uuid),) = rows(database, "SELECT id, attacker_id, uuid FROM session")
    finding = "observed_at, source_id, source_kind, revision, figures, attacker_id, session_id"
    run(
        database,
        f"INSERT INTO finding ({finding}) VALUES (:at, 'session1', 'session', 2, '{{}}', :attacker, :session)",
        at=NOON,
        attacker=attacker,
        session=number,
    )
    run(database, "INSERT INTO session_state VALUES (:session, 3, TRUE, :body)", session=number, body=b"open")
    run(
        database,
        "INSERT INTO intel_lookup (provider, attacker_id, wanted_at, tries, found_at, source_id) "
        "VALUES ('one', :attacker, 1, 0, :at, 'session1')",
        attacker=attacker,
        at=NOON,
    )
    shown = (
        f"SELECT {finding} FROM finding",
        "SELECT session_id, bus_partition, is_open, body FROM session_state",
        "SELECT found_at, source_id FROM intel_lookup",
    )
    before = [rows(database, sql) for sql in shown]
    database.write(lambda connection: downgrade(connection, "0019"))
    assert rows(database, "SELECT scope, state_key, body FROM attribution_state") == [(1, uuid, b"open")]
    database.write(upgrade)
    assert [rows(database, sql) for sql in shown] == before
    assert rows(database, "SELECT count(*) FROM attribution_state") == [(0,)]


def test_an_upgrade_leaves_nobody_waiting(database: Database) -> None:
    """Not who upgrades next over another connection, and not another database of the server."""
    lock = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory'"
    lock += " AND datname = current_database()"
    if database.url.get_backend_name() == "mysql":
        lock = f"SELECT count(IS_USED_LOCK({migrations._MARIADB_LOCK}))"
    database.write(lambda connection: downgrade(connection, "0012"))
    database.write(upgrade)
    assert database.is_embedded or rows(database, lock) == [(0,)]


def test_head_is_the_newest_file() -> None:
    files = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))
    assert files[-1].name.startswith(HEAD)


def test_a_newer_database_is_refused(database: Database) -> None:
    assert database.read(current_version) == HEAD
    run(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match=r"schema 9999.*update decnet-ttp"):
        open_database(database.url.render_as_string(hide_password=False))
