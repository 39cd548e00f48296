"""Feodo Tracker: the servers of a few botnets, as one list that is fetched whole, so nobody is told who we ask for.

https://feodotracker.abuse.ch/downloads/ipblocklist.json::

    [{"ip_address": "51.178.161.32", "port": 4643, "status": "online", "as_number": 16276, "country": "FR",
      "first_seen": "2021-01-17 07:30:05", "last_online": "2024-01-10", "malware": "Dridex"}]

The list can be empty for weeks; that is an answer like any other.
"""

from __future__ import annotations

import asyncio
from sys import intern
from typing import TYPE_CHECKING

import msgspec

from decnet.intel.http import Site, decoded
from decnet.models.actor import canonical_address
from decnet.models.intel import MAX_TEXT, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.intel.base import Limit

FRESH_S = 3_600.0


class _Entry(msgspec.Struct):
    ip_address: str
    malware: str | None = ""


class Feodo:
    """See :class:`~decnet.intel.base.Provider`. ``clock`` gives µs UTC."""

    name = "feodo"

    def __init__(self, clock: Callable[[], int], *, url: str) -> None:
        self.limit: Limit | None = None
        self._clock = clock
        self._site = Site(self.name, url, {})
        self._families: Mapping[str, str] = {}
        self._fetched_at: int | None = None
        self._turn = asyncio.Lock()

    async def verdict_on(self, address: str) -> Verdict | None:
        """That it lists ``address``, or None: what is not listed is not said to be harmless."""
        families = await self._newest()
        family = families.get(address)
        if family is None:
            return None
        pointer = f"https://feodotracker.abuse.ch/browse/host/{address}/"
        return Verdict(self.name, address, "malicious", listed=True, malware=family, pointer=pointer)

    async def aclose(self) -> None:
        """Let its connections go."""
        await self._site.aclose()

    async def _newest(self) -> Mapping[str, str]:
        """Family by address, fetched again once it is older than :data:`FRESH_S`, empty or not."""
        async with self._turn:
            now = self._clock()
            if self._fetched_at is None or now - self._fetched_at >= FRESH_S * 1_000_000:
                answer = await self._site.ask("GET", self._site.url)
                self._families = _families(decoded(self.name, answer.body, list[_Entry]))
                self._fetched_at = now
            return self._families


def _families(entries: list[_Entry]) -> Mapping[str, str]:
    """Entries whose address is none are left out: one typing error there is no reason to do without the others."""
    families = {}
    for entry in entries:
        try:
            address = canonical_address(entry.ip_address)
        except ValueError:
            continue
        families[address] = intern((entry.malware or "")[:MAX_TEXT])
    return families
