"""ATT&CK itself: the matrix of the release in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from decnet.web.access.principal import Viewer
from decnet.web.fresh import UNCHANGED, remembered
from decnet.web.place import Place
from decnet.web.problems import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.responses import Response

    from decnet.attack.catalog import Catalog, Tactic

router = APIRouter(prefix="/attack", tags=["techniques"], responses=COMMON)


class SubCell(BaseModel):
    """A sub-technique."""

    id: str
    name: str


class Cell(BaseModel):
    """A technique under a tactic, with its sub-techniques by id."""

    id: str
    name: str
    subs: list[SubCell]


class Column(BaseModel):
    """A tactic with its techniques by name."""

    id: str
    name: str
    url: str = Field(description="MITRE's page.")
    techniques: list[Cell]


class Matrix(BaseModel):
    """Every active technique of a release, tactics in the order of MITRE's matrix."""

    release: str
    domain: str
    notice: str = Field(description="MITRE's copyright line.")
    tactics: list[Column]


@router.get("/matrix", response_model=Matrix, responses=UNCHANGED)
def matrix(_who: Viewer, request: Request, place: Place) -> Response:
    """The matrix of the ATT&CK release in force, to lay counts over."""
    return remembered(request, "matrix", lambda: _matrix(place.newest))


def _matrix(catalog: Catalog) -> Matrix:
    return Matrix(
        release=catalog.release,
        domain=catalog.domain,
        notice=catalog.notice,
        tactics=[
            Column(id=tactic.id, name=tactic.name, url=tactic.url, techniques=list(_cells(catalog, tactic)))
            for tactic in catalog.tactics
        ],
    )


def _cells(catalog: Catalog, tactic: Tactic) -> Iterator[Cell]:
    under = [one for one in catalog.techniques.values() if one.is_active and tactic.id in one.tactics]
    for parent in sorted((one for one in under if one.parent is None), key=lambda one: one.name):
        subs = sorted((one for one in under if one.parent == parent.id), key=lambda one: one.id)
        yield Cell(id=parent.id, name=parent.name, subs=[SubCell(id=one.id, name=one.name) for one in subs])
