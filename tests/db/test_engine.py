from __future__ import annotations

import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from decnet.db.engine import open_database, upgrade_database
from decnet.db.migrations import HEAD
from decnet.errors import StorageError, StorageUnavailable
from tests.databases import empty_server_database, rows, run

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

ADD_SENSOR = "INSERT INTO sensor (name) VALUES ('a')"
COUNT_SENSORS = "SELECT count(*) FROM sensor"
sqlite_only = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
servers_only = pytest.mark.parametrize("backend", ["mariadb", "postgresql"], indirect=True)


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql(ADD_SENSOR)
        raise RuntimeError

    undone: list[bool] = []
    with pytest.raises(RuntimeError):
        database.write(work, lambda: undone.append(True))
    assert undone == [True]
    assert rows(database, COUNT_SENSORS) == [(0,)]


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(StorageError, match=r"(?i)foreign key"):
        run(database, "INSERT INTO identity (uuid, campaign_id) VALUES (:uuid, 99)", uuid=bytes(16))


def test_a_text_beyond_its_length_is_refused_or_kept_but_never_cut(database: Database) -> None:
    name = "x" * 300
    try:
        run(database, "INSERT INTO sensor (name) VALUES (:name)", name=name)
    except StorageError:
        assert rows(database, COUNT_SENSORS) == [(0,)]
    else:
        assert rows(database, "SELECT name FROM sensor") == [(name,)]


@pytest.mark.parametrize("other", ["A", "a ", "á", "ａ"])
def test_text_is_compared_byte_by_byte(database: Database, other: str) -> None:
    run(database, ADD_SENSOR)
    run(database, "INSERT INTO sensor (name) VALUES (:name)", name=other)
    assert rows(database, "SELECT name FROM sensor WHERE name = :name", name=other) == [(other,)]


def test_the_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'new' / 'decnet.sqlite'}").close()
    assert stat.S_IMODE((tmp_path / "new" / "decnet.sqlite").stat().st_mode) == 0o600


def test_two_threads_that_write_lose_nothing(database: Database) -> None:
    def add(first: int) -> None:
        for number in range(first, first + 20):
            run(database, "INSERT INTO sensor (name) VALUES (:name)", name=f"sensor-{number}")

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(database, COUNT_SENSORS) == [(60,)]


@sqlite_only
def test_a_writer_waits_for_another_program(database: Database, tmp_path: Path) -> None:
    other = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    done: list[str] = []

    def hold(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO sensor (name) VALUES ('b')")
        thread.start()
        time.sleep(0.05)
        done.append("first")

    def second() -> None:
        run(database, ADD_SENSOR)
        done.append("second")

    thread = threading.Thread(target=second)
    other.write(hold)
    thread.join()
    other.close()
    assert done == ["first", "second"]


def test_a_deadlock_is_met_by_doing_it_again(database: Database) -> None:
    holding: list[str] = []

    def cross(first: str, second: str) -> None:
        def work(connection: Connection) -> None:
            sql = text("UPDATE epoch SET value = value + 1 WHERE name = :name")
            connection.execute(sql, {"name": first})
            holding.append(first)
            while len(holding) < 2 and not database.is_embedded:
                connection.exec_driver_sql("SELECT 1")  # until the other one holds the other row
            connection.execute(sql, {"name": second})

        database.write(work)

    names = ("membership", "rule_floor")
    threads = [threading.Thread(target=cross, args=pair) for pair in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(holding) == (2 if database.is_embedded else 3)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all" * 100)
    with pytest.raises(StorageError, match=r"notes\.txt.*not a database.*DECNET_DATA_DIR"):
        open_database(f"sqlite:///{path}")


@sqlite_only
def test_a_full_database_says_so_and_keeps_what_it_had(database: Database) -> None:
    run(database, ADD_SENSOR)

    def fill(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        for number in range(10_000):
            connection.exec_driver_sql("INSERT INTO sensor (name) VALUES (?)", (f"sensor-{number}",))

    with pytest.raises(StorageUnavailable, match=r"full.*nothing of this batch was stored"):
        database.write(fill)
    assert rows(database, COUNT_SENSORS) == [(1,)]


@servers_only
def test_a_server_without_our_schema_names_the_command_that_makes_it(backend: str) -> None:
    with empty_server_database(backend) as url:
        with pytest.raises(StorageError, match=r"is empty.*decnet db upgrade"):
            open_database(url)
        done = upgrade_database(url)
        assert (done.before, done.after) == (None, HEAD)
        assert upgrade_database(url).before == HEAD
        open_database(url).close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no database address"),
        ("oracle://x/y", "no database address|not supported"),
        ("mysql+pymysql://root@localhost/test", "no database address|not supported"),
        ("postgresql://root@localhost/test", "not supported|no database address"),
    ],
)
def test_an_address_that_we_do_not_speak_is_refused_with_those_that_we_do(url: str, words: str) -> None:
    with pytest.raises(StorageError, match=words) as caught:
        open_database(url)
    assert "postgresql+asyncpg://" in str(caught.value)


def test_a_password_in_the_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decnet.db.engine.SERVER_PATIENCE_S", 0.1)
    with pytest.raises(StorageUnavailable) as caught:
        open_database("postgresql+asyncpg://user:geheim@127.0.0.1:1/none")
    assert "geheim" not in str(caught.value)
    assert "DECNET_DB_URL" in str(caught.value)
