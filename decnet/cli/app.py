"""``decnet``: the commands, and what a failure looks like."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from decnet import __version__
from decnet.cli import access, attack, canary, database, decoy, intel, serve, sources, ttp, web, webhook
from decnet.cli.terminal import shown
from decnet.errors import DecnetError

EXIT_REFUSED = 1
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="decnet",
    help="What attackers did to your honeypots, as MITRE ATT&CK techniques with evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(ttp.app, name="ttp")
app.add_typer(attack.app, name="attack")
app.add_typer(database.app, name="db")
app.add_typer(sources.app, name="sources")
app.add_typer(canary.app, name="canary")
app.add_typer(decoy.app, name="decoy")
app.add_typer(intel.app, name="intel")
app.add_typer(access.users, name="user")
app.add_typer(access.keys, name="key")
app.add_typer(access.sensors, name="sensor")
app.add_typer(webhook.app, name="webhook")
app.add_typer(serve.app)
app.add_typer(web.app)


@app.callback(invoke_without_command=True)
def _decnet(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the program notices on its way.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")


def main() -> None:
    """Run the command line: exit code 0 done, 1 some input refused, 2 usage."""
    try:
        app()
    except DecnetError as error:
        sys.stderr.write("".join(f"decnet: {shown(line)}\n" for line in str(error).splitlines()))
        sys.exit(EXIT_REFUSED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing to say to nobody
        sys.exit(EXIT_REFUSED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
