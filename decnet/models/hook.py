"""Where alerts go: hooks, what each wants, and what is on its way to them. Times are µs UTC."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from decnet.models.actor import IdentityUuid
from decnet.models.tag import DEFAULT_CONFIDENCE_FLOOR, TagKey

HookFormat = Literal["json", "rfc5424", "cef"]
"""How an alert is spelt: JSON for webhooks; over syslog as structured data, or as CEF."""
DeliveryKind = Literal["tag", "suppressed", "test"]
"""What a delivery tells: a tag, that so many were over the limit, or a sample."""
DeliveryState = Literal["waiting", "delivered", "dead"]

MOST_HOOKS = 100
MOST_WAITING = 10_000
"""So many deliveries may wait for one receiver; what comes beyond is counted and told in one line."""
MOST_PER_MINUTE = 6_000
DEFAULT_PER_MINUTE = 60
MAX_URL_CHARS = 2_000
MAX_WANTED = 50
"""How many techniques, tactics or identities a hook may name."""
TECHNIQUE_PATTERN = r"^T[0-9]{4}(\.[0-9]{3})?$"
TACTIC_PATTERN = r"^TA[0-9]{4}$"


class HookFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tags a hook wants; what is empty does not matter.

    A technique takes its sub-techniques in. An identity is meant with all attackers that belong to it now.
    """

    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    identities: tuple[IdentityUuid, ...] = ()
    min_confidence: float = DEFAULT_CONFIDENCE_FLOOR


class Window(NamedTuple):
    """Since ``since`` so many alerts were let through, and so many were held back."""

    since: int = 0
    sent: int = 0
    held: int = 0


class Hook(NamedTuple):
    """A receiver of alerts; ``disabled_at`` is None while it gets any.

    Its secret is made of ``salt`` and the installation's key, and stored nowhere. After ``failures`` in a row it is
    left alone until ``closed_until``.
    """

    id: int
    name: str
    url: str
    format: HookFormat
    wanted: HookFilter
    per_minute: int
    salt: bytes
    created_by: str
    created_at: int
    disabled_at: int | None
    window: Window
    failures: int
    closed_until: int


class NewHook(NamedTuple):
    """A hook to be."""

    name: str
    url: str
    format: HookFormat
    wanted: HookFilter
    per_minute: int
    salt: bytes


class Suppressed(msgspec.Struct, frozen=True):
    """So many tags that a hook wants were not told one by one, from ``since`` to ``until``."""

    count: int
    since: int
    until: int


class HookDelivery(NamedTuple):
    """One alert for one hook. ``key`` leads to its tag, ``suppressed`` is there for that kind.

    ``due_at`` is when it is tried next, ``ended_at`` when it was delivered or given up, ``error`` the last failure.
    """

    id: int
    hook_id: int
    kind: DeliveryKind
    key: TagKey | None
    suppressed: Suppressed | None
    state: DeliveryState
    tries: int
    created_at: int
    due_at: int
    ended_at: int | None
    error: str
