"""HTTP/1.1 over one connection, through h11; every size and time is bounded, and a client that abuses one is let go.

A client has its :class:`Patience`, however slowly it writes or reads; heads beyond :data:`MAX_HEAD_BYTES` or
:data:`MAX_HEADERS` and bodies beyond :data:`MAX_BODY_BYTES` are refused as a web server would, and the connection is
closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate

import h11

MAX_HEAD_BYTES = 16 * 1024
MAX_HEADERS = 100
MAX_BODY_BYTES = 64 * 1024
MAX_REQUESTS = 100
"""How many requests one connection may carry."""
_READ_BYTES = 16 * 1024
_CLOSING_S = 2.0
_LINGER_BYTES = 1 << 20
_SERVER = "nginx"
_NO_CONTENT = 204
_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Not Allowed",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client is waited for, in seconds: for the head of a request, and for all that it does together."""

    head_s: float = 10.0
    lifetime_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked; ``target`` and ``headers`` (in their order, names as sent) are Latin-1, as HTTP has them."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """The values of all headers of that name (in lower case), a comma between them; empty where there is none."""
        return ", ".join(value for known, value in self.headers if known.lower() == name)


@dataclass(frozen=True, slots=True)
class Response:
    """What a client is told; length, date and server are added when it is sent."""

    status: int
    body: bytes = b""
    media_type: str = "text/html"
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Awaitable[Response]]
"""Gives the response to a request."""


def plain_error(status: int) -> Response:
    """The page of a web server that nobody configured."""
    title = f"{status} {_REASONS[status]}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        f"<hr><center>{_SERVER}</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(status, page.encode())


async def serve_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handler, patience: Patience
) -> None:
    """Answer the requests of one client until it leaves, misbehaves or has had its time; raises nothing of a client's.

    What ``handle`` raises is raised.
    """
    exchange = _Exchange(reader, writer, patience.head_s)
    try:
        async with asyncio.timeout(patience.lifetime_s):
            for _ in range(MAX_REQUESTS):
                if not await exchange.answer(handle):
                    break
    except (TimeoutError, ConnectionError):
        writer.transport.abort()
    finally:
        await _closed(writer)


class _Refused(Exception):
    """The client asked for what cannot be had; it is told so and let go."""

    def __init__(self, status: int) -> None:
        self.status = status


class _Exchange:
    """Requests in, responses out, one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head_s: float) -> None:
        self._head_s = head_s
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def answer(self, handle: Handler) -> bool:
        """Answer the next request; whether another one may follow."""
        try:
            async with asyncio.timeout(self._head_s):
                head = await self._next()
            if not isinstance(head, h11.Request):
                return False
            request = await self._request(head)
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint)
            return False
        except _Refused as refused:
            await self._refuse(refused.status)
            return False
        await self._send(await handle(request), request.method)
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def _request(self, head: h11.Request) -> Request:
        if len(head.headers) > MAX_HEADERS:
            raise _Refused(431)
        if self._http.they_are_waiting_for_100_continue:
            await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
        body = bytearray()
        while isinstance(part := await self._next(), h11.Data):
            body += part.data
            if len(body) > MAX_BODY_BYTES:
                raise _Refused(413)
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items())
        return Request(head.method.decode("latin-1"), head.target.decode("latin-1"), headers, bytes(body))

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event

    async def _send(self, response: Response, method: str, *, is_last: bool = False) -> None:
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        body = b"" if method == "HEAD" else response.body
        head = h11.Response(
            status_code=response.status,
            reason=_REASONS.get(response.status, "").encode(),
            headers=_headers(response, is_last=is_last),
        )
        data = self._http.send(head) or b""
        data += self._http.send(h11.Data(data=body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        await self._write(data)

    async def _refuse(self, status: int) -> None:
        """Say so, and take in a little of what still comes: closing at once would take the answer back."""
        await self._send(plain_error(status), "GET", is_last=True)
        if self._writer.can_write_eof():
            self._writer.write_eof()
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(_CLOSING_S):
                while left > 0 and (data := await self._reader.read(_READ_BYTES)):
                    left -= len(data)
        except TimeoutError:
            return

    async def _write(self, data: bytes | None) -> None:
        self._writer.write(data or b"")
        await self._writer.drain()


def _headers(response: Response, *, is_last: bool) -> list[tuple[str, str]]:
    headers = [("Server", _SERVER), ("Date", formatdate(usegmt=True))]
    if response.status != _NO_CONTENT:
        headers += [("Content-Type", response.media_type), ("Content-Length", str(len(response.body)))]
    if is_last:
        headers.append(("Connection", "close"))
    return [*headers, *response.headers]


async def _closed(writer: asyncio.StreamWriter) -> None:
    """The connection is closed; what the client does not take in time is dropped."""
    writer.close()
    try:
        async with asyncio.timeout(_CLOSING_S):
            await writer.wait_closed()
    except (TimeoutError, ConnectionError):
        writer.transport.abort()
