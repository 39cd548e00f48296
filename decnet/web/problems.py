"""What a refusal looks like: ``application/problem+json`` (RFC 9457), the same shape for every fault."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException as RouteException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from decnet.errors import BusUnavailable, StorageUnavailable
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

MEDIA_TYPE = "application/problem+json"
MAX_FAULTS = 20
MAX_CHARS = 300
MALFORMED = "a parameter or the body is not as documented; see faults"
_log = logger(__name__)


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="The parameter or the path into the body.")
    why: str = Field(description="What was expected of it.")


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Not Found", "status": 404, "detail": "there is no such attacker"}]}
    )

    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong, and what to do.")
    faults: list[Fault] = Field(default_factory=list, description="What is wrong with each parameter, for status 400.")


class Refused(RouteException):
    """A request that is answered with a problem; raised where the reason is known, also while a body is read."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers or {}))


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems in the form in which a route documents them."""
    body = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": body} for status in statuses}


COMMON = responses(400, 401, 403, 404, 408, 413, 429, 503)
"""What any route that asks who is there may answer."""


def handle_faults(app: FastAPI) -> None:
    """From now on every fault of ``app`` is a problem."""
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(RequestValidationError)(_malformed)
    app.exception_handler(StorageUnavailable)(_unavailable)
    app.exception_handler(BusUnavailable)(_unavailable)
    app.exception_handler(Exception)(_broken)


def problem(
    status: int, detail: str, *, faults: list[Fault] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer that tells it."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, faults=faults or [])
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(request.app.state.methods_at(request.scope["path"]))) or headers["Allow"]
    return problem(error.status_code, str(error.detail), headers=headers)


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
    faults = [
        Fault(where=".".join(map(str, one["loc"]))[:MAX_CHARS], why=str(one["msg"])[:MAX_CHARS])
        for one in error.errors()[:MAX_FAULTS]
    ]
    return problem(400, MALFORMED, faults=faults)


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    _log.warning("%s", error)
    return problem(503, "the database or the bus is out of reach; ask again later", headers={"Retry-After": "5"})


async def _broken(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return problem(500, "a fault of the program; its log says more")
