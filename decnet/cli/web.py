"""``decnet web``: the API, served alone."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from decnet.cli.clock import now_us
from decnet.cli.serve import UntilClosed, open_bus, stop_at_signals, tell, tell_first_admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from decnet.cli.opening import Installation
    from decnet.web.place import WebPlace

app = typer.Typer()


@app.command()
def web(
    *,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where (default: DECNET_WEB_LISTEN, 127.0.0.1:8000).")
    ] = None,
    until_closed: UntilClosed = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Serve the API. Stop with Ctrl-C or SIGTERM.

    The first start makes an account `admin` and prints its password, once.
    """
    from decnet.cli.opening import open_installation

    with open_installation() as installation:
        tell_first_admin(installation, as_json=json)
        asyncio.run(_serve(installation, listen, until_closed=until_closed, as_json=json))


async def _serve(installation: Installation, listen: str | None, *, until_closed: bool, as_json: bool) -> None:
    from decnet.cli.decoy import listening_place
    from decnet.web.app import make_app
    from decnet.web.server import serve_app

    host, port = listening_place(listen or installation.settings.web_listen)
    stop = asyncio.Event()
    stop_at_signals(stop, until_closed=until_closed)
    listening: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()

    def told(place: asyncio.Future[tuple[str, int]]) -> None:
        if not place.cancelled():
            at = place.result()
            facts: dict[str, object] = {"serving": ["web"], "host": at[0], "port": at[1]}
            tell(facts, f"web listens at http://{at[0]}:{at[1]}", as_json=as_json)

    listening.add_done_callback(told)
    async with web_place(installation, stop) as place:
        application = make_app(place)
        gc.collect()
        gc.freeze()  # what is served from now on: collections pass over it
        await serve_app(application, host, port, stop, listening)
    tell({"stopped": ["web"]}, "stopped", as_json=as_json)


@asynccontextmanager
async def web_place(installation: Installation, stop: asyncio.Event) -> AsyncIterator[WebPlace]:
    """What the API works with until ``stop`` is set.

    :raises DecnetError: the settings, the bus or the catalogue cannot be used.
    """
    from decnet.alerts.target import AllowedNetworks
    from decnet.attack import catalog
    from decnet.config import installation_key
    from decnet.models.proxies import TrustedProxies
    from decnet.ttp.store.filesystem import default_rules_folder
    from decnet.web.place import WebPlace

    settings = installation.settings
    overlay = settings.folder / "attack"
    bus = await open_bus(installation)
    store = installation.rule_store()
    try:
        yield WebPlace(
            database=installation.database,
            bus=bus,
            rules=store,
            digest=installation.digest,
            artifacts=installation.artifacts(),
            catalog_of=partial(catalog.load, overlay=overlay),
            newest=catalog.load(catalog.current_releases(overlay)["enterprise"], overlay),
            clock=now_us,
            key=installation_key(settings),
            hosts=_hosts(settings.web_url, settings.web_listen),
            is_https=settings.web_url.startswith("https://"),
            proxies=TrustedProxies(settings.proxies),
            alert_networks=AllowedNetworks(settings.alert_networks),
            keeps_secrets=settings.keeps_secrets,
            overlay=overlay,
            stop=stop,
            packs=(settings.folder / "rules", settings.rules_dir or default_rules_folder()),
        )
    finally:
        await store.aclose()
        await bus.close()


def _hosts(url: str, listen: str) -> tuple[str, ...]:
    """The names under which the API may be asked: this host's own, where it listens, and the one of the setting."""
    import socket
    from urllib.parse import urlsplit

    from decnet.errors import SettingsError

    named = urlsplit(url).hostname
    if url and not named:
        raise SettingsError("DECNET_WEB_URL is no address; write https://decnet.example.org")
    where = listen.rpartition(":")[0].strip("[]")
    names = {"localhost", "127.0.0.1", "::1", socket.gethostname(), where, named or ""}
    return tuple(sorted(name.lower() for name in names if name))
