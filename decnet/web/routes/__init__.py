"""The routes, a module per subject. Each says who may ask and what comes back."""

from __future__ import annotations

from decnet.web.routes import accounts, actors, auth, health, metrics, ops, search, sessions, stream, ttp

ROUTERS = (
    auth.router,
    stream.router,
    ops.router,
    accounts.router,
    health.router,
    metrics.router,
    ttp.router,
    actors.router,
    sessions.router,
    search.router,
)
"""All of them, in the order in which they are described."""
