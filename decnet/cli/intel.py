"""``decnet intel``: the lists of third parties, fetched and put in place."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from decnet.cli.terminal import console, print_json_line, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from decnet.intel.feeds import Feed, Progress

app = typer.Typer(help="Lists of third parties: known malware, exits of Tor and VPNs, networks.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


@app.command()
def update_feeds(*, as_json: Json = False) -> None:
    """Fetch the lists that are switched on, whatever their age: known malware, exits of Tor and of VPNs.

    Exit code 1 when one of them could not be had; what was there before stays in use.
    """
    from decnet.config import load_settings
    from decnet.workers.providers import feeds_of

    feeds = feeds_of(load_settings())
    if not feeds:
        raise typer.BadParameter(
            "no list is switched on; set DECNET_MALWAREBAZAAR_API_KEY, DECNET_TOR_EXITS or DECNET_VPN_EXITS",
            param_hint="settings",
        )
    failed = [feed.name for feed in feeds if not _update(feed, as_json=as_json)]
    raise typer.Exit(1 if failed else 0)


@app.command()
def update_networks(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE|URL...", help="MMDB files, or tables of iptoasn.com (.tsv, .tsv.gz)."),
    ],
    *,
    as_json: Json = False,
) -> None:
    """Put these files of networks and countries in place of those that are there."""
    from decnet.config import load_settings

    folder = load_settings().intel_folder
    with _bar("networks") as progress:
        installed = asyncio.run(_install(sources, folder, progress))
    if as_json:
        print_json_line({"networks": [str(path) for path in installed]})
    else:
        console(stderr=True).print(f"networks: {', '.join(path.name for path in installed)} in {folder}")


async def _install(sources: Sequence[str], folder: Path, progress: Progress) -> list[Path]:
    from contextlib import AsyncExitStack

    from decnet.intel.feeds import fetched
    from decnet.intel.networks import install_networks

    async with AsyncExitStack() as stack:
        contexts = [fetched("networks", source, folder, {}, progress) for source in sources]
        paths = [await stack.enter_async_context(context) for context in contexts]
        return await asyncio.to_thread(install_networks, paths, folder)


def _update(feed: Feed, *, as_json: bool) -> bool:
    from decnet.errors import InputRefused, ProviderFailed
    from decnet.intel.feeds import update_feed

    try:
        with _bar(feed.name) as progress:
            count = asyncio.run(update_feed(feed, progress))
    except (ProviderFailed, InputRefused, OSError) as error:
        facts: dict[str, object] = {"feed": feed.name, "error": str(error)}
        words = f"{feed.name}: {shown(str(error))}"
    else:
        facts, words = {"feed": feed.name, "entries": count}, f"{feed.name}: {count:,} entries"
    if as_json:
        print_json_line(facts)
    else:
        console(stderr=True).print(words, markup=False)
    return "error" not in facts


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    """A bar of the bytes that are fetched, on a terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
