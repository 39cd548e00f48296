"""What every test shares: an engine on a fresh SQLite file, and golden files that ``make golden`` rewrites."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.db.engine import open_database
from decnet.ttp.store.filesystem import load_pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Engine

    from decnet.ttp.pack import Pack

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite golden files instead of comparing with them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Holds text to ``tests/golden/<name>``."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        assert path.read_text("utf-8") == text

    return check


@pytest.fixture(scope="session", autouse=True)
def _own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled patterns are kept for the length of the run, and not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    """An empty database at the newest schema, in a real file."""
    engine = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def pack() -> Pack:
    """The rules that ship."""
    return load_pack()
