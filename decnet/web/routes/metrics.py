"""What a Prometheus server scrapes: how much is stored, how far workers are behind, how the API answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from decnet.db.outbox import backlog
from decnet.db.views import stored_totals
from decnet.web.access.principal import Metrics
from decnet.web.place import Place, WebPlace
from decnet.web.problems import COMMON
from decnet.workers.durables import DURABLES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

router = APIRouter(tags=["operations"], responses=COMMON)

_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class ApiMetrics:
    """Counts what the API answers; the rest is looked up when somebody scrapes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        own = self.registry
        self.requests = Counter(
            "decnet_http_requests", "Requests, by route and status.", ["method", "route", "status"], registry=own
        )
        self.seconds = Histogram(
            "decnet_http_request_seconds", "How long answers took.", ["route"], buckets=_BUCKETS, registry=own
        )
        self.stored = Gauge("decnet_stored", "Rows that are stored, by what they are.", ["what"], registry=own)
        self.waiting = Gauge("decnet_worker_waiting", "Messages a worker has not handled.", ["worker"], registry=own)
        self.age = Gauge(
            "decnet_worker_oldest_age_seconds", "How long the oldest of them has waited.", ["worker"], registry=own
        )
        self.outbox = Gauge("decnet_outbox_messages", "Messages stored for others to read.", registry=own)


class Counted:
    """Wraps the application: counts each answer under the route that gave it."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "other")  # never the path itself: anybody can invent paths
            method = scope["method"] if scope.get("route") is not None else "other"
            self.metrics.requests.labels(method, route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - started)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "The text format of Prometheus.", "content": {"text/plain": {}}}},
)
async def metrics(_who: Metrics, request: Request, place: Place) -> Response:
    """Figures for Prometheus; a key of scope `metrics` reads them."""
    kept: ApiMetrics = request.app.state.metrics
    await _look(kept, place)
    return Response(generate_latest(kept.registry), media_type=CONTENT_TYPE_LATEST)


async def _look(kept: ApiMetrics, place: WebPlace) -> None:
    stored = await asyncio.to_thread(place.database.read, stored_totals)
    for what, number in stored.items():
        kept.stored.labels(what).set(number)
    waiting, _ = await asyncio.to_thread(place.database.read, backlog)
    kept.outbox.set(waiting)
    for name, durable in DURABLES.items():
        lag = await place.bus.lag(durable)
        kept.waiting.labels(name).set(lag.messages)
        kept.age.labels(name).set(lag.oldest_age_s)
