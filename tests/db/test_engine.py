from __future__ import annotations

import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest

from decnet.db.engine import open_database, reading, writing
from decnet.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

ADD_SENSOR = "INSERT INTO sensor (name) VALUES ('a')"


def test_a_write_that_fails_leaves_nothing(database: Engine) -> None:
    with pytest.raises(RuntimeError), writing(database) as connection:
        connection.exec_driver_sql(ADD_SENSOR)
        raise RuntimeError
    with reading(database) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sensor").scalar_one() == 0


def test_foreign_keys_are_enforced(database: Engine) -> None:
    with pytest.raises(StorageError, match="FOREIGN KEY"), writing(database) as connection:
        connection.exec_driver_sql("INSERT INTO identity (uuid, campaign_id) VALUES (x'00', 99)")


def test_the_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'new' / 'decnet.sqlite'}").dispose()
    assert stat.S_IMODE((tmp_path / "new" / "decnet.sqlite").stat().st_mode) == 0o600


def test_a_second_writer_waits_for_the_first(database: Engine) -> None:
    done: list[str] = []

    def second() -> None:
        with writing(database) as connection:
            connection.exec_driver_sql(ADD_SENSOR)
        done.append("second")

    with writing(database) as connection:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        connection.exec_driver_sql("INSERT INTO sensor (name) VALUES ('b')")
        done.append("first")
    thread.join()
    assert done == ["first", "second"]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all" * 100)
    with pytest.raises(StorageError, match=r"notes\.txt.*not a database.*DECNET_DATA_DIR"):
        open_database(f"sqlite:///{path}")


def test_a_full_database_says_so_and_keeps_what_it_had(database: Engine) -> None:
    with writing(database) as connection:
        connection.exec_driver_sql(ADD_SENSOR)
    with pytest.raises(StorageError, match=r"full.*nothing of this batch was stored"), writing(database) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        for number in range(10_000):
            connection.exec_driver_sql("INSERT INTO sensor (name) VALUES (?)", (f"sensor-{number}",))
    with reading(database) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sensor").scalar_one() == 1


def test_a_server_url_is_refused_with_the_way_out() -> None:
    with pytest.raises(StorageError, match="only sqlite"):
        open_database("mysql+asyncmy://root@localhost/test")
