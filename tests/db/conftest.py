"""Every test of the database runs on each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from decnet.db.engine import open_database
from tests.databases import BACKENDS, empty, ready_databases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from decnet.db.engine import Database


@pytest.fixture(scope="session")
def server_database() -> Iterator[Callable[[str], Database]]:
    """The database of a server, made when the first test asks for it."""
    with ready_databases() as get:
        yield get


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of the database under test."""
    return str(request.param)


@pytest.fixture
def database(backend: str, tmp_path: Path, server_database: Callable[[str], Database]) -> Iterator[Database]:
    """An empty database at the newest schema."""
    if backend == "sqlite":
        database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
        yield database
        database.close()
        return
    database = server_database(backend)
    yield database
    empty(database)
