"""The providers and lists that an operator has switched on, and how lists are kept up to date."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from decnet.errors import InputRefused, ProviderFailed
from decnet.intel.abuseipdb import AbuseIPDB
from decnet.intel.base import limit_of
from decnet.intel.feeds import exits_feed, malwarebazaar_feed, update_feed
from decnet.intel.feodo import Feodo
from decnet.intel.greynoise import GreyNoise
from decnet.intel.threatfox import ThreatFox
from decnet.telemetry import logger
from decnet.workers.stopping import pause_unless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from decnet.config import Settings
    from decnet.intel.base import Provider
    from decnet.intel.feeds import Feed

FRESH_S = 86_400.0
"""How old a list becomes before it is fetched again."""
_LOOK_S = 60.0
_RETRIES_S = (300.0, 900.0, 3_600.0)
_log = logger(__name__)


def providers_of(settings: Settings, clock: Callable[[], int]) -> list[Provider]:
    """One client for each, for the event loop that runs now; those that have no key are not there.

    :raises SettingsError: a URL cannot be used.
    """
    made: list[Provider] = []
    if key := settings.abuseipdb_api_key.get_secret_value():
        made.append(AbuseIPDB(key, url=settings.abuseipdb_url, limit=limit_of(settings.abuseipdb_limit)))
    if key := settings.greynoise_api_key.get_secret_value():
        made.append(GreyNoise(key, url=settings.greynoise_url, limit=limit_of(settings.greynoise_limit)))
    if key := settings.threatfox_api_key.get_secret_value():
        made.append(ThreatFox(key, url=settings.threatfox_url, limit=limit_of(settings.threatfox_limit)))
    if settings.feodo:
        made.append(Feodo(clock, url=settings.feodo_url))
    return made


def feeds_of(settings: Settings) -> list[Feed]:
    """The lists that are kept up to date; those that have neither key nor source are not there."""
    folder = settings.intel_folder
    exits = (("tor", settings.tor_exits), ("vpn", settings.vpn_exits))
    feeds = [exits_feed(folder, kind, source) for kind, source in exits if source]
    if key := settings.malwarebazaar_api_key.get_secret_value():
        feeds.append(malwarebazaar_feed(folder, settings.malwarebazaar_url, key))
    return feeds


async def keep_feeds(feeds: Sequence[Feed], stop: asyncio.Event, *, retries_s: Sequence[float] = _RETRIES_S) -> None:
    """Each list is fetched when it is missing or a day old, until ``stop`` is set; one that fails delays no other."""
    async with asyncio.TaskGroup() as tasks:
        for feed in feeds:
            tasks.create_task(_keep_feed(feed, stop, retries_s))


async def _keep_feed(feed: Feed, stop: asyncio.Event, retries_s: Sequence[float]) -> None:
    failures = 0
    while not stop.is_set():
        pause_s = _LOOK_S
        if _age_s(feed) >= FRESH_S:
            try:
                _log.info("%s: %s entries", feed.name, f"{await update_feed(feed, _nobody_watches):,}")
                failures = 0
            except (ProviderFailed, InputRefused, OSError) as error:
                pause_s = retries_s[min(failures, len(retries_s) - 1)]
                failures += 1
                _log.warning("%s; fetched again in %.0f s", error, pause_s)
        await pause_unless(stop, pause_s)


def _age_s(feed: Feed) -> float:
    return time.time() - feed.path.stat().st_mtime if feed.path.exists() else FRESH_S


def _nobody_watches(_done: int, _total: int | None) -> None:
    """No bar is drawn."""
