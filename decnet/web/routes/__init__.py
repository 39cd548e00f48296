"""The routes, a module per subject. Each says who may ask and what comes back."""

from __future__ import annotations

from decnet.web.routes import accounts, auth, exports, health, intake, metrics, ops, rules, stream, taxii

ROUTERS = (
    auth.router,
    stream.router,
    ops.router,
    accounts.router,
    health.router,
    metrics.router,
    exports.router,
    rules.router,
    intake.router,
    taxii.router,
)
"""All of them, in the order in which they are described."""
