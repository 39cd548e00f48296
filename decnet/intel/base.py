"""What a provider of verdicts is, how often it may be asked, and about which addresses."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.models.intel import Standing, Verdict

MALICIOUS_FROM = 75
SUSPICIOUS_FROM = 25
"""Scores, 0 to 100, from which on an address stands so."""
MAX_SCORE = 100

_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests in a window of so many seconds; windows are counted from 1970, so a day is a UTC day."""

    requests: int
    seconds: int

    def window(self, now: int) -> int:
        """The number of the window that ``now`` (µs UTC) is in."""
        return now // (self.seconds * 1_000_000)

    def end(self, now: int) -> int:
        """When that window is over (µs UTC)."""
        return (self.window(now) + 1) * self.seconds * 1_000_000


def limit_of(text: str) -> Limit:
    """``1000/day`` as a limit; the settings have seen to its form."""
    number, _, unit = text.partition("/")
    return Limit(int(number), _SECONDS[unit])


class Provider(Protocol):
    """Somebody who is asked about one address at a time, and by whom nothing but that address is learnt.

    An instance belongs to one event loop. Whoever asks keeps to :attr:`limit`; a provider does not count.
    """

    name: str
    """As in ``rules/intel/<name>.yaml``."""
    limit: Limit | None
    """None for one that is asked without sending anything: its list was fetched whole."""

    async def verdict_on(self, address: str) -> Verdict | None:
        """What it says of a public ``address``, None where it has no opinion.

        :raises ProviderFailed: there is no answer that can be used, for now or for this address.
        """

    async def aclose(self) -> None:
        """Let its connections go."""


def is_public(address: str) -> bool:
    """Whether ``address`` is one that anybody on the internet can have: never private, reserved or a tunnel's."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def standing_of(score: int) -> Standing:
    """How an address of that score (0 to 100) stands; a low score says nothing in its favour."""
    if score >= MALICIOUS_FROM:
        return "malicious"
    return "suspicious" if score >= SUSPICIOUS_FROM else "unknown"


def clamped(score: float) -> int:
    """A provider's score as 0 to 100, whatever it sent."""
    return int(min(max(score, 0), MAX_SCORE))


def distinct(values: Iterable[str], most: int) -> tuple[str, ...]:
    """Up to ``most`` different texts, in order."""
    return tuple(sorted({value for value in values if value}))[:most]
