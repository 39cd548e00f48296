"""``decnet ttp identities`` and ``decnet ttp campaigns``: who did it, as a list."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.db.clusters import CampaignRow, IdentityRow

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Print JSON, times in µs UTC.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")]
Single = Annotated[bool, typer.Option("--all", help="Also those that are joined with nobody.")]


@app.command()
def identities(*, limit: Limit = 20, everyone: Single = False, json: Json = False) -> None:
    """List identities, attackers whose addresses differ and who are one and the same; the largest first."""
    from decnet.cli.opening import open_installation
    from decnet.db.clusters import identities as stored

    with open_installation() as installation:
        rows = installation.database.read(partial(stored, limit=limit, least=1 if everyone else 2))
    if json:
        print_json([identity_as_plain(row) for row in rows])
        return
    cells = [(str(row.attackers), *_cells(row)) for row in rows]
    _print(("identity", "attackers", *_SHARED), rows, cells, "No attackers are known to be one.")


@app.command()
def campaigns(*, limit: Limit = 20, everyone: Single = False, json: Json = False) -> None:
    """List campaigns, identities that work hand in hand; the largest first."""
    from decnet.cli.opening import open_installation
    from decnet.db.clusters import campaigns as stored

    with open_installation() as installation:
        rows = installation.database.read(partial(stored, limit=limit, least=1 if everyone else 2))
    if json:
        print_json([campaign_as_plain(row) for row in rows])
        return
    cells = [(str(row.identities), str(row.attackers), *_cells(row)) for row in rows]
    _print(("campaign", "identities", "attackers", *_SHARED), rows, cells, "No identities are known to work together.")


_SHARED = ("addresses", "techniques", "tags", "first seen", "last seen", "joined by")


def identity_as_plain(row: IdentityRow) -> dict[str, Any]:
    """An identity as plain values."""
    from decnet.models.ids import uuid_text

    return {
        "identity": uuid_text(row.uuid),
        "campaign": uuid_text(row.campaign_uuid),
        "attackers": row.attackers,
        **_as_plain(row),
    }


def campaign_as_plain(row: CampaignRow) -> dict[str, Any]:
    """A campaign as plain values."""
    from decnet.models.ids import uuid_text

    return {
        "campaign": uuid_text(row.uuid),
        "identities": row.identities,
        "attackers": row.attackers,
        **_as_plain(row),
    }


def _as_plain(row: IdentityRow | CampaignRow) -> dict[str, Any]:
    return {
        "addresses": list(row.addresses),
        "events": row.events,
        "tags": row.tags,
        "techniques": row.techniques,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "joined_by": list(row.joined_by),
    }


def _cells(row: IdentityRow | CampaignRow) -> tuple[str, ...]:
    from decnet.cli.summary import utc

    more = row.attackers - len(row.addresses)
    addresses = ", ".join(row.addresses) + (f" and {more:,} more" if more > 0 else "")
    seen = (utc(row.first_seen), utc(row.last_seen))
    return (addresses, f"{row.techniques:,}", f"{row.tags:,}", *seen, ", ".join(row.joined_by))


def _print(
    heads: Sequence[str],
    rows: Sequence[IdentityRow | CampaignRow],
    cells: Sequence[tuple[str, ...]],
    nothing: str,
) -> None:
    from rich.table import Table

    from decnet.models.ids import uuid_text

    if not rows:
        console().print(f"{nothing} Add --all to see each by itself.", soft_wrap=True)
        return
    table = Table(*heads)
    for row, others in zip(rows, cells, strict=True):
        table.add_row(*map(shown, (uuid_text(row.uuid)[:8], *others)))
    console().print(table)
