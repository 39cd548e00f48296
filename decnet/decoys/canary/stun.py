"""STUN: a client that asks over UDP learns from which address it came (RFC 8489); browsers show it through WebRTC.

A proxy for web pages does not carry UDP, so a browser behind one tells its own address this way. Nothing is recorded
here: what a browser has learnt comes back with its fingerprint. Answers are hardly longer than requests, and there is a
limit of them, so nobody is worth flooding through us.
"""

from __future__ import annotations

import asyncio
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast

from decnet.models.actor import canonical_address

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWERS_PER_SECOND = 100
"""To everybody together."""
_BINDING_REQUEST = b"\x00\x01"
_BINDING_SUCCESS = b"\x01\x01"
_XOR_MAPPED_ADDRESS = b"\x00\x20"
_COOKIE = bytes.fromhex("2112a442")
_HEADER_BYTES = 20
_MAX_REQUEST_BYTES = 548
_FAMILIES = {4: b"\x00\x01", 6: b"\x00\x02"}


def binding_answer(request: bytes, address: str, port: int) -> bytes | None:
    """The answer to a binding request from ``address``:``port``; None where ``request`` is none.

    Its header is type, length of what follows, cookie and the 12 bytes of the transaction (RFC 8489, 5); the address is
    masked with cookie and transaction (14.2), because some routers rewrite addresses that they recognise.
    """
    length = int.from_bytes(request[2:4], "big")
    is_whole = _HEADER_BYTES <= len(request) <= _MAX_REQUEST_BYTES and length == len(request) - _HEADER_BYTES
    if not is_whole or request[:2] != _BINDING_REQUEST or request[4:8] != _COOKIE:
        return None
    place = ip_address(canonical_address(address))
    mask = request[4:_HEADER_BYTES]
    value = _FAMILIES[place.version] + _masked(port.to_bytes(2, "big"), mask) + _masked(place.packed, mask)
    attribute = _XOR_MAPPED_ADDRESS + len(value).to_bytes(2, "big") + value
    return _BINDING_SUCCESS + len(attribute).to_bytes(2, "big") + mask + attribute


def _masked(data: bytes, mask: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, mask, strict=False))


class StunResponder(asyncio.DatagramProtocol):
    """Answers binding requests and passes over everything else. ``clock_s`` only goes forward."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._second = 0
        self._answered = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # asyncio's own is no subclass of it

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Somebody sent something."""
        answer = self.answer(data, addr[0], addr[1])
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)

    def answer(self, request: bytes, address: str, port: int) -> bytes | None:
        """What :func:`binding_answer` gives, while the second has answers left."""
        answer = binding_answer(request, address, port)
        return answer if answer is not None and self._may_answer() else None

    def _may_answer(self) -> bool:
        second = int(self._clock_s())
        if second != self._second:
            self._second, self._answered = second, 0
        self._answered += 1
        return self._answered <= ANSWERS_PER_SECOND
