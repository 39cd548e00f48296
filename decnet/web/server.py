"""Serving the application: uvicorn, with patience for slow clients cut short."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from decnet.errors import SettingsError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_FIRST_REQUEST_S = 10.0
"""How long a connection may take to say what it wants."""
_KEEP_ALIVE_S = 15
_CONNECTIONS = 512
_BACKLOG = 256
_LAST_WORDS_S = 5


class _Impatient(H11Protocol):
    """Closes a connection whose first request does not come."""

    cycle: Any  # None until there was a request, whatever uvicorn's own annotation says

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = self.loop.call_later(_FIRST_REQUEST_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None:
            self.transport.close()


async def serve_app(
    app: ASGIApp, host: str, port: int, stop: asyncio.Event, listening: asyncio.Future[tuple[str, int]] | None = None
) -> None:
    """Serve ``app`` until ``stop`` is set; ``listening`` gets the place once it is open (port 0 takes a free one).

    :raises SettingsError: nobody can listen there.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_Impatient,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        limit_concurrency=_CONNECTIONS,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    try:
        sockets = [await _bound(host, port)]
    except OSError as error:
        raise SettingsError(f"{host}:{port}: {error.strerror}; choose another place with DECNET_WEB_LISTEN") from None
    await server.startup(sockets)
    if listening is not None:
        listening.set_result(sockets[0].getsockname()[:2])
    waiting = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            await server.on_tick(0)
            await asyncio.wait({waiting}, timeout=1.0)
    finally:
        waiting.cancel()
        server.should_exit = True
        await server.shutdown(sockets)


async def _bound(host: str, port: int) -> Any:
    import socket

    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened
