"""Records that sensors hand in. A token is for one sensor: whatever a record says, it is stored under its name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from decnet.errors import InputRefused
from decnet.web.access.principal import Sensor
from decnet.web.problems import COMMON, Refused, responses
from decnet.workers.handed import IntakeDesk

router = APIRouter(prefix="/intake", tags=["intake"], responses=COMMON | responses(408, 415))

Form = Literal["cowrie", "opencanary", "jsonl", "mail"]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Lines of JSON, or for `mail` one message or an mbox. The media type does not matter.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class RefusedRecord(BaseModel):
    """A record that was refused."""

    line: int = Field(description="Its line within the body, for mail the number of the message; from 1.")
    why: str


class Taken(BaseModel):
    """What became of a body. Handing it in again changes nothing: its events are then known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "accepted": 41,
                    "known": 0,
                    "refused_total": 1,
                    "refused": [{"line": 7, "why": "not JSON: 'GET / HTTP/1.1'"}],
                }
            ]
        }
    )

    accepted: int = Field(description="Events that are new.")
    known: int = Field(description="Events that were stored before.")
    refused_total: int = Field(description="Records that gave no event.")
    refused: list[RefusedRecord] = Field(description="The first of them.")


def _desk(request: Request) -> IntakeDesk:
    desk: IntakeDesk = request.app.state.desk
    return desk


@router.post("/{format}", status_code=202, openapi_extra=_BODY)
async def take(
    format: Form,  # noqa: A002 - as the path names it
    who: Sensor,
    request: Request,
    desk: Annotated[IntakeDesk, Depends(_desk)],
) -> Taken:
    """Hand in records; they are stored while they come, and tagged by the workers.

    With `Content-Encoding: gzip` the body is packed.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise Refused(415, "a body may be plain or packed with gzip", {"Accept-Encoding": "gzip, identity"})
    try:
        taken = await desk.take(request.stream(), sensor=who.name, form=format, is_gzip=encoding == "gzip")
    except InputRefused as error:
        raise Refused(400, str(error)) from None
    except ClientDisconnect:
        raise Refused(400, "the body broke off; what came before is stored") from None
    return Taken(
        accepted=taken.accepted,
        known=taken.known,
        refused_total=taken.refused,
        refused=[RefusedRecord(line=line, why=why) for line, why in taken.told],
    )
