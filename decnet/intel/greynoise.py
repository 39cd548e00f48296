"""GreyNoise: whether an address scans the whole internet, and as what it is known.

The community endpoint (https://docs.greynoise.io/reference/get_v3-community-ip) says only the classification; 404 is
"never seen"::

    {"ip": "1.2.3.4", "noise": true, "riot": false, "classification": "malicious", "name": "unknown",
     "link": "https://viz.greynoise.io/ip/1.2.3.4", "last_seen": "2026-01-01", "message": "Success"}

A paid plan has tags, at ``v3/ip/`` (https://docs.greynoise.io/reference/v3ip)::

    {"ip": "1.2.3.4", "business_service_intelligence": {"found": false},
     "internet_scanner_intelligence": {"found": true, "classification": "malicious",
                                       "tags": [{"slug": "ssh-bruteforcer", "name": "SSH Bruteforcer"}]}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.intel.base import distinct
from decnet.intel.http import Site, decoded
from decnet.models.intel import MAX_LISTED, MAX_TEXT, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.intel.base import Limit
    from decnet.models.intel import Standing

_NEVER_SEEN = 404
_STANDINGS: dict[str, Standing] = {"malicious": "malicious", "suspicious": "suspicious", "benign": "benign"}


class _Tag(msgspec.Struct):
    slug: str = ""
    name: str = ""


class _Scanner(msgspec.Struct):
    classification: str = ""
    tags: list[_Tag | str] = []


class _Business(msgspec.Struct):
    found: bool = False


class _Answer(msgspec.Struct):
    classification: str = ""
    riot: bool = False
    tags: list[_Tag | str] = []
    internet_scanner_intelligence: _Scanner | None = None
    business_service_intelligence: _Business | None = None


class GreyNoise:
    """See :class:`~decnet.intel.base.Provider`. ``url`` is what stands before the address."""

    name = "greynoise"

    def __init__(self, key: str, *, url: str, limit: Limit) -> None:
        self.limit: Limit | None = limit
        self._site = Site(self.name, url.rstrip("/") + "/", {"key": key})

    async def verdict_on(self, address: str) -> Verdict | None:
        """Its classification and tags; None for an address that it never saw."""
        answer = await self._site.ask("GET", f"{self._site.url}{address}", accepts=frozenset({200, _NEVER_SEEN}))
        return None if answer.status == _NEVER_SEEN else _verdict(address, decoded(self.name, answer.body, _Answer))

    async def aclose(self) -> None:
        """Let its connections go."""
        await self._site.aclose()


def _verdict(address: str, answer: _Answer) -> Verdict | None:
    scanner = answer.internet_scanner_intelligence or _Scanner()
    business = answer.business_service_intelligence or _Business()
    classification = (answer.classification or scanner.classification).lower()[:MAX_TEXT]
    tags = normalised([*answer.tags, *scanner.tags])
    is_business = answer.riot or business.found
    if not classification and not tags and not is_business:
        return None
    standing: Standing = "benign" if is_business else _STANDINGS.get(classification, "unknown")
    return Verdict(
        GreyNoise.name,
        address,
        standing,
        classification="benign" if is_business else classification,
        tags=tags,
        pointer=f"https://viz.greynoise.io/ip/{address}",
    )


def normalised(tags: Iterable[_Tag | str]) -> tuple[str, ...]:
    """Tags in the spelling of our table: ``SSH Bruteforcer`` and ``ssh-bruteforcer`` are ``ssh_bruteforcer``."""
    names = (tag if isinstance(tag, str) else tag.slug or tag.name for tag in tags)
    return distinct((tag_name(name) for name in names), MAX_LISTED)


def tag_name(name: str) -> str:
    """Lower case, with one ``_`` for whatever stands between words."""
    letters = "".join(char if char.isascii() and char.isalnum() else " " for char in name[:MAX_TEXT].lower())
    return "_".join(letters.split())
