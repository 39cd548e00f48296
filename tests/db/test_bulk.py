"""Many rows at once: whatever a database binds them with, each is stored whole or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from decnet.db.dialect import Merge, dialect_of
from decnet.db.engine import open_database
from decnet.db.tables import lease, ttp_rule_state
from decnet.errors import StorageError
from tests.databases import BACKENDS, rows, run

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

LEASE = ("name", "holder", "expires_at", "fence")
STATE = ("rule_id", "mode", "confidence_max", "expires_at", "reason", "set_by", "set_at", "number")


def add_leases(connection: Connection, *expires_at: int) -> None:
    leases = [(f"lease {number:04}", "me", at, number) for number, at in enumerate(expires_at)]
    dialect_of(connection).insert_missing(connection, lease, ("name",), LEASE, leases)


def test_rows_are_committed_when_they_are_all_that_a_transaction_does(database: Database) -> None:
    database.write(lambda connection: add_leases(connection, 5, 6))
    assert rows(database, "SELECT expires_at FROM lease ORDER BY name") == [(5,), (6,)]


def test_a_stored_row_keeps_what_it_has(database: Database) -> None:
    database.write(lambda connection: add_leases(connection, 5))
    database.write(lambda connection: add_leases(connection, 7, 8))
    assert rows(database, "SELECT expires_at FROM lease ORDER BY name") == [(5,), (8,)]


@pytest.mark.parametrize("number", [(1 << 63), (1 << 64) - 1, 1 << 70])
def test_an_integer_that_does_not_fit_is_refused_and_never_wrapped(database: Database, number: int) -> None:
    with pytest.raises((StorageError, OverflowError)):
        database.write(lambda connection: add_leases(connection, 5, number))
    assert rows(database, "SELECT count(*) FROM lease") == [(0,)]


def test_the_greatest_and_least_integers_are_stored(database: Database) -> None:
    database.write(lambda connection: add_leases(connection, -(1 << 63), (1 << 63) - 1))
    assert rows(database, "SELECT expires_at FROM lease ORDER BY name") == [(-(1 << 63),), ((1 << 63) - 1,)]


def test_values_of_several_types_and_nulls_in_one_column_are_stored(database: Database) -> None:
    confidences = [1, 0.5, None]
    states = [(f"R{place:04}", "clipped", value, None, "", "me", 1, 1) for place, value in enumerate(confidences)]
    sums = dict.fromkeys(STATE[1:], Merge.GIVEN)

    def merge(connection: Connection) -> None:
        dialect_of(connection).merge(connection, ttp_rule_state, ("rule_id",), sums, states)

    database.write(merge)
    database.write(merge)
    stored = rows(database, "SELECT confidence_max, expires_at FROM ttp_rule_state ORDER BY rule_id")
    assert stored == [(1, None), (0.5, None), (None, None)]


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_a_server_that_ends_a_connection_is_asked_again(database: Database, backend: str) -> None:
    own = "SELECT connection_id()" if backend == "mariadb" else "SELECT pg_backend_pid()"
    end = "KILL {}" if backend == "mariadb" else "SELECT pg_terminate_backend({})"
    other = open_database(database.url.render_as_string(hide_password=False))
    ended: list[int] = []

    def work(connection: Connection) -> None:
        number = connection.exec_driver_sql(own).scalar_one()
        if not ended:
            ended.append(number)
            run(other, end.format(number))
        add_leases(connection, 5, 6)

    try:
        database.write(work)
    finally:
        other.close()
    assert len(ended) == 1
    assert rows(database, "SELECT count(*) FROM lease") == [(2,)]
