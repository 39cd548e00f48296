"""Receivers of alerts for tests: servers on this host that keep what they get."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOCAL = ["127.0.0.0/8"]


def status(code: int, *headers: str) -> bytes:
    """An answer without a body."""
    return "\r\n".join([f"HTTP/1.1 {code} X", *headers, "Content-Length: 0", "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Got:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """An HTTP server. Requests get ``answers``, one after the other, then ``OK``; an empty one gets none at all."""

    port: int = 0
    answers: list[bytes] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """The names that clients gave in TLS."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:-2]}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.got.append(Got(head[0].split()[1], headers, body))
            answer = self.answers.pop(0) if self.answers else OK
            if answer:
                writer.write(answer)
                await writer.drain()
            else:
                await reader.read()  # until the client leaves
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = Receiver(answers=list(answers))
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: receiver.names.append(name)
    server = await asyncio.start_server(receiver._serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@asynccontextmanager
async def log_stream(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, bytearray]]:
    """A syslog server over TCP or TLS: its port, and all that it got."""
    got = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], got
    finally:
        server.close()


@asynccontextmanager
async def log_datagrams() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A syslog server over UDP: its port, and all that it got."""
    got: list[bytes] = []

    class Keeping(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _address: object) -> None:
            got.append(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Keeping, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], got
    finally:
        transport.close()


async def until(holds: Callable[[], bool], patience_s: float = 15.0) -> None:
    """``holds`` came about."""
    async with asyncio.timeout(patience_s):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - a database has no event to wait for
            await asyncio.sleep(0.01)
