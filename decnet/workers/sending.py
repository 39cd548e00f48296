"""Sending one alert: to an address that was looked at, within a short time, and to nowhere that an answer points to.

A name is resolved once per delivery; every address that it has must be allowed, and the connection goes to one of
these, while TLS and the ``Host`` header keep the name. So what a name resolves to a moment later changes nothing. No
proxy of the environment is used, no redirect followed, and of an answer only the status and ``Retry-After`` are read.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from decnet.alerts.syslog import counted
from decnet.errors import DeliveryFailed, TargetRefused

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from decnet.alerts.target import AllowedNetworks, Target

TIMEOUT_S = 10.0
"""How long one delivery may take, from the look-up of the name to the status."""
LONGEST_WAIT_S = 86_400.0
"""Beyond this a receiver's wish to be left alone is cut."""
_MOST_ADDRESSES = 3
"""So many addresses of a name are tried."""
_ABOUT_ALERT = frozenset({400, 406, 409, 413, 415, 422})
_REDIRECTS = range(300, 400)
_TAKEN = range(200, 300)


class Sender:
    """Sends to what ``allowed`` allows. ``resolve`` gives the addresses of a name, for a port."""

    def __init__(
        self,
        allowed: AllowedNetworks,
        *,
        timeout_s: float = TIMEOUT_S,
        resolve: Callable[[str, int], Awaitable[list[str]]] | None = None,
    ) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO lines hold URLs, which may hold secrets
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._resolve = resolve or _resolved
        self._tls: ssl.SSLContext | None = None

    async def post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> None:
        """The receiver at ``target`` has taken ``body``: it answered with a status of 2xx.

        :raises DeliveryFailed: it has not.
        """
        await self._in_time(target, lambda address: self._post(target, address, body, headers))

    async def send_line(self, target: Target, line: bytes) -> None:
        """``line`` is on its way to the syslog server at ``target``, which does not say whether it has taken it.

        :raises DeliveryFailed: it is not.
        """
        send = self._send_datagram if target.scheme == "udp" else self._send_stream
        await self._in_time(target, lambda address: send(target, address, line))

    async def _in_time(self, target: Target, send: Callable[[str], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._to_first(await self._addresses(target), send)
        except TimeoutError:
            raise DeliveryFailed(f"{target.shown}: no answer within {self._timeout_s:g} s") from None

    async def _to_first(self, addresses: Iterable[str], send: Callable[[str], Awaitable[None]]) -> None:
        """Send to the first address that can be reached."""
        failed = DeliveryFailed("the name has no address")
        for address in addresses:
            try:
                return await send(address)
            except _Unreachable as error:
                failed = error
        raise failed

    async def _addresses(self, target: Target) -> list[str]:
        """Where to connect: all that the name has, unless one of it is not allowed."""
        try:
            found = await self._resolve(target.host, target.port)
        except (OSError, UnicodeError):
            raise DeliveryFailed(f"{target.shown}: the name does not resolve") from None
        try:
            return checked_addresses(found, self._allowed)[:_MOST_ADDRESSES]
        except TargetRefused as error:
            raise DeliveryFailed(f"{target.shown}: {error}") from None

    async def _post(self, target: Target, address: str, body: bytes, headers: Mapping[str, str]) -> None:
        url = httpx.URL(scheme=target.scheme, host=address, port=target.port, raw_path=target.path.encode())
        async with httpx.AsyncClient(
            verify=self._context(), trust_env=False, follow_redirects=False, timeout=self._timeout_s
        ) as client:
            request = client.build_request(
                "POST",
                url,
                content=body,
                headers={**headers, "Host": target.host_header},
                extensions={"sni_hostname": target.host},
            )
            try:
                response = await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise _Unreachable(f"{target.shown}: cannot be reached, {error!s}") from None
            except httpx.HTTPError as error:
                raise DeliveryFailed(f"{target.shown}: {type(error).__name__} {error}".rstrip()) from None
            await response.aclose()
        if response.status_code not in _TAKEN:
            raise _refusal(target, response)

    async def _send_stream(self, target: Target, address: str, line: bytes) -> None:
        options = {"ssl": self._context(), "server_hostname": target.host} if target.scheme == "tls" else {}
        try:
            _, writer = await asyncio.open_connection(address, target.port, **options)  # type: ignore[arg-type]
            try:
                writer.write(counted(line))
                await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()
        except OSError as error:
            raise _Unreachable(f"{target.shown}: cannot be reached, {error}") from None

    async def _send_datagram(self, target: Target, address: str, line: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(address, target.port)
            )
        except OSError as error:
            raise _Unreachable(f"{target.shown}: cannot be reached, {error}") from None
        transport.sendto(line)
        transport.close()

    def _context(self) -> ssl.SSLContext:
        """Trusts the authorities that the operator names with ``SSL_CERT_FILE``, else the usual ones."""
        self._tls = self._tls or httpx.create_ssl_context()
        return self._tls


class _Unreachable(DeliveryFailed):
    """Another address of the name may do."""


def addresses_of(host: str, port: int) -> list[str]:
    """Every address of ``host``, in the order in which the system would try them.

    :raises OSError, UnicodeError: it has none, or is no name.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[4][0]) for place in found))


def checked_addresses(addresses: Iterable[str], allowed: AllowedNetworks) -> list[str]:
    """``addresses`` in plain form, each of which may be reached.

    :raises TargetRefused: one of them may not, or there is none.
    """
    found = [allowed.check(address) for address in addresses]
    if not found:
        raise TargetRefused("the name has no address")
    return found


def check_target(target: Target, allowed: AllowedNetworks) -> None:
    """Nothing, where ``target`` may get alerts as its name stands now; it is looked at again at each delivery.

    :raises TargetRefused: it may not, or does not resolve.
    """
    try:
        found = addresses_of(target.host, target.port)
    except (OSError, UnicodeError):
        raise TargetRefused(f"{target.host} does not resolve; check the name") from None
    checked_addresses(found, allowed)


async def _resolved(host: str, port: int) -> list[str]:
    return await asyncio.to_thread(addresses_of, host, port)


def _refusal(target: Target, response: httpx.Response) -> DeliveryFailed:
    status = response.status_code
    if status in _REDIRECTS:
        return DeliveryFailed(
            f"{target.shown}: status {status}, it points elsewhere, which is not followed; give the hook that address"
        )
    wait_s = _retry_after(response.headers.get("Retry-After", ""), time.time())
    return DeliveryFailed(
        f"{target.shown}: status {status}", retry_after_s=wait_s, is_about_alert=status in _ABOUT_ALERT
    )


def _retry_after(text: str, now_s: float) -> float | None:
    """``Retry-After`` in seconds (RFC 9110 10.2.3): a number, or a date."""
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT_S)
    try:
        wait_s = parsedate_to_datetime(text).timestamp() - now_s
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait_s, 0.0), LONGEST_WAIT_S)
