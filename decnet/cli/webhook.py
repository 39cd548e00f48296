"""``decnet webhook``: who is told of new tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from decnet.cli.access import refuse, shell_user
from decnet.cli.clock import now_us
from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from decnet.cli.opening import Installation
    from decnet.web.routes.webhooks import MadeWebhook, NewWebhook

EXIT_REFUSED = 1

app = typer.Typer(help="Who is told of new tags, by webhook or syslog.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, max=2**53 - 1, help="As the list shows it.")]
Url = Annotated[
    str,
    typer.Argument(metavar="URL", help="https://… for webhooks; udp://, tcp:// or tls://HOST:PORT for syslog."),
]
Several = list[str] | None


@app.command()
def add(
    name: Name,
    url: Url,
    *,
    format: Annotated[  # noqa: A002 - the option's name
        str | None, typer.Option(help="json for webhooks (the default there); rfc5424 (the default) or cef for syslog.")
    ] = None,
    technique: Annotated[Several, typer.Option(help="Only this one and its sub-techniques; may be repeated.")] = None,
    tactic: Annotated[Several, typer.Option(help="Only this one; may be repeated.")] = None,
    identity: Annotated[Several, typer.Option(help="Only this one, by its uuid; may be repeated.")] = None,
    min_confidence: Annotated[float | None, typer.Option(help="From this confidence on (0.6).")] = None,
    per_minute: Annotated[int | None, typer.Option(help="So many a minute; the rest is counted (60).")] = None,
    json: Json = False,
) -> None:
    """Tell a receiver of new tags. The secret that a webhook's alerts are signed with is printed once."""
    from decnet.cli.opening import open_installation

    given = {
        "name": name,
        "url": url,
        "format": format,
        "techniques": technique or None,
        "tactics": tactic or None,
        "identities": identity or None,
        "min_confidence": min_confidence,
        "per_minute": per_minute,
    }
    body = _body({key: value for key, value in given.items() if value is not None})
    with open_installation() as installation:
        made = _made(installation, body)
    if json:
        print_json(made.model_dump())
        return
    if made.secret is not None:
        console().print(made.secret, soft_wrap=True)
    told = "; its secret is shown this once" if made.secret is not None else ""
    console(stderr=True).print(f"number {made.id}, {made.format}{told}", style="dim")


@app.command("list")
def list_hooks(*, json: Json = False) -> None:
    """List all receivers, with how their last deliveries went."""
    from rich.table import Table
    from rich.text import Text

    from decnet.cli.opening import open_installation
    from decnet.db.hooks import all_hooks
    from decnet.web.routes.webhooks import told

    with open_installation() as installation:
        found = installation.database.read(all_hooks)
    if json:
        print_json([told(hook).model_dump() for hook in found])
        return
    table = Table("number", "name", "to", "format", "from", "a minute", "state", box=None, pad_edge=False)
    for hook in found:
        state = "off" if hook.disabled_at is not None else f"failed {hook.failures}" if hook.failures else "on"
        cells = (str(hook.id), hook.name, hook.url, hook.format, f"{hook.wanted.min_confidence:g}")
        table.add_row(*(Text(shown(cell, 200)) for cell in (*cells, str(hook.per_minute), state)))
    console().print(table)


@app.command()
def revoke(number: Number, *, json: Json = False) -> None:
    """Tell a receiver nothing more; its deliveries are deleted, dead ones too."""
    from decnet.cli.opening import open_installation
    from decnet.web.routes.webhooks import remove_hook

    with open_installation() as installation:
        is_revoked = remove_hook(installation.database, number, actor=shell_user(), now=now_us())
    if json:
        print_json({"revoked": is_revoked})
    elif is_revoked:
        console().print("revoked")
    if not is_revoked:
        refuse(f"{number}: no such webhook; see `decnet webhook list`")


def _body(given: dict[str, object]) -> NewWebhook:
    from pydantic import ValidationError

    from decnet.web.routes.webhooks import NewWebhook

    try:
        return NewWebhook.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0])
        raise typer.BadParameter(f"{shown(str(first['input']), 60)}: {first['msg']}", param_hint=where) from None


def _made(installation: Installation, body: NewWebhook) -> MadeWebhook:
    from decnet.alerts.target import AllowedNetworks
    from decnet.config import installation_key
    from decnet.web.problems import Refused
    from decnet.web.routes.webhooks import make_hook

    allowed, key = AllowedNetworks(installation.settings.alert_networks), installation_key(installation.settings)
    try:
        return make_hook(installation.database, body, allowed, key, actor=shell_user(), now=now_us())
    except Refused as error:
        refuse(shown(str(error.detail)))
