"""The routes, a module per subject. Each says who may ask and what comes back."""

from __future__ import annotations

from decnet.web.routes import (
    accounts,
    actors,
    attack,
    auth,
    exports,
    health,
    intake,
    metrics,
    ops,
    rules,
    search,
    sessions,
    stream,
    taxii,
    ttp,
    webhooks,
)

ROUTERS = (
    auth.router,
    attack.router,
    ttp.router,
    rules.router,
    exports.router,
    taxii.router,
    actors.router,
    sessions.router,
    search.router,
    stream.router,
    intake.router,
    ops.router,
    accounts.router,
    health.router,
    webhooks.router,
    metrics.router,
)
"""All of them, in the order in which they are described."""
