"""AbuseIPDB: what others reported of an address, in categories, and a score of 0 to 100.

Documented at https://docs.abuseipdb.com/#check-endpoint; without ``verbose`` the answer has no ``reports``, and so no
categories::

    {"data": {"ipAddress": "118.25.6.39", "isWhitelisted": false, "abuseConfidenceScore": 100, "totalReports": 1,
              "reports": [{"reportedAt": "2018-12-20T20:55:14+00:00", "comment": "Invalid user oracle",
                           "categories": [18, 22], "reporterId": 1}]}}

Errors have ``{"errors": [{"detail": "Daily rate limit of 1000 requests exceeded…", "status": 429}]}`` and, on 429, the
header ``Retry-After`` in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.intel.base import clamped, standing_of
from decnet.intel.http import Site, decoded
from decnet.models.intel import MAX_LISTED, Verdict

if TYPE_CHECKING:
    from decnet.intel.base import Limit
    from decnet.models.intel import Standing

MAX_AGE_DAYS = 30


class _Report(msgspec.Struct):
    categories: list[int] = []


class _Data(msgspec.Struct, rename="camel"):
    abuse_confidence_score: float
    is_whitelisted: bool | None = None
    reports: list[_Report] = []


class _Check(msgspec.Struct):
    data: _Data


class AbuseIPDB:
    """See :class:`~decnet.intel.base.Provider`."""

    name = "abuseipdb"

    def __init__(self, key: str, *, url: str, limit: Limit) -> None:
        self.limit: Limit | None = limit
        self._site = Site(self.name, url, {"Key": key})

    async def verdict_on(self, address: str) -> Verdict | None:
        """Its score and every category of the reports of the last 30 days; None for an address nobody reported."""
        asked = {"ipAddress": address, "maxAgeInDays": str(MAX_AGE_DAYS), "verbose": ""}
        answer = await self._site.ask("GET", self._site.url, params=asked)
        return _verdict(address, decoded(self.name, answer.body, _Check).data)

    async def aclose(self) -> None:
        """Let its connections go."""
        await self._site.aclose()


def _verdict(address: str, data: _Data) -> Verdict | None:
    score = clamped(data.abuse_confidence_score)
    categories = sorted({category for report in data.reports for category in report.categories})
    if not score and not categories:
        return None
    standing: Standing = "benign" if data.is_whitelisted else standing_of(score)
    return Verdict(
        AbuseIPDB.name,
        address,
        standing,
        score=score,
        categories=tuple(categories[:MAX_LISTED]),
        pointer=f"https://www.abuseipdb.com/check/{address}",
    )
