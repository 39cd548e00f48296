"""What stands before every route: host names, repeated parameters, sizes and speeds of bodies, headers of answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.datastructures import MutableHeaders

from decnet.web.problems import MALFORMED, MAX_CHARS, MAX_FAULTS, Fault, Refused, problem

if TYPE_CHECKING:
    from collections.abc import Collection

    from fastapi import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from decnet.web.place import WebPlace

MAX_BODY = 1 << 20
MAX_INTAKE = 32 << 20
INTAKE_PATH = "/api/v1/intake/"
_BODY_WAIT_S = 15.0
"""How long the next piece of a body may take."""
_MAX_DIGITS = 20
_CLOSE = {"Connection": "close"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Wraps the application: refuses foreign hosts, repeated parameters, outsized or dawdling bodies; sets headers."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], *, is_https: bool) -> None:
        self.app = app
        self.hosts = frozenset(name.lower() for name in hosts)
        self.headers = dict(_HEADERS)
        if is_https:
            self.headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    given.setdefault(name, value)
                given.setdefault("Cache-Control", "no-store")
            await send(message)

        if _host_name(headers.get(b"host", b"")) not in self.hosts:
            refusal = problem(400, "this host name is not served here; set DECNET_WEB_URL to the one that is")
            await refusal(scope, receive, dressed)
            return
        repeated = _repeated(scope["query_string"])
        if repeated:
            faults = [Fault(where=f"query.{name}"[:MAX_CHARS], why="it is given more than once") for name in repeated]
            await problem(400, MALFORMED, faults=faults)(scope, receive, dressed)
            return
        most = MAX_INTAKE if scope["path"].startswith(INTAKE_PATH) else MAX_BODY
        said = headers.get(b"content-length", b"")
        if said.isdigit() and int(said[:_MAX_DIGITS]) > most:
            await problem(413, _too_long(most), headers=_CLOSE)(scope, receive, dressed)
            return
        await self.app(scope, _measured(receive, most), dressed)


def _repeated(query: bytes) -> list[str]:
    """The names that stand in ``query`` more than once: no route takes a list, and the framework takes the last."""
    if b"&" not in query:
        return []
    counts = Counter(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    return [name for name, count in counts.items() if count > 1][:MAX_FAULTS]


def _too_long(most: int) -> str:
    return f"a body may have {most:,} bytes; send less at a time"


def _measured(receive: Receive, most: int) -> Receive:
    """``receive``, until more than ``most`` bytes came, or none for too long. An answer may take its time."""
    taken = 0
    is_whole = False

    async def measured() -> Message:
        nonlocal taken, is_whole
        if is_whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), _BODY_WAIT_S)
        except TimeoutError:
            raise Refused(408, "the body came too slowly", _CLOSE) from None
        taken += len(message.get("body", b""))
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        if taken > most:
            raise Refused(413, _too_long(most), _CLOSE)
        return message

    return measured


def _host_name(header: bytes) -> str:
    """The name in a ``Host`` header, without a port."""
    text = header.decode("latin-1").lower()
    if text.startswith("["):
        return text.partition("]")[0][1:]
    return text.partition(":")[0]


def address_of(request: Request, place: WebPlace) -> str:
    """The address of whoever asks; ``X-Forwarded-For`` counts only where the peer is a proxy that is trusted."""
    if request.client is None:
        return ""
    try:
        return place.proxies.source_of(request.client.host, request.headers.get("X-Forwarded-For", ""))
    except ValueError:  # the peer of a test or of a local socket has a name
        return request.client.host
