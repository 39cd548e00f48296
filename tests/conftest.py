"""What every test shares: an engine on a fresh SQLite file, and golden files that ``make golden`` rewrites."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.db.engine import open_database
from decnet.ttp.engine import RuleEngine
from decnet.ttp.store.filesystem import load_pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from decnet.db.engine import Database
    from decnet.ttp.pack import Pack

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = Path(__file__).parent / "cli"
CACHE = Path(__file__).parents[1] / "build" / "test-cache"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite golden files instead of comparing with them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Commands are processes, and browsers, servers and honeypots many: their tests get more time than a function's."""
    for item in items:
        if item.path.is_relative_to(COMMANDS) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60))


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
def _compiled_patterns() -> Iterator[None]:
    """Compiled patterns are kept in the checkout and not in the user's cache, and are there before the first test.

    Compiling takes seconds, on a busy machine many: it must not count as the time of whichever test comes first.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        patch.setenv("DECNET_WEB_LISTEN", "127.0.0.1:0")  # tests run beside each other
        RuleEngine(load_pack())
        yield


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database at the newest schema, in a real file."""
    database = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def pack() -> Pack:
    """The rules that ship."""
    return load_pack()
