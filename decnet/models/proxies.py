"""Whose request it is: the peer's, or, where the peer is a proxy that we were told to trust, whom that names."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from decnet.errors import SettingsError
from decnet.models.actor import canonical_address

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network

_MAX_NAMED_CHARS = 2_000
_MAX_HOPS = 20


class TrustedProxies:
    """The addresses and networks whose ``X-Forwarded-For`` is believed; with none, nobody's is."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Take addresses and networks, ``192.0.2.1`` or ``10.0.0.0/8``.

        :raises SettingsError: one of them is neither.
        """
        self._networks = tuple(_network(name) for name in names)

    def trusts(self, address: str) -> bool:
        """Whether the canonical ``address`` is one of them."""
        place = ip_address(address)
        return any(place in network for network in self._networks)

    def source_of(self, peer: str, forwarded_for: str) -> str:
        """The canonical address that the request came from.

        Proxies append: from the right, the first address that is not theirs is the client's. What stands before that
        the client may have written itself. Where a name is no address, the proxy that gave it is the source.
        """
        source = canonical_address(peer)
        hops = forwarded_for[-_MAX_NAMED_CHARS:].split(",")[-_MAX_HOPS:]
        while hops and self.trusts(source):
            named = hops.pop().strip()
            if not named:
                continue
            try:
                source = canonical_address(named)
            except ValueError:
                break
        return source


def _network(name: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(name.strip(), strict=False)
    except ValueError:
        raise SettingsError(
            f"trusted proxy {name[:60]!r} is no address and no network; write 192.0.2.1 or 10.0.0.0/8"
        ) from None
