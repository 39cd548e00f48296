"""``decnet ttp export``: stored tags as files that other tools open without an edit."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from decnet.attack.catalog import Catalog
    from decnet.db.tag_pages import Order
    from decnet.export.navigator import Layer
    from decnet.models.stored_tag import StoredTag, TagFilter

app = typer.Typer(help="Write stored tags for other tools.", no_args_is_help=True)

Attacker = Annotated[str | None, typer.Option(help="Only of this source address.")]
Identity = Annotated[str | None, typer.Option(help="Only of this identity and all its attackers.")]
Campaign = Annotated[str | None, typer.Option(help="Only of this campaign and all its identities.")]
Floor = Annotated[
    float, typer.Option("--min-confidence", min=0.0, max=1.0, help="Leave out what is less sure.", show_default=True)
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of standard output.")]
Marking = Annotated[str, typer.Option("--tlp", help="With whom it may be shared: clear, green, amber or red.")]


@app.command()
def navigator(
    *,
    attacker: Attacker = None,
    identity: Identity = None,
    campaign: Campaign = None,
    min_confidence: Floor = 0.3,
    latest: Annotated[bool, typer.Option("--latest", help="Tell tags of older releases in the current one.")] = False,
    output: Output = None,
) -> None:
    """A layer of the ATT&CK Navigator, one per release of ATT&CK."""
    import msgspec

    wanted = _filter(attacker, identity, campaign, min_confidence)
    layers = _layers(wanted, latest=latest)
    _write([msgspec.json.format(msgspec.json.encode(layers[0] if len(layers) == 1 else layers)) + b"\n"], output)


@app.command()
def stix(
    *,
    attacker: Attacker = None,
    identity: Identity = None,
    campaign: Campaign = None,
    min_confidence: Floor = 0.6,
    tlp: Marking = "amber",
    output: Output = None,
) -> None:
    """A bundle of STIX 2.1: sightings of attack patterns, and what was observed."""
    from decnet.db.tag_pages import Order
    from decnet.export.stix import stix_bundle

    wanted = _filter(attacker, identity, campaign, min_confidence)
    _export(partial(stix_bundle, marking=_marking(tlp)), wanted, Order.OLDEST, output)


@app.command()
def misp(
    *,
    attacker: Attacker = None,
    identity: Identity = None,
    campaign: Campaign = None,
    min_confidence: Floor = 0.6,
    tlp: Marking = "amber",
    output: Output = None,
) -> None:
    """Events of MISP, one per attacker and day, with galaxy tags and sightings."""
    from decnet.db.tag_pages import Order
    from decnet.export.misp import misp_events

    wanted = _filter(attacker, identity, campaign, min_confidence)
    _export(partial(misp_events, marking=_marking(tlp)), wanted, Order.ATTACKER, output)


@app.command()
def ecs(
    *,
    attacker: Attacker = None,
    identity: Identity = None,
    campaign: Campaign = None,
    min_confidence: Floor = 0.6,
    output: Output = None,
) -> None:
    """JSON lines in the Elastic Common Schema."""
    from decnet.db.tag_pages import Order
    from decnet.export.ecs import ecs_lines

    _export(ecs_lines, _filter(attacker, identity, campaign, min_confidence), Order.OLDEST, output)


@app.command()
def csv(
    *,
    attacker: Attacker = None,
    identity: Identity = None,
    campaign: Campaign = None,
    min_confidence: Floor = 0.6,
    output: Output = None,
) -> None:
    """A table that a spreadsheet opens, safe from formulas in what attackers typed."""
    from decnet.db.tag_pages import Order
    from decnet.export.table import table_lines

    _export(table_lines, _filter(attacker, identity, campaign, min_confidence), Order.OLDEST, output)


def _export(
    pieces_of: Callable[[Iterable[StoredTag], Callable[[str], Catalog]], Iterator[bytes]],
    wanted: TagFilter,
    order: Order,
    output: Path | None,
) -> None:
    from decnet.attack import catalog
    from decnet.cli.opening import open_installation
    from decnet.db.tag_pages import all_tags

    with open_installation() as installation:
        overlay = installation.settings.folder / "attack"
        load = cache(partial(catalog.load, overlay=overlay))
        _write(pieces_of(all_tags(installation.database, wanted, order), load), output)


def _layers(wanted: TagFilter, *, latest: bool) -> list[Layer]:
    from decnet.attack import catalog
    from decnet.cli.opening import open_installation
    from decnet.db.views import techniques_of
    from decnet.export.navigator import migrated_layers, navigator_layers

    with open_installation() as installation:
        overlay = installation.settings.folder / "attack"
        rows = installation.database.read(partial(techniques_of, wanted=wanted))
    load = cache(partial(catalog.load, overlay=overlay))
    if latest:
        current = [load(release) for release in catalog.current_releases(overlay).values()]
        return migrated_layers(rows, name="Honeypots", catalogs=current)
    return navigator_layers(rows, name="Honeypots", catalog_of=load)


def _filter(attacker: str | None, identity: str | None, campaign: str | None, floor: float) -> TagFilter:
    from decnet.cli.maintenance import address_of
    from decnet.models.actor import CampaignUuid, IdentityUuid, attacker_uuid
    from decnet.models.stored_tag import TagFilter

    if sum(one is not None for one in (attacker, identity, campaign)) > 1:
        raise typer.BadParameter("give one of --attacker, --identity and --campaign")
    return TagFilter(
        attacker=attacker_uuid(address_of(attacker, "--attacker")) if attacker is not None else None,
        identity=IdentityUuid(_uuid(identity, "--identity")) if identity is not None else None,
        campaign=CampaignUuid(_uuid(campaign, "--campaign")) if campaign is not None else None,
        min_confidence=floor,
    )


def _uuid(text: str, option: str) -> bytes:
    from decnet.cli.terminal import shown

    try:
        return UUID(text).bytes
    except ValueError:
        raise typer.BadParameter(f"{shown(text, 60)} is no uuid", param_hint=option) from None


def _marking(text: str) -> str:
    from decnet.export.stix import MARKINGS

    if text not in MARKINGS:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(MARKINGS)}", param_hint="--tlp")
    return text


def _write(pieces: Iterable[bytes], output: Path | None) -> None:
    with _opened(output) as write:
        for piece in pieces:
            write(piece)


@contextmanager
def _opened(output: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Standard output, or a file that is whole or as it was."""
    if output is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    scratch = output.with_name(f".{output.name}.part")
    try:
        with scratch.open("wb") as file:
            yield file.write
        scratch.replace(output)
    except OSError as error:
        raise typer.BadParameter(f"{output}: {error.strerror}", param_hint="--output") from None
    finally:
        scratch.unlink(missing_ok=True)
