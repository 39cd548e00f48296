"""``decnet ttp export``: stored tags as files that other tools open without an edit."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from decnet.export.formats import FORMATS, Format, blocks, evidence_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from decnet.db.engine import Database
    from decnet.export.navigator import Layer
    from decnet.models.stored_tag import TagFilter

app = typer.Typer(help="Write stored tags for other tools.", no_args_is_help=True)

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Attacker = Annotated[str | None, typer.Option(help="Only of this source address.")]
Identity = Annotated[str | None, typer.Option(help="Only of this identity and all its attackers.")]
Campaign = Annotated[str | None, typer.Option(help="Only of this campaign and all its identities.")]
Floor = Annotated[
    float, typer.Option("--min-confidence", min=0.0, max=1.0, help="Leave out what is less sure.", show_default=True)
]
Since = Annotated[
    datetime | None, typer.Option(formats=_MOMENTS, help="Only what was seen at this time (UTC) or later.")
]
Until = Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="Only what was seen before this time (UTC).")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of standard output.")]
Marking = Annotated[str, typer.Option("--tlp", help="With whom it may be shared: clear, green, amber or red.")]


@app.command()
def navigator(
    *,
    attacker: Attacker = None,
    identity: Identity = None,
    campaign: Campaign = None,
    min_confidence: Floor = 0.3,
    since: Since = None,
    until: Until = None,
    latest: Annotated[bool, typer.Option("--latest", help="Tell tags of older releases in the current one.")] = False,
    output: Output = None,
) -> None:
    """A layer of the ATT&CK Navigator, one per release of ATT&CK. Times are rounded out to whole days."""
    from decnet.export.navigator import layer_text

    layers = _layers(_filter(attacker, identity, campaign, min_confidence, since, until), latest=latest)
    _write([layer_text(layers)], output)


def _add(form: Format) -> None:
    """A command that writes ``form``."""

    @app.command(form.name, help=form.about)
    def command(
        *,
        attacker: Attacker = None,
        identity: Identity = None,
        campaign: Campaign = None,
        min_confidence: Floor = 0.6,
        since: Since = None,
        until: Until = None,
        tlp: Marking = "amber",
        output: Output = None,
    ) -> None:
        wanted = _filter(attacker, identity, campaign, min_confidence, since, until)
        _export(form, wanted, _marking(tlp), output)


for _form in FORMATS.values():
    _add(_form)


def _export(form: Format, wanted: TagFilter, marking: str, output: Path | None) -> None:
    from decnet.attack import catalog
    from decnet.cli.opening import open_installation
    from decnet.db.tag_pages import all_tags

    with open_installation() as installation:
        load = cache(partial(catalog.load, overlay=installation.settings.folder / "attack"))
        tags = all_tags(installation.database, _in_force(installation.database, wanted), form.order)
        _write(blocks(form.pieces(tags, load, marking)), output)


def _layers(wanted: TagFilter, *, latest: bool) -> list[Layer]:
    from decnet.cli.opening import open_installation
    from decnet.db.views import techniques_of
    from decnet.export.navigator import layers_of

    with open_installation() as installation:
        settings = installation.settings
        known = _in_force(installation.database, wanted)
        rows = installation.database.read(partial(techniques_of, wanted=known))
    evidence = evidence_url(settings.web_url, known) if settings.web_url else None
    return layers_of(rows, name="Honeypots", latest=latest, overlay=settings.folder / "attack", evidence=evidence)


def _in_force(database: Database, wanted: TagFilter) -> TagFilter:
    from decnet.db.owners import owner_in_force

    known = database.read(partial(owner_in_force, wanted=wanted))
    if known is None:
        raise typer.BadParameter("nobody of that address or uuid is stored; 'decnet ttp export csv' names all")
    return known


def _filter(
    attacker: str | None,
    identity: str | None,
    campaign: str | None,
    floor: float,
    since: datetime | None,
    until: datetime | None,
) -> TagFilter:
    from decnet.cli.maintenance import address_of
    from decnet.models.actor import CampaignUuid, IdentityUuid, attacker_uuid
    from decnet.models.stored_tag import TagFilter

    if sum(one is not None for one in (attacker, identity, campaign)) > 1:
        raise typer.BadParameter("give one of --attacker, --identity and --campaign")
    if since is not None and until is not None and since >= until:
        raise typer.BadParameter("nothing is before it and since --since", param_hint="--until")
    return TagFilter(
        attacker=attacker_uuid(address_of(attacker, "--attacker")) if attacker is not None else None,
        identity=IdentityUuid(_uuid(identity, "--identity")) if identity is not None else None,
        campaign=CampaignUuid(_uuid(campaign, "--campaign")) if campaign is not None else None,
        min_confidence=floor,
        since=_micros(since) if since is not None else None,
        until=_micros(until) if until is not None else None,
    )


def _micros(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


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
