"""ThreatFox: indicators that analysts shared, each with the type of threat that it stands for.

POST https://threatfox-api.abuse.ch/api/v1/ ``{"query": "search_ioc", "search_term": "139.180.203.104"}`` with the
header ``Auth-Key`` (https://threatfox.abuse.ch/api/#search-ioc)::

    {"query_status": "ok", "data": [{"id": "12", "ioc": "139.180.203.104:443", "threat_type": "botnet_cc",
      "ioc_type": "ip:port", "malware": "win.cobalt_strike", "malware_printable": "Cobalt Strike",
      "confidence_level": 75, "first_seen": "2020-12-06 09:10:23 UTC", "reporter": "abuse_ch", "tags": null}]}

Without a hit it is ``{"query_status": "no_result", "data": "Your search did not yield any results"}``. The search finds
parts of indicators too (203.0.113.4 in 203.0.113.41:80), so every hit is compared with what was asked. What is to be
done with a hit is in ``threat_type``; ``ioc_type`` only says how the indicator is written.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from decnet.errors import ProviderFailed
from decnet.intel.base import clamped, standing_of
from decnet.intel.http import Site, decoded
from decnet.models.actor import canonical_address
from decnet.models.intel import MAX_LISTED, MAX_TEXT, Threat, Verdict

if TYPE_CHECKING:
    from decnet.intel.base import Limit

_OK, _NOTHING = "ok", frozenset({"no_result", "illegal_search_term"})


class _Hit(msgspec.Struct):
    ioc: str = ""
    threat_type: str | None = None
    ioc_type: str | None = None
    malware_printable: str | None = None
    confidence_level: float | None = None


class _Search(msgspec.Struct):
    query_status: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class ThreatFox:
    """See :class:`~decnet.intel.base.Provider`."""

    name = "threatfox"

    def __init__(self, key: str, *, url: str, limit: Limit) -> None:
        self.limit: Limit | None = limit
        self._site = Site(self.name, url, {"Auth-Key": key})

    async def verdict_on(self, address: str) -> Verdict | None:
        """Every type of threat that it lists for ``address`` on any port, or None."""
        asked = {"query": "search_ioc", "search_term": address}
        answer = await self._site.ask("POST", self._site.url, json=asked)
        found = decoded(self.name, answer.body, _Search)
        if found.query_status in _NOTHING:
            return None
        if found.query_status != _OK:
            raise ProviderFailed(f"{self.name}: query_status {found.query_status[:MAX_TEXT]!r}")
        hits = decoded(self.name, bytes(found.data), list[_Hit])
        return _verdict(address, [hit for hit in hits if _host(hit) == address])

    async def aclose(self) -> None:
        """Let its connections go."""
        await self._site.aclose()


def _verdict(address: str, hits: list[_Hit]) -> Verdict | None:
    threats = sorted({_threat(hit) for hit in hits}, key=msgspec.structs.astuple)[:MAX_LISTED]
    if not threats:
        return None
    standing = standing_of(max(threat.score for threat in threats))
    pointer = f"https://threatfox.abuse.ch/browse.php?search=ioc%3A{address}"
    return Verdict(ThreatFox.name, address, standing, threats=tuple(threats), pointer=pointer)


def _threat(hit: _Hit) -> Threat:
    return Threat(
        (hit.threat_type or "")[:MAX_TEXT],
        clamped(hit.confidence_level or 0),
        (hit.ioc_type or "")[:MAX_TEXT],
        (hit.malware_printable or "")[:MAX_TEXT],
    )


def _host(hit: _Hit) -> str | None:
    """The address in ``203.0.113.4:443``, ``[2001:db8::1]:443`` or ``http://203.0.113.4/x``; None for a name."""
    try:
        host = urlsplit(hit.ioc if "://" in hit.ioc else f"//{hit.ioc}").hostname or ""
        return canonical_address(str(ip_address(host)))
    except ValueError:
        return None
