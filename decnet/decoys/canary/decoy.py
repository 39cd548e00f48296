"""The canary decoy: listening sockets, their connections, and the database that these end up in."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from decnet.db.canaries import active_token
from decnet.decoys.canary.connection import MAX_HEAD_BYTES, Patience, Request, Response, plain_error, serve_connection
from decnet.decoys.canary.posts import Posts
from decnet.decoys.canary.site import Here, Site
from decnet.decoys.canary.stun import StunResponder
from decnet.decoys.canary.visits import Visits
from decnet.decoys.recorder import Recorder
from decnet.errors import SettingsError, StorageError
from decnet.models.actor import canonical_address
from decnet.models.proxies import TrustedProxies
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.db.engine import Database
    from decnet.models.artifact import ArtifactStore
    from decnet.models.canary import CanaryToken
    from decnet.models.secret import SecretDigest

MAX_CONNECTIONS = 512
MAX_CONNECTIONS_PER_ADDRESS = 32
"""Of one peer at once; a trusted proxy speaks for many and has no limit of its own."""
_PATIENCE = Patience()
_log = logger(__name__)


class CanaryDecoy:
    """Serves tokens at ``host``:``port`` and records who touches them. ``clock`` gives µs UTC.

    ``origin`` (``https://files.example.org``) is how attackers reach this server, for bait that calls back; empty: the
    address that a client spoke to. ``sensor`` is the name that events bear.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        digest: SecretDigest,
        host: str,
        port: int,
        *,
        origin: str = "",
        proxies: TrustedProxies | None = None,
        sensor: str = "canary",
        patience: Patience = _PATIENCE,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self._database = database
        self._artifacts = artifacts
        self._host, self._port = host, port
        self._origin = origin.rstrip("/")
        self._proxies = proxies or TrustedProxies()
        self._sensor = sensor
        self._patience = patience
        self._clock = clock
        self._site = Site(self._find_token, digest, Posts(), time.monotonic)
        self._recorder = Recorder(database, clock)
        self._clients: set[asyncio.Task[None]] = set()
        self._peers: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._stun: asyncio.DatagramTransport | None = None

    async def listen(self) -> tuple[str, int]:
        """Open the sockets, once: TCP for pages, UDP on the same port for STUN; returns their address and port.

        :raises SettingsError: they cannot be opened.
        """
        if self._server is None:
            try:
                self._server = await asyncio.start_server(self._accept, self._host, self._port, limit=MAX_HEAD_BYTES)
                own = self._server.sockets[0].getsockname()[:2]
                loop = asyncio.get_running_loop()
                self._stun, _ = await loop.create_datagram_endpoint(StunResponder, local_addr=own)
            except OSError as error:
                raise SettingsError(
                    f"the canary decoy cannot listen at {self._host}:{self._port}: {error.strerror or error}; choose "
                    "another address or port"
                ) from None
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set; then let every client go, and store what is left.

        :raises DecnetError: the socket or the database cannot be used.
        """
        await self.listen()
        await self._recorder.run_beside(stop, self._close)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._stun is not None:
            self._stun.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = writer.get_extra_info("peername")
        peer = canonical_address(name[0]) if name else ""  # none: it left before it was accepted
        if not peer or self._is_too_many(peer):
            writer.transport.abort()
            return
        self._peers[peer] += 1
        client = asyncio.create_task(self._serve(reader, writer, peer, Visits(self._sensor, name[1])))
        self._clients.add(client)
        client.add_done_callback(partial(self._left, peer))

    def _left(self, peer: str, client: asyncio.Task[None]) -> None:
        self._clients.discard(client)
        self._peers -= Counter([peer])
        if not client.cancelled() and (error := client.exception()):
            _log.error("a client was let go: %s", error, exc_info=error)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str, visits: Visits
    ) -> None:
        name = writer.get_extra_info("sockname")
        here = Here(self._origin or _origin_of(name), name[1])
        try:
            await serve_connection(reader, writer, partial(self._handle, visits, peer, here), self._patience)
        finally:
            self._recorder.record(visits.ends(self._clock()))

    def _is_too_many(self, peer: str) -> bool:
        if len(self._clients) >= MAX_CONNECTIONS:
            return True
        return self._peers[peer] >= MAX_CONNECTIONS_PER_ADDRESS and not self._proxies.trusts(peer)

    async def _handle(self, visits: Visits, peer: str, here: Here, request: Request) -> Response:
        source = self._proxies.source_of(peer, request.header("x-forwarded-for"))
        try:
            answer = await self._site.answer(request, source, here)
            if answer.blob is not None:
                await asyncio.to_thread(self._artifacts.put, answer.blob, now=self._clock())
        except StorageError as error:
            _log.warning("a request was not looked at: %s", error)
            return plain_error(503)
        self._recorder.record(visits.events(source, answer.shown, self._clock()))
        return answer.response

    async def _find_token(self, slug: str) -> CanaryToken | None:
        return await asyncio.to_thread(self._database.read, partial(active_token, slug=slug))


def _origin_of(local: tuple[str, int]) -> str:
    host = canonical_address(local[0])
    return f"http://[{host}]:{local[1]}" if ":" in host else f"http://{host}:{local[1]}"
