"""Pages that bait shows in a browser, with the script that asks the browser what it is."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from decnet.decoys.canary.connection import Response

if TYPE_CHECKING:
    from decnet.models.canary import CanaryToken

_SHARE = (
    "<h1>Shared folder: operations</h1><table><tr><th>Name</th><th>Size</th></tr>"
    "<tr><td>access-list-2024.xlsx</td><td>48 KB</td></tr><tr><td>backup-keys.zip</td><td>1.2 MB</td></tr>"
    "<tr><td>handover.docx</td><td>96 KB</td></tr></table><p>Loading…</p>"
)
_MOVED = "<p>One moment, please…</p>"


def fingerprint_page(token: CanaryToken, path: str, nonce: str, script_nonce: str, stun_port: int) -> Response:
    """The page of ``token``, at ``path``: it posts what it learns to ``<path>/<nonce>/…``, then goes on to its target.

    Only the one script in it may run, and only to this server may it speak: over HTTP, and at ``stun_port`` to ask from
    where its UDP comes.
    """
    is_redirect = token.kind == "redirect"
    target = escape(token.target) if is_redirect else ""
    moved = f'<noscript><meta http-equiv="refresh" content="0;url={target}"></noscript>' if is_redirect else ""
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Shared files</title>{moved}</head>'
        f"<body>{_MOVED if is_redirect else _SHARE}"
        f'<script nonce="{escape(script_nonce)}" data-to="{escape(path)}/{escape(nonce)}" data-next="{target}" '
        f'data-stun="{stun_port}">'
        f"{_script()}</script></body></html>"
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{script_nonce}'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    headers = (
        ("Content-Security-Policy", policy),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
    )
    return Response(200, page.encode(), "text/html; charset=utf-8", headers)


@cache
def _script() -> str:
    return resources.files("decnet.decoys.canary").joinpath("data/fingerprint.js").read_text("utf-8")
