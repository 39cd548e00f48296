"""From which network an address comes: a port, behind which a table that the operator brings may stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Network:
    """What a table says of an address.

    ``asn`` is the number of its autonomous system (RFC 4271; None where it is announced by none), ``organisation`` who
    holds that, or empty, ``country`` two capital letters (ISO 3166-1), or empty.
    """

    asn: int | None
    organisation: str
    country: str


class Networks(Protocol):
    """A table of networks. Without one there is no finding about networks and no edge between attackers of one."""

    def network_of(self, address: str) -> Network | None:
        """The network of a canonical address; None where the table does not know it. Never raises for an address."""
        ...


class Exits(Protocol):
    """Addresses through which others reach the internet."""

    def kinds_of(self, address: str) -> frozenset[str]:
        """What a canonical address is an exit of: ``tor``, ``vpn``; empty where it is none that is known."""
        ...
