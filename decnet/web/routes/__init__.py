"""The routes, a module per subject. Each says who may ask and what comes back."""

from __future__ import annotations

from decnet.web.routes import accounts, auth, health, webhooks

ROUTERS = (
    auth.router,
    accounts.router,
    health.router,
    webhooks.router,
)
"""All of them, in the order in which they are described."""
