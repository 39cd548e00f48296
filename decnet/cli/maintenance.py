"""``decnet ttp backfill``, ``vacuum`` and ``purge``: what is stored, evaluated again, made smaller, or forgotten."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from decnet.cli.clock import now_us
from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from decnet.workers.backfill import BackfillReport

EXIT_REFUSED = 1

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def backfill(*, json: Json = False) -> None:
    """Evaluate all stored events and findings again by the rules in force now; interrupted, it goes on where it was.

    Tags that older versions of these rules wrote on them are superseded: they stay stored and leave every view. A
    second run adds nothing. Disabled rules take no part.
    """
    import asyncio
    from dataclasses import asdict

    from decnet.cli.opening import complain, open_installation
    from decnet.workers.backfill import Backfill

    with open_installation() as installation:
        loaded = asyncio.run(installation.rule_store().load_compiled())
        complain(loaded.faults)
        rules = installation.live_rules(loaded)
        shard = 0 if installation.database.is_embedded else 1 + os.getpid() % 1_000
        again = Backfill(installation.database, loaded, rules, clock=now_us, shard=shard)
        with _progress(shown_to_people=not json) as on_step:
            report = again.run(on_step)
    if json:
        print_json(asdict(report))
        return
    resumed = f" (after {report.resumed_at:,} of an earlier run)" if report.resumed_at else ""
    console().print(
        f"{report.events:,} events and {report.findings:,} findings evaluated again{resumed}: "
        f"{report.new_tags:,} new tags, {report.superseded:,} superseded.",
        soft_wrap=True,
    )


@app.command()
def vacuum(*, json: Json = False) -> None:
    """Make the database smaller: fold sums, drop old sums per hour and old leases. Safe while everything runs."""
    from decnet.cli.opening import open_installation
    from decnet.db.maintenance import compact, drop_old_hours, drop_old_leases, fold_fleet_shards

    with open_installation() as installation:
        database, now = installation.database, now_us()
        done = {
            "sums_folded": fold_fleet_shards(database),
            "hours_dropped": drop_old_hours(database, now=now),
            "leases_dropped": drop_old_leases(database, now=now),
        }
        compact(database)
    if json:
        print_json(done)
        return
    console().print(
        f"{done['sums_folded']:,} sums folded, {done['hours_dropped']:,} sums of old hours and "
        f"{done['leases_dropped']:,} old leases dropped."
    )


@app.command()
def purge(
    attacker: Annotated[str, typer.Argument(metavar="ATTACKER", help="The source address.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Forget an attacker: its sessions, events, tags and sums. Exit code 1 when it is not stored.

    Its lines stay in the honeypot's logs: remove them there too, or they are read again with ``--again``.
    """
    from dataclasses import asdict

    from decnet.cli.opening import open_installation
    from decnet.db.maintenance import purge_attacker

    address = address_of(attacker)
    with open_installation() as installation:
        if not yes:
            typer.confirm(f"Delete everything of {address} for good?", abort=True, err=True)
        purged = purge_attacker(installation.database, address)
    if json:
        print_json({"attacker": address, **(asdict(purged) if purged else {"tags": 0, "events": 0, "sessions": 0})})
    elif purged is None:
        console(stderr=True).print(f"{address} is not stored; nothing was deleted.")
    else:
        console().print(
            f"{address} is forgotten: {purged.sessions:,} sessions, {purged.events:,} events, {purged.tags:,} tags."
        )
    if purged is None:
        raise typer.Exit(EXIT_REFUSED)


def address_of(text: str, option: str = "ATTACKER") -> str:
    """``text`` in the one spelling of its address.

    :raises typer.BadParameter: it is none.
    """
    from decnet.models.actor import canonical_address

    try:
        return canonical_address(text)
    except ValueError:
        raise typer.BadParameter(
            f"{shown(text, 60)} is no IP address; give one, such as 198.51.100.7", param_hint=option
        ) from None


@contextmanager
def _progress(*, shown_to_people: bool) -> Iterator[Callable[[BackfillReport], None] | None]:
    """A bar over all stored events; nothing where nobody looks."""
    screen = console(stderr=True)
    if not shown_to_people or not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("evaluating again"), BarColumn(), TextColumn("{task.fields[done]}"), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("", total=None, done="")

        def advance(report: BackfillReport) -> None:
            done = f"{report.seen:,} of {report.total:,} events and findings, {report.new_tags:,} tags"
            progress.update(task, total=max(report.total, report.seen), completed=report.seen, done=done)

        yield advance
