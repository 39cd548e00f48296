"""``decnet ttp deadletters``: what workers could not handle, and handing it to them again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from decnet.cli.clock import minute_text
from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from decnet.bus.base import Bus

T = TypeVar("T")

app = typer.Typer(help="Show what could not be handled, and try it again.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_letters(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    json: Json = False,
) -> None:
    """List what could not be handled, the oldest first."""
    letters = _with_bus(lambda bus: bus.dead_letters(limit=limit))
    if json:
        fields = ("id", "durable", "topic", "partition", "error", "tries", "at")
        print_json([{name: getattr(letter, name) for name in fields} for letter in letters])
        return
    from rich.table import Column, Table
    from rich.text import Text

    table = Table("id", "worker", "topic", "since", Column("error", overflow="fold"), box=None, pad_edge=False)
    for letter in letters:
        since = minute_text(letter.at)
        table.add_row(*map(Text, (letter.id, letter.durable, letter.topic, since, shown(letter.error))))
    console().print(table)


@app.command()
def replay(
    letter: Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.")], *, json: Json = False
) -> None:
    """Hand it to its workers again; it is no dead letter any more. Exit code 1 when there is none."""
    _with_bus(lambda bus: bus.replay_dead_letter(letter))
    if json:
        print_json({"replayed": letter})
    else:
        console().print(f"{shown(letter, 120)} is on its way again")


def _with_bus(ask: Callable[[Bus], Awaitable[T]]) -> T:
    """What ``ask`` answers of this installation's bus.

    :raises DecnetError: the bus cannot be reached, or refuses.
    """
    from decnet.cli.opening import open_installation
    from decnet.cli.serve import open_bus

    with open_installation() as installation:

        async def asked() -> T:
            bus = await open_bus(installation)
            try:
                return await ask(bus)
            finally:
                await bus.close()

        return asyncio.run(asked())
