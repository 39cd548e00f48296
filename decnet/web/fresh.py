"""Answers that a client need not take twice: a weak ETag over what is said."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response

if TYPE_CHECKING:
    from fastapi import Request
    from pydantic import BaseModel

UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Not Modified: the ETag that was sent is still right"}
}
_DIGEST_BYTES = 12


def answer(request: Request, body: BaseModel) -> Response:
    """``body`` as JSON, or 304 where the client holds the same already."""
    text = body.model_dump_json().encode()
    tag = f'W/"{blake2b(text, digest_size=_DIGEST_BYTES).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    held = {one.strip() for one in request.headers.get("If-None-Match", "").split(",")}
    if tag in held:
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)
