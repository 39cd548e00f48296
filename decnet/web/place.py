"""What the API works with, opened once by whoever starts it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from decnet.alerts.target import AllowedNetworks
from decnet.models.proxies import TrustedProxies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from decnet.attack.catalog import Catalog
    from decnet.bus.base import Bus
    from decnet.db.engine import Database
    from decnet.models.artifact import ArtifactStore
    from decnet.models.secret import SecretDigest
    from decnet.ttp.store.base import RuleStore


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPlace:
    """One installation as the API sees it. ``clock`` gives µs UTC; ``key`` is the installation's secret.

    ``catalog_of`` gives the ATT&CK catalogue of a release, ``newest`` is the one in force (of the enterprise domain).
    ``hosts`` are the names under which the API may be asked, without ports; ``is_https`` says that browsers reach it
    by HTTPS, so that cookies are for HTTPS alone. ``proxies`` may say for whom they ask.
    """

    database: Database
    bus: Bus
    rules: RuleStore
    digest: SecretDigest
    artifacts: ArtifactStore
    catalog_of: Callable[[str], Catalog]
    newest: Catalog
    clock: Callable[[], int]
    key: bytes = field(repr=False)
    hosts: tuple[str, ...]
    is_https: bool = False
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    alert_networks: AllowedNetworks = field(default_factory=AllowedNetworks)
    """Where alerts may go."""
    keeps_secrets: bool = False
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the API is to end: streams end by themselves."""
    overlay: Path | None = None
    """Where the operator's own ATT&CK releases lie."""
    packs: tuple[Path, ...] = ()
    """Where rules lie with their cases and figures, the operator's own first."""


async def web_place(request: Request) -> WebPlace:
    """What the application of ``request`` works with; asynchronous, since a thread would cost more than the look."""
    place: WebPlace = request.app.state.place
    return place


Place = Annotated[WebPlace, Depends(web_place)]
