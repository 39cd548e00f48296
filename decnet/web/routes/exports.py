"""Stored tags as files that other tools open without an edit: small layers at once, everything else as a stream."""

from __future__ import annotations

from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from decnet.db.owners import owner_in_force, stored_releases
from decnet.db.tag_pages import all_tags
from decnet.db.views import techniques_of
from decnet.errors import CatalogueError
from decnet.export.formats import FORMATS, Format, blocks, evidence_url
from decnet.export.navigator import layer_text, layers_of
from decnet.models.actor import AttackerUuid, CampaignUuid, IdentityUuid
from decnet.models.stored_tag import TagFilter
from decnet.models.tag import DEFAULT_CONFIDENCE_FLOOR, MIN_STORED_CONFIDENCE
from decnet.web.access.principal import Viewer
from decnet.web.place import Place, WebPlace
from decnet.web.problems import COMMON, Refused, responses

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.attack.catalog import Catalog

router = APIRouter(prefix="/ttp/export", tags=["exports"], responses=COMMON | responses(409))

OwnerKind = Literal["identity", "campaign", "attacker"]
Marking = Literal["clear", "green", "amber", "red"]
Moment = Annotated[int, Query(ge=0, lt=2**53)]
_ATTACK_ID = r"^T[0-9]{4}(\.[0-9]{3})?$"


class Owner(NamedTuple):
    """Whose tags are asked for."""

    kind: OwnerKind
    uuid: UUID


class Wanted(NamedTuple):
    """What of them."""

    technique: str | None
    min_confidence: float
    since: int | None
    until: int | None


def _wanted(
    technique: Annotated[
        str | None, Query(pattern=_ATTACK_ID, description="Only this technique and what is below it.")
    ] = None,
    min_confidence: Annotated[
        float, Query(ge=0, le=1, allow_inf_nan=False, description="Leave out what is less sure.")
    ] = DEFAULT_CONFIDENCE_FLOOR,
    since: Annotated[Moment | None, Query(description="Not before, µs UTC.")] = None,
    until: Annotated[Moment | None, Query(description="Before, µs UTC.")] = None,
) -> Wanted:
    return Wanted(technique, min_confidence, since, until)


_Wanted = Annotated[Wanted, Depends(_wanted)]
_Latest = Annotated[
    Literal["latest"] | None, Query(description="Tell tags of older releases of ATT&CK in the one in use.")
]
_Tlp = Annotated[Marking, Query(description="With whom it may be shared (traffic light protocol).")]
_Floor = Annotated[float, Query(ge=0, le=1, allow_inf_nan=False, description="By whole confidence bands.")]
_Since = Annotated[Moment | None, Query(description="Not before the day (UTC) of this moment, µs UTC.")]
_Until = Annotated[Moment | None, Query(description="Not after the day (UTC) before which this moment is, µs UTC.")]


@router.get("/navigator", response_class=Response, responses={200: {"content": {"application/json": {}}}})
def navigator(
    request: Request,
    _who: Viewer,
    place: Place,
    release: _Latest = None,
    min_confidence: _Floor = MIN_STORED_CONFIDENCE,
    since: _Since = None,
    until: _Until = None,
) -> Response:
    """A layer of the ATT&CK Navigator (format 4.5), or a list of them, one per release of ATT&CK."""
    wanted = TagFilter(min_confidence=min_confidence, since=since, until=until)
    return _layers(request, place, wanted, "decnet-navigator", latest=release is not None)


@router.get(
    "/navigator/{scope}/{uuid}",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}, **responses(404)},
)
def navigator_of(
    scope: OwnerKind,
    uuid: UUID,
    request: Request,
    _who: Viewer,
    place: Place,
    release: _Latest = None,
    min_confidence: _Floor = MIN_STORED_CONFIDENCE,
    since: _Since = None,
    until: _Until = None,
) -> Response:
    """The same of one identity, campaign or attacker."""
    wanted = _of(Owner(scope, uuid), TagFilter(min_confidence=min_confidence, since=since, until=until))
    return _layers(request, place, wanted, f"decnet-navigator-{scope}-{uuid}", latest=release is not None)


def _add(form: Format) -> None:
    """The routes of ``form``."""
    answers: dict[int | str, dict[str, Any]] = {200: {"content": {form.media_type: {}}}}

    @router.get(
        f"/{form.name}", response_class=StreamingResponse, responses=answers, name=form.name, description=form.about
    )
    def export(_who: Viewer, place: Place, wanted: _Wanted, tlp: _Tlp = "amber") -> Response:
        return _stream(place, form, _filter(wanted), tlp, f"decnet-{form.name}")

    @router.get(
        f"/{form.name}/{{scope}}/{{uuid}}",
        response_class=StreamingResponse,
        responses=answers | responses(404),
        name=f"{form.name} of",
        description=f"{form.about} Of one identity, campaign or attacker.",
    )
    def export_of(
        scope: OwnerKind, uuid: UUID, _who: Viewer, place: Place, wanted: _Wanted, tlp: _Tlp = "amber"
    ) -> Response:
        owned = _of(Owner(scope, uuid), _filter(wanted))
        return _stream(place, form, owned, tlp, f"decnet-{form.name}-{scope}-{uuid}")


def _filter(wanted: Wanted) -> TagFilter:
    return TagFilter(**wanted._asdict())


def _of(owner: Owner, wanted: TagFilter) -> TagFilter:
    number = owner.uuid.bytes
    if owner.kind == "identity":
        return msgspec.structs.replace(wanted, identity=IdentityUuid(number))
    if owner.kind == "campaign":
        return msgspec.structs.replace(wanted, campaign=CampaignUuid(number))
    return msgspec.structs.replace(wanted, attacker=AttackerUuid(number))


def _known(place: WebPlace, wanted: TagFilter) -> TagFilter:
    known = place.database.read(partial(owner_in_force, wanted=wanted))
    if known is None:
        raise Refused(404, "nobody of that uuid is stored")
    return known


def _layers(request: Request, place: WebPlace, wanted: TagFilter, name: str, *, latest: bool) -> Response:
    known = _known(place, wanted)
    rows = place.database.read(partial(techniques_of, wanted=known))
    base = f"{'https' if place.is_https else request.url.scheme}://{request.url.netloc}"
    try:
        layers = layers_of(
            rows, name="Honeypots", latest=latest, overlay=place.overlay, evidence=evidence_url(base, known)
        )
    except CatalogueError as error:
        raise Refused(409, str(error)) from None
    return Response(layer_text(layers), media_type="application/json", headers=_as_file(f"{name}.json"))


def _stream(place: WebPlace, form: Format, wanted: TagFilter, marking: str, name: str) -> Response:
    """What is wrong is told before the first byte: afterwards a fault can only cut the stream."""
    known = _known(place, wanted)
    tags = all_tags(place.database, known, form.order)
    pieces = blocks(form.pieces(tags, readable_catalogs(place), marking))
    first = next(pieces, b"")
    headers = _as_file(f"{name}.{form.suffix}")
    return StreamingResponse(chain([first], pieces), media_type=form.media_type, headers=headers)


def readable_catalogs(place: WebPlace) -> Callable[[str], Catalog]:
    """The catalogue of each release that a stored tag may have.

    :raises Refused: 409, one of them is not here.
    """
    catalog_of = cache(place.catalog_of)
    for release in place.database.read(stored_releases):
        try:
            catalog_of(release)
        except CatalogueError as error:
            raise Refused(409, str(error)) from None
    return catalog_of


def _as_file(name: str) -> dict[str, str]:
    """``name`` is made of our own words and a uuid: nothing in it has to be escaped."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


for _form in FORMATS.values():
    _add(_form)
