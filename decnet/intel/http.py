"""Requests to providers: a short time, a capped body, and every failure as one kind of error.

Keys travel in headers, or in a path where a provider wants that; never to a server that is neither on this host nor
reached through TLS, and never on to where a server redirects: only what is asked without a key is followed.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import httpx
import msgspec

from decnet import __version__
from decnet.errors import ProviderFailed, SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

TIMEOUT_S = 10.0
"""How long a whole answer may take, and a bulk list between two of its parts."""
MAX_BODY_BYTES = 8 << 20
"""A verbose answer of AbuseIPDB about a busy scanner is near 2 MB."""
LONGEST_WAIT_S = 86_400.0
"""Beyond this a provider's wish to be left alone is cut."""

_MOST_REDIRECTS = 3
_TOO_MANY, _UNAVAILABLE, _BAD_REQUEST, _UNPROCESSABLE, _NOT_FOUND = 429, 503, 400, 422, 404
_REDIRECTS = range(300, 400)
_SERVER_FAULTS = range(500, 600)
_KEY_REFUSED = frozenset({401, 403})

T = TypeVar("T")


class Answer(NamedTuple):
    """A whole answer with a status that is no failure."""

    status: int
    body: bytes


class Site:
    """One server of a provider, with the headers that every request bears."""

    def __init__(self, provider: str, url: str, headers: Mapping[str, str]) -> None:
        _refuse_open_transport(provider, url, headers)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO lines hold the addresses that are asked about
        self.provider = provider
        self.url = url
        self._client = httpx.AsyncClient(
            headers={"User-Agent": f"decnet-ttp/{__version__}", "Accept": "application/json", **headers},
            timeout=TIMEOUT_S,
            follow_redirects=not headers,
            max_redirects=_MOST_REDIRECTS,
        )

    async def aclose(self) -> None:
        """Let its connections go."""
        await self._client.aclose()

    async def ask(self, method: str, url: str, *, accepts: frozenset[int] = frozenset({200}), **request: Any) -> Answer:
        """The answer to one request within :data:`TIMEOUT_S`, of up to :data:`MAX_BODY_BYTES`.

        :raises ProviderFailed: there is none with a status that is among ``accepts``.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S), self.answering(method, url, accepts=accepts, **request) as response:
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MAX_BODY_BYTES:
                        raise ProviderFailed(f"{self.provider}: the answer is longer than {MAX_BODY_BYTES:,} bytes")
                return Answer(response.status_code, bytes(body))
        except TimeoutError:
            raise ProviderFailed(f"{self.provider}: no whole answer within {TIMEOUT_S:.0f} s") from None

    @asynccontextmanager
    async def answering(
        self, method: str, url: str, *, accepts: frozenset[int] = frozenset({200}), **request: Any
    ) -> AsyncIterator[httpx.Response]:
        """A response whose body is still to be read.

        :raises ProviderFailed: the server cannot be reached, breaks off, or answers with another status.
        """
        try:
            async with self._client.stream(method, url, **request) as response:
                if response.status_code not in accepts:
                    raise _refusal(self.provider, response)
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderFailed(f"{self.provider}: {type(error).__name__} {error}".rstrip()) from None


def decoded(provider: str, body: bytes, shape: type[T]) -> T:
    """``body`` as JSON of that shape.

    :raises ProviderFailed: it is something else.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderFailed(f"{provider}: the answer is not as documented: {error}") from None


def _refusal(provider: str, response: httpx.Response) -> ProviderFailed:
    status = response.status_code
    if status in _KEY_REFUSED:
        return ProviderFailed(
            f"{provider}: status {status}, the key is refused; set another DECNET_{provider.upper()}_API_KEY"
        )
    if status in _REDIRECTS:
        return ProviderFailed(f"{provider}: status {status}, it has moved; set DECNET_{provider.upper()}_URL")
    if status in {_BAD_REQUEST, _UNPROCESSABLE, _NOT_FOUND}:
        return ProviderFailed(f"{provider}: status {status}", is_about_address=True)
    if status in {_TOO_MANY, _UNAVAILABLE}:
        return ProviderFailed(f"{provider}: status {status}", retry_after_s=_retry_after(response))
    fault = "its server has a fault" if status in _SERVER_FAULTS else "which is not documented"
    return ProviderFailed(f"{provider}: status {status}, {fault}")


def _retry_after(response: httpx.Response) -> float | None:
    """``Retry-After`` in seconds (RFC 9110 10.2.3); the form with a date is not used by any of the providers."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT_S) if text.isascii() and text.isdigit() else None


def _refuse_open_transport(provider: str, url: str, headers: Mapping[str, str]) -> None:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise SettingsError(f"DECNET_{provider.upper()}_URL is no URL; write https://…") from None
    if parsed.scheme == "https" or (parsed.scheme == "http" and (not headers or _is_here(parsed.host))):
        return
    raise SettingsError(f"DECNET_{provider.upper()}_URL would send the key unprotected; write https://…")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
