"""Where alerts may go: addresses of receivers that are spelt plainly, outside of this host and of private networks.

What an operator names in ``DECNET_WEBHOOK_NETWORKS`` is allowed as well. A name is judged by what it resolves to each
time that something is sent, and the connection goes to the address that was judged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from decnet.errors import SettingsError, TargetRefused
from decnet.models.hook import MAX_URL_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network
    from urllib.parse import SplitResult

    from decnet.models.hook import HookFormat

WEB_PORTS = {"http": 80, "https": 443}
LOG_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
"""RFC 5426, RFC 6587 as IANA lists it, RFC 5425."""
FORMATS: dict[str, tuple[HookFormat, ...]] = {
    **dict.fromkeys(WEB_PORTS, ("json",)),
    **dict.fromkeys(LOG_PORTS, ("rfc5424", "cef")),
}
"""What can be sent over each scheme; the first is meant where nothing is said."""

_FIRST_FREE_PORT = 1_024
_MAX_NAME_CHARS = 253
_LABEL = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}")
_SHOWN_CHARS = 60
_REFUSED = tuple(
    ip_network(name)
    for name in (
        "168.63.129.16/32",  # Azure tells a machine about itself here
        "192.0.0.0/24",  # Oracle's cloud does so here
        "::/8",  # among them addresses that hold an IPv4 one
        "100::/8",
        "2001::/23",  # among them Teredo
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
_TRANSLATED = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_SIX_TO_FOUR = ip_network("2002::/16")  # RFC 3056: bits 16 to 48 are one
_IPV4_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver. ``host`` is a name or a plain address, ``path`` has the query and is empty for syslog."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def shown(self) -> str:
        """Without the path, which may hold a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def host_header(self) -> str:
        """As HTTP names it: without the port that the scheme has anyway."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == WEB_PORTS.get(self.scheme) else f"{host}:{self.port}"


class AllowedNetworks:
    """What may be reached: every public address, and what ``names`` name."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Take addresses and networks, ``192.0.2.1`` or ``10.0.0.0/8``.

        :raises SettingsError: one of them is neither.
        """
        self._networks = tuple(_network(name) for name in names)

    def check(self, address: str) -> str:
        """The plain form of ``address``, which may be reached.

        :raises TargetRefused: it may not.
        """
        try:
            found = _bare(ip_address(address.partition("%")[0]))
        except ValueError:
            raise TargetRefused(f"{address[:_SHOWN_CHARS]!r} is no address") from None
        if any(found in network for network in self._networks) or ("%" not in address and _is_public(found)):
            return str(found)
        raise TargetRefused(
            f"{found} is an address of this host, of a private network or set aside; name it in "
            "DECNET_WEBHOOK_NETWORKS if alerts are to go there"
        )


def target_of(url: str) -> Target:
    """The receiver at ``url``: ``https://…``, ``http://…``, or ``udp://``, ``tcp://`` and ``tls://HOST[:PORT]``.

    :raises TargetRefused: it is none, or is spelt so that two readers may understand two things.
    """
    parts, port = _split(url)
    host = (parts.hostname or "").lower()
    if not host:
        raise TargetRefused("the URL names no host; write https://soc.example.org/alerts or tls://logs.example.org")
    if "@" in parts.netloc or parts.fragment or "#" in url:
        raise TargetRefused("the URL has a user name, a password or a fragment; leave them out")
    _check_host(host)
    is_web = parts.scheme in WEB_PORTS
    if not is_web and (parts.path not in {"", "/"} or parts.query):
        raise TargetRefused(f"{parts.scheme}:// takes a host and a port and no more")
    port = port if port is not None else (WEB_PORTS | LOG_PORTS)[parts.scheme]
    if not port or (is_web and port < _FIRST_FREE_PORT and port not in WEB_PORTS.values()):
        raise TargetRefused(f"port {port} is none of a web server; use 80, 443, or one from {_FIRST_FREE_PORT} on")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path if is_web else "")


def format_for(target: Target, wanted: HookFormat | None) -> HookFormat:
    """How alerts are spelt for ``target``.

    :raises TargetRefused: what is wanted does not go there.
    """
    known = FORMATS[target.scheme]
    if wanted is None:
        return known[0]
    if wanted not in known:
        raise TargetRefused(f"{target.scheme}:// takes {' or '.join(known)}, not {wanted}")
    return wanted


def _split(url: str) -> tuple[SplitResult, int | None]:
    if len(url) > MAX_URL_CHARS or not all("!" <= char <= "~" for char in url) or "\\" in url:
        raise TargetRefused(
            f"a URL is up to {MAX_URL_CHARS:,} printable ASCII characters without spaces or backslashes"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TargetRefused("the URL has brackets that do not match, or a port that is none") from None
    if parts.scheme not in FORMATS:
        raise TargetRefused(f"alerts go to {', '.join(f'{scheme}://' for scheme in FORMATS)} only")
    return parts, port


def _check_host(host: str) -> None:
    """Nothing, for a plain name or address: ``0x7f.1``, ``2130706433`` and ``017700000001`` are ways to hide one."""
    labels = host.removesuffix(".").split(".")
    is_number = labels[-1].isdigit() or labels[-1].startswith("0x")
    is_name = not is_number and len(host) <= _MAX_NAME_CHARS and all(map(_LABEL.fullmatch, labels))
    if not is_name and not _is_address(host):
        raise TargetRefused(
            f"{host[:_SHOWN_CHARS]!r} is no name and no plain address; write 192.0.2.1, [2001:db8::1] or a name"
        )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _bare(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that is written as an IPv6 one (RFC 4291 2.5.5.2), else ``address``."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address in _TRANSLATED:
        return _is_public(IPv4Address(int(address) & _IPV4_MASK))
    if isinstance(address, IPv6Address) and address in _SIX_TO_FOUR:
        return _is_public(IPv4Address(int(address) >> 80 & _IPV4_MASK))
    is_refused = address.is_multicast or address.is_reserved or any(address in network for network in _REFUSED)
    return address.is_global and not is_refused


def _network(name: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(name.strip(), strict=False)
    except ValueError:
        raise SettingsError(
            f"DECNET_WEBHOOK_NETWORKS: {name[:_SHOWN_CHARS]!r} is no address and no network; write 192.0.2.1 or "
            "10.0.0.0/8, several with commas between them"
        ) from None
