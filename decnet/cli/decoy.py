"""``decnet decoy``: what attackers touch, each as a program of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from decnet.cli.serve import stop_at_signals, tell
from decnet.cli.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from decnet.cli.opening import Installation
    from decnet.decoys.canary.decoy import CanaryDecoy
    from decnet.decoys.smtp.decoy import SmtpDecoy

app = typer.Typer(help="Run something for attackers to touch.", no_args_is_help=True)

_MAX_PORT = 65_535
Choice = TypeVar("Choice", bound=str)


@app.callback()
def _decoy() -> None:
    """Keep each decoy a command of its own: Typer would fold a single one into its group."""


@app.command("canary")
def serve_canaries(
    *,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where (default: DECNET_CANARY_LISTEN, 0.0.0.0:8080).")
    ] = None,
    sensor: Annotated[str, typer.Option(help="Name under which its events are stored.")] = "canary",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Serve the tokens that `decnet canary new` makes, and record who touches them. Stop with Ctrl-C or SIGTERM.

    Tags come from the workers: run `decnet serve` beside it.
    """
    from decnet.cli.opening import open_installation

    with open_installation() as installation:
        asyncio.run(_serve("canary", canary_decoy(installation, listen, sensor), as_json=json))


@app.command("smtp")
def serve_mail(
    *,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where (default: DECNET_SMTP_LISTEN, 0.0.0.0:2525).")
    ] = None,
    relay: Annotated[
        str | None,
        typer.Option(help="Take mail to others from anybody (open), after a log-in (auth) or never (closed)."),
    ] = None,
    flavour: Annotated[str | None, typer.Option(help="Speak like postfix, exim or exchange.")] = None,
    host: Annotated[str | None, typer.Option(help="What the server calls itself (default: DECNET_SMTP_HOST).")] = None,
    sensor: Annotated[str, typer.Option(help="Name under which its events are stored.")] = "smtp",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Pose as a mail server: take mail, keep it, deliver none. Stop with Ctrl-C or SIGTERM.

    Tags come from the workers: run `decnet serve` beside it.
    """
    from decnet.cli.opening import open_installation

    with open_installation() as installation:
        decoy = smtp_decoy(installation, listen=listen, relay=relay, flavour=flavour, host=host, sensor=sensor)
        asyncio.run(_serve("smtp", decoy, as_json=json))


def smtp_decoy(
    installation: Installation,
    *,
    listen: str | None = None,
    relay: str | None = None,
    flavour: str | None = None,
    host: str | None = None,
    sensor: str = "smtp",
) -> SmtpDecoy:
    """The SMTP decoy as the settings want it, not yet listening; what is given here wins over them.

    :raises SettingsError: an address or a choice is none, or the certificate cannot be made.
    """
    from decnet.decoys.smtp.certificate import tls_context
    from decnet.decoys.smtp.decoy import RELAYS, Manner, SmtpDecoy
    from decnet.decoys.smtp.flavours import FLAVOURS

    settings = installation.settings
    name = host or settings.smtp_host
    if not all(label.replace("-", "").isalnum() and label.isascii() for label in name.split(".")):
        raise typer.BadParameter(f"{shown(name, 60)} is no name of a host", param_hint="--host")
    speaks = _chosen(flavour or settings.smtp_flavour, FLAVOURS, "--flavour")
    relays = _chosen(relay or settings.smtp_relay, RELAYS, "--relay")
    manner = Manner(name, speaks, relays)
    address, port = listening_place(listen or settings.smtp_listen)
    return SmtpDecoy(
        installation.database,
        installation.artifacts(),
        installation.digest,
        address,
        port,
        manner=manner,
        tls=tls_context(settings.folder / "smtp", name),
        sensor=sensor,
    )


def canary_decoy(installation: Installation, listen: str | None = None, sensor: str = "canary") -> CanaryDecoy:
    """The canary decoy as the settings want it, not yet listening; ``listen`` (``HOST:PORT``) wins over them.

    :raises SettingsError: an address or a proxy is none.
    """
    from decnet.decoys.canary.decoy import CanaryDecoy
    from decnet.models.proxies import TrustedProxies

    settings = installation.settings
    host, port = listening_place(listen or settings.canary_listen)
    return CanaryDecoy(
        installation.database,
        installation.artifacts(),
        installation.digest,
        host,
        port,
        origin=settings.canary_url,
        proxies=TrustedProxies(settings.proxies),
        sensor=sensor,
    )


async def _serve(name: str, decoy: CanaryDecoy | SmtpDecoy, *, as_json: bool) -> None:
    stop = asyncio.Event()
    stop_at_signals(stop)
    host, port = await decoy.listen()
    facts = {"serving": [name], "host": host, "port": port}
    tell(facts, f"{name} listens at {host}:{port}; stop with Ctrl-C", as_json=as_json)
    await decoy.run(stop)
    tell({"stopped": [name]}, "stopped", as_json=as_json)


def _chosen(word: str, choices: Sequence[Choice], option: str) -> Choice:
    """The one of ``choices`` that ``word`` is."""
    for choice in choices:
        if choice == word:
            return choice
    raise typer.BadParameter(f"{shown(word, 60)} is none; choose one of {', '.join(choices)}", param_hint=option)


def listening_place(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[::1]:PORT`` or ``:PORT`` for all addresses.

    :raises SettingsError: it is none of these.
    """
    from decnet.errors import SettingsError

    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > _MAX_PORT:
        raise SettingsError(f"{shown(text, 60)} is no place to listen at; write HOST:PORT, such as 0.0.0.0:8080")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - that is what was asked for


DECOYS: dict[str, Callable[[Installation], CanaryDecoy | SmtpDecoy]] = {"canary": canary_decoy, "smtp": smtp_decoy}
"""Every decoy as the settings want it, by name: what ``decnet serve --decoys`` runs beside the workers."""
