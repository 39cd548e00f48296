"""The API over a real database with the recorded attack in it, served on a socket and asked by a client."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from decnet.cli.opening import open_installation
from decnet.cli.tagging import open_direct
from decnet.cli.web import web_place
from decnet.web.app import make_app
from decnet.web.routes.accounts import make_account, make_key
from decnet.web.server import serve_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from decnet.models.access import Role, Scope
    from decnet.web.place import WebPlace

RECORDING = str(Path(__file__).parents[2] / "demo" / "cowrie.json")
PASSWORD = "a long password"
PATH = "/api/v1"
PATIENCE_S = 15.0
"""A machine under test is a busy one."""
_ACCOUNTS: dict[str, Role] = {"admin": "admin", "viewer": "viewer"}


@pytest.fixture(scope="session")
def unused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two accounts and nothing else; to be copied, never written."""
    folder = tmp_path_factory.mktemp("unused")
    with open_installation(folder) as installation:
        for name, role in _ACCOUNTS.items():
            make_account(installation.database, name, role, PASSWORD, actor="test", now=1)
    return folder


@pytest.fixture(scope="session")
def recorded(unused: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the recorded attack, tagged."""
    folder = shutil.copytree(unused, tmp_path_factory.mktemp("recorded") / "data")
    with open_direct(data_dir=folder) as run:
        run.read(RECORDING)
    return folder


@dataclass
class Api:
    """A running API, an address to ask it at, and a client that has no key."""

    place: WebPlace
    url: str
    client: httpx.Client

    def key(self, scope: Scope) -> str:
        """A new key of that scope."""
        return make_key(self.place.database, f"a {scope}", scope, actor="test", now=self.place.clock()).key

    def as_(self, scope: Scope) -> httpx.Client:
        """A client that sends a key of that scope."""
        return self.asking(self.key(scope))

    def asking(self, token: str) -> httpx.Client:
        """A client that sends ``token``."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[WebPlace, str]]:
    """The API of the installation in ``folder``, and its address."""
    stop = asyncio.Event()
    listening: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
    with open_installation(folder) as installation:
        async with web_place(installation, stop) as place:
            serving = asyncio.create_task(serve_app(make_app(place), "127.0.0.1", 0, stop, listening))
            host, port = await listening
            yield place, f"http://{host}:{port}{PATH}"
            stop.set()
            await serving


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    """A copy of the recorded data of the test's own."""
    return shutil.copytree(recorded, tmp_path / "data")


@pytest.fixture
def api(folder: Path) -> Iterator[Api]:
    yield from _api(folder)


@pytest.fixture
def empty_api(unused: Path, tmp_path: Path) -> Iterator[Api]:
    """The API of an installation that has seen nothing yet."""
    yield from _api(shutil.copytree(unused, tmp_path / "data"))


def _api(folder: Path) -> Iterator[Api]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served(folder)) as (place, url),
        httpx.Client(base_url=url, timeout=PATIENCE_S) as client,
    ):
        yield Api(place, url, client)


@pytest.fixture
def viewer(api: Api) -> Iterator[httpx.Client]:
    with api.as_("viewer") as client:
        yield client


@pytest.fixture
def admin(api: Api) -> Iterator[httpx.Client]:
    with api.as_("admin") as client:
        yield client
