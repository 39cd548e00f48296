"""Whether the API lives, and whether it can answer."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from decnet import __version__
from decnet.db.access import count_accounts
from decnet.web.place import Place
from decnet.web.problems import responses

router = APIRouter(prefix="/health", tags=["operations"])


class Health(BaseModel):
    """It is well; otherwise a problem says what is not."""

    status: Literal["ok"] = "ok"
    version: str = __version__


@router.get("/live")
async def live() -> Health:
    """The process answers. Asks nothing of the database."""
    return Health()


@router.get("/ready", responses=responses(503))
def ready(place: Place) -> Health:
    """The database answers too."""
    place.database.read(count_accounts)
    return Health()
