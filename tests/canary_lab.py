"""A canary decoy of a test's own, on a free port of loopback, and what it stores."""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from decnet.db.artifacts import FileArtifacts
from decnet.db.canaries import add_token
from decnet.db.engine import open_database
from decnet.decoys.canary.decoy import CanaryDecoy
from decnet.models.canary import SLUG_BYTES, CanaryToken
from decnet.models.secret import secret_digest
from tests.databases import rows
from tests.events import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from decnet.db.engine import Database
    from decnet.models.canary import TokenKind

KEY = b"k" * 32
PATIENCE_S = 20.0
_EVENTS = """
SELECT event.source_kind, event.payload, attacker.address, session.uuid FROM event
JOIN session ON session.id = event.session_id JOIN attacker ON attacker.id = session.attacker_id
ORDER BY event.observed_at, session.id, event.seq"""


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class StoredEvent(NamedTuple):
    kind: str
    payload: dict[str, Any]
    source: str
    session: bytes


def a_token(database: Database, kind: TokenKind, target: str = "") -> CanaryToken:
    """New bait in ``database``."""
    token = CanaryToken(secrets.token_urlsafe(SLUG_BYTES), kind, "", NOON, target)
    database.write(lambda connection: add_token(connection, token))
    return token


class CanaryLab:
    """A running decoy."""

    def __init__(self, database: Database, artifacts: FileArtifacts, port: int) -> None:
        self.database = database
        self.artifacts = artifacts
        self.port = port

    def token(self, kind: TokenKind, target: str = "") -> str:
        """The path of new bait."""
        return f"/c/{a_token(self.database, kind, target).slug}"

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """One request; underscores in names of headers are hyphens."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())

    def raw(self, data: bytes) -> bytes:
        """What comes back for ``data`` until the decoy hangs up."""
        with self.connected() as client:
            with suppress(ConnectionError):
                client.sendall(data)
            return everything(client)

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=10)) as client:
            yield client

    def events(self, *kinds: str, least: int = 1) -> list[StoredEvent]:
        """The stored events of these kinds, once there are so many."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = [
                StoredEvent(kind, json.loads(payload), source, session)
                for kind, payload, source, session in rows(self.database, _EVENTS)
                if kind in kinds
            ]
            if len(found) >= least or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    def settled(self, *kinds: str) -> list[StoredEvent]:
        """The stored events of these kinds once everything is stored that was asked before: events keep their order."""
        end = f"/end-{secrets.token_hex(4)}"
        self.ask(end)
        least = 1
        while all(event.payload["raw_url"] != end for event in self.events("http_request", least=least)):
            least += 1
        return self.events(*kinds, least=0)


def everything(client: socket.socket) -> bytes:
    """All bytes until the other side hangs up, however rudely."""
    data = b""
    try:
        while more := client.recv(65_536):
            data += more
    except ConnectionResetError:
        pass
    return data


@contextmanager
def running_canary(folder: Path, *, host: str = "127.0.0.1", **options: Any) -> Iterator[CanaryLab]:
    """A decoy with its database and artifacts in ``folder``; ``options`` are those of :class:`CanaryDecoy`."""
    database = open_database(f"sqlite:///{folder / 'decnet.sqlite'}")
    artifacts = FileArtifacts(folder / "artifacts")
    decoy = CanaryDecoy(database, artifacts, secret_digest(KEY), host, 0, **options)
    ready: list[int] = []
    is_ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def run() -> None:
        ready.append((await decoy.listen())[1])
        is_ready.set()
        await decoy.run(stop)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert is_ready.wait(PATIENCE_S)
        yield CanaryLab(database, artifacts, ready[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
        database.close()
