"""The application: every route under ``/api/v1``, and what stands before them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from decnet import __version__
from decnet.web.access.principal import Doorkeeper
from decnet.web.feed import Feed
from decnet.web.fresh import Lately
from decnet.web.front import Front
from decnet.web.guard import Guard
from decnet.web.problems import Problem, handle_faults
from decnet.web.routes import ROUTERS
from decnet.web.routes.auth import PATH
from decnet.web.routes.metrics import ApiMetrics, Counted
from decnet.web.rulebook import RuleBook
from decnet.workers.handed import IntakeDesk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from starlette.types import ASGIApp

    from decnet.web.place import WebPlace

_DESCRIPTION = """What attackers did to your honeypots, as MITRE ATT&CK techniques with evidence.

Times are integers, µs since 1970, UTC. Lists come in pages: give `next` of one page as `cursor` of the following one.
Evidence, commands, user names and addresses are what attackers sent: show them as text, never as markup.
Every refusal is `application/problem+json`.
"""


def make_app(place: WebPlace) -> ASGIApp:
    """The API of ``place``, guarded."""
    return Guard(bare_app(place), place.hosts, is_https=place.is_https)


def bare_app(place: WebPlace) -> FastAPI:
    """The same without the guard, which knows its routes and describes them."""
    feed = Feed(place)
    desk = IntakeDesk(
        place.database,
        place.digest,
        clock=place.clock,
        artifacts=place.artifacts,
        keep_secrets=place.keeps_secrets,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with feed, desk:
            yield

    app = FastAPI(
        lifespan=lifespan,
        title="DECNET TTP",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=f"{PATH}/openapi.json",
        docs_url=None,  # pages of ours load nothing from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.place = place
    app.state.feed = feed
    app.state.metrics = ApiMetrics()
    app.add_middleware(Counted, metrics=app.state.metrics)
    app.state.doorkeeper = Doorkeeper(place)
    app.state.rulebook = RuleBook(place.rules, place.packs)
    app.state.desk = desk
    app.state.lately = Lately()
    handle_faults(app)
    routes = APIRouter(prefix=PATH)
    for router in ROUTERS:
        routes.include_router(router)
    app.include_router(routes)
    app.router.default = Front(app.router.not_found)
    app.state.methods_at = methods_at
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    return app


def methods_at(path: str) -> set[str]:
    """What may be asked of ``path``: the framework tells of the first of its routes alone."""
    inner = path.removeprefix(PATH)
    routes = (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))
    return {method for route in routes if route.path_regex.match(inner) for method in route.methods or ()}


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description: faults of parameters are problems with status 400, here as in the answers."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
    )
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    app.openapi_schema = schema
    return schema
