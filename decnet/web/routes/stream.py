"""What is new, as it happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from decnet.web.access.principal import Viewer
from decnet.web.feed import Feed
from decnet.web.problems import COMMON, Refused

router = APIRouter(tags=["live"], responses=COMMON)


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"description": "Events until the connection ends.", "content": {"text/event-stream": {}}}},
)
async def stream(
    _who: Viewer,
    request: Request,
    last_event_id: Annotated[str | None, Header(max_length=60, description="Go on behind this event.")] = None,
) -> StreamingResponse:
    """Server-sent events: `tag`, `rule`, `identity`, `campaign`, each with JSON.

    `more` counts tags of a second that were too many to show, `lost` what this reader was too slow for; `reset` says
    that the place in `Last-Event-ID` is not known any more: load anew.
    """
    feed: Feed = request.app.state.feed
    if feed.is_full:
        raise Refused(503, "too many read the stream already", {"Retry-After": "30"})
    now = await feed.place_now()  # whoever sees the answer's head misses nothing from then on
    return StreamingResponse(feed.read(last_event_id or now), media_type="text/event-stream")
