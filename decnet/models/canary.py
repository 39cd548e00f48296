"""Canaries: bait that says when it is touched, and what a browser that opened one shows of itself."""

from __future__ import annotations

import re  # reads slugs of a fixed length here
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import msgspec

TokenKind = Literal["api_token", "aws_key", "document", "image", "kubeconfig", "pdf", "redirect", "share"]
Trigger = Literal["downloaded", "opened", "used"]

KEY_KINDS: frozenset[TokenKind] = frozenset({"api_token", "aws_key", "kubeconfig"})
"""Bait that is a file with a secret in it: reading the file is one thing, using the secret another."""
FILE_KINDS: frozenset[TokenKind] = frozenset({"document", "pdf"})
"""Bait that is a file which calls back when it is opened."""
PAGE_KINDS: frozenset[TokenKind] = frozenset({"redirect", "share"})
"""Bait that is a page in a browser, which is asked what it is."""
TOKEN_KINDS: tuple[TokenKind, ...] = (
    "api_token",
    "aws_key",
    "document",
    "image",
    "kubeconfig",
    "pdf",
    "redirect",
    "share",
)

BROWSER_IDENTITY = "canary_identity"
"""The metric of the ``fingerprint`` event by which attribution knows a browser again behind another address."""

SLUG_BYTES = 18
"""Random bytes in a slug: 144 bits, so that nobody meets a token by chance."""
_SLUG = re.compile(r"[A-Za-z0-9_-]{24}")
_TOKEN_HEX = 32


@dataclass(frozen=True, slots=True)
class CanaryToken:
    """One piece of bait. ``slug`` is the secret part of its address; times are µs UTC.

    ``revoked_at`` is None while it acts. ``target`` is where a ``redirect`` leads. ``label`` is the operator's own
    note, never shown to an attacker.
    """

    slug: str
    kind: TokenKind
    label: str
    created_at: int
    target: str = ""
    revoked_at: int | None = None

    @property
    def token(self) -> str:
        """How events and topics name it: 32 hex digits that do not tell the slug."""
        return token_of(self.slug)


class CanaryPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Somebody touched a canary: ``token`` names it (:func:`token_of`), ``detail`` is what was asked for below it.

    A file with a secret that is fetched was ``downloaded`` and counts as a ``document``; the secret was ``used`` when
    somebody calls what the file names.
    """

    token: str
    token_kind: str
    trigger: Trigger
    method: str = ""
    detail: str = ""
    user_agent: str = ""


class CanaryFingerprintPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a browser that opened a canary shows of itself; every text comes from it, None and empty mean untold.

    Sizes are CSS pixels, ``zone_offset_minutes`` is east of UTC, ``timer_step_ms`` the smallest step of its clock.
    ``canvas``, ``webgl``, ``audio`` and ``fonts`` are digests; ``canvas_blocked`` says that it gives back what was not
    drawn, ``font_names`` the fonts that it has of those it was asked for, ``globals`` the names in its page that only
    tools put there. ``webrtc_addresses`` are canonical. ``identity`` is a digest of what stays when the address
    changes. What it sent is kept whole as the artifact ``blob_sha256``.
    """

    token: str = ""
    blob_sha256: str = ""
    identity: str = ""
    user_agent: str = ""
    platform: str = ""
    languages: tuple[str, ...] = ()
    webdriver: bool | None = None
    screen_width: int | None = None
    screen_height: int | None = None
    window_width: int | None = None
    window_height: int | None = None
    touch_points: int | None = None
    time_zone: str = ""
    zone_offset_minutes: int | None = None
    canvas: str = ""
    canvas_blocked: bool = False
    webgl: str = ""
    webgl_vendor: str = ""
    webgl_renderer: str = ""
    audio: str = ""
    fonts: str = ""
    font_names: tuple[str, ...] = ()
    webrtc_addresses: tuple[str, ...] = ()
    timer_step_ms: float | None = None
    permissions: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()


def is_slug(text: str) -> bool:
    """Whether ``text`` could be the slug of a token."""
    return _SLUG.fullmatch(text) is not None


def token_of(slug: str) -> str:
    """The public name of the token with this slug."""
    return sha256(b"canary:" + slug.encode()).hexdigest()[:_TOKEN_HEX]
