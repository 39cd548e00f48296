"""``decnet db``: the schema of the database."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from decnet.cli.terminal import console, print_json, shown

app = typer.Typer(help="Look after the database.", no_args_is_help=True)


@app.callback()
def _db() -> None:
    """Keep ``upgrade`` a command of its own: Typer would fold a single one into its group."""


@app.command()
def upgrade(*, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Bring the schema of DECNET_DB_URL to the version that this program needs; data stays."""
    from decnet.config import load_settings, unknown_settings
    from decnet.db.engine import upgrade_database

    for fault in unknown_settings(os.environ):
        sys.stderr.write(f"decnet: {shown(fault)}\n")
    done = upgrade_database(load_settings().database_url)
    if json:
        print_json({"database": done.place, "before": done.before, "after": done.after})
        return
    what = "is at schema" if done.before == done.after else "was brought to schema"
    console().print(f"{shown(done.place)} {what} {done.after}.", soft_wrap=True, markup=False, highlight=False)
