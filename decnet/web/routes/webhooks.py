"""Receivers of alerts, and what became of each alert: for administrators alone."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from decnet.alerts.target import FORMATS, AllowedNetworks, format_for, target_of
from decnet.alerts.webhook import SALT_BYTES, hook_secret
from decnet.db import access, hooks
from decnet.errors import TargetRefused
from decnet.models.access import LABEL_PATTERN, AuditEntry
from decnet.models.actor import IdentityUuid
from decnet.models.hook import (
    DEFAULT_PER_MINUTE,
    MAX_URL_CHARS,
    MAX_WANTED,
    MOST_HOOKS,
    MOST_PER_MINUTE,
    TACTIC_PATTERN,
    TECHNIQUE_PATTERN,
    DeliveryKind,
    DeliveryState,
    Hook,
    HookDelivery,
    HookFilter,
    HookFormat,
    NewHook,
)
from decnet.models.ids import uuid_text
from decnet.models.tag import DEFAULT_CONFIDENCE_FLOOR
from decnet.web.access.principal import Admin, Principal
from decnet.web.pages import Cursor, Limit, Page, page_of, place_in
from decnet.web.place import Place
from decnet.web.problems import COMMON, Refused, responses
from decnet.workers.sending import check_target

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

router = APIRouter(prefix="/webhooks", tags=["administration"], responses=COMMON)

_DELETE_STEP = 500
"""Deliveries that one transaction deletes: live writers get their turn in between."""
Number = Annotated[int, Path(ge=1, lt=2**53)]
_Name = Annotated[str, Field(pattern=LABEL_PATTERN, examples=["soc"])]
_Url = Annotated[
    str,
    Field(
        max_length=MAX_URL_CHARS,
        description="`https://…` or `http://…` for webhooks; `udp://`, `tcp://` and `tls://HOST:PORT` for syslog.",
        examples=["https://soc.example.org/alerts"],
    ),
]
_Techniques = Annotated[
    list[Annotated[str, Field(pattern=TECHNIQUE_PATTERN)]],
    Field(max_length=MAX_WANTED, description="Any of these; a technique takes its sub-techniques in. Empty for all."),
]
_Tactics = Annotated[
    list[Annotated[str, Field(pattern=TACTIC_PATTERN)]],
    Field(max_length=MAX_WANTED, description="Any of these. Empty for all."),
]
_Identities = Annotated[
    list[UUID], Field(max_length=MAX_WANTED, description="Any of these, with all their addresses. Empty for all.")
]
_Confidence = Annotated[float, Field(ge=0.0, le=1.0, description="From this confidence on, as stored.")]
_PerMinute = Annotated[
    int, Field(ge=1, le=MOST_PER_MINUTE, description="More are counted, and told in one alert when the minute is over.")
]


class Webhook(BaseModel):
    """A receiver of alerts. Times are µs UTC."""

    id: int
    name: str
    url: str
    format: HookFormat = Field(description="How alerts are spelt.")
    techniques: list[str]
    tactics: list[str]
    identities: list[str]
    min_confidence: float
    per_minute: int
    created_by: str
    created_at: int
    disabled_at: int | None = Field(description="Null while it gets alerts.")
    failures: int = Field(description="How many deliveries failed in a row.")
    closed_until: int = Field(description="After failures it is left alone until then.")


class MadeWebhook(Webhook):
    """A new receiver."""

    secret: str | None = Field(description="What its alerts are signed with; not shown again. Null for syslog.")


class NewWebhook(BaseModel):
    """A receiver to be: which tags it wants, and how many."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "soc", "url": "https://soc.example.org/alerts", "techniques": [], "per_minute": 60}]
        },
    )

    name: _Name
    url: _Url
    format: HookFormat | None = Field(default=None, description="`json` for webhooks; `rfc5424` or `cef` for syslog.")
    techniques: _Techniques = Field(default_factory=list)
    tactics: _Tactics = Field(default_factory=list)
    identities: _Identities = Field(default_factory=list)
    min_confidence: _Confidence = DEFAULT_CONFIDENCE_FLOOR
    per_minute: _PerMinute = DEFAULT_PER_MINUTE


class WebhookChange(BaseModel):
    """What is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: _Name | None = None
    url: _Url | None = None
    format: HookFormat | None = None
    techniques: _Techniques | None = None
    tactics: _Tactics | None = None
    identities: _Identities | None = None
    min_confidence: _Confidence | None = None
    per_minute: _PerMinute | None = None
    disabled: bool | None = None


class Delivery(BaseModel):
    """One alert on its way. Times are µs UTC."""

    id: int
    kind: DeliveryKind
    state: DeliveryState
    tries: int
    error: str = Field(description="Why the last try failed; empty where none did.")
    created_at: int
    due_at: int = Field(description="When it is tried next, or was to be tried last.")
    ended_at: int | None = Field(description="When it was delivered or given up.")
    observed_at: int | None = Field(description="With `tag` the key of the tag that it tells.")
    tag: str | None


@router.get("")
def webhooks(_who: Admin, place: Place) -> list[Webhook]:
    """Every receiver, those that are switched off too."""
    return [told(hook) for hook in place.database.read(hooks.all_hooks)]


@router.post("", status_code=201, responses=responses(409))
def add_webhook(body: NewWebhook, who: Admin, place: Place) -> MadeWebhook:
    """Make a receiver. Its address is looked up now and again at each delivery."""
    return make_hook(place.database, body, place.alert_networks, place.key, actor=who.actor, now=place.clock())


@router.get("/{number}", responses=responses(404))
def webhook(number: Number, _who: Admin, place: Place) -> Webhook:
    """One receiver."""
    return told(place.database.read(partial(_found, number=number)))


@router.patch("/{number}", responses=responses(409))
def change_webhook(number: Number, body: WebhookChange, who: Admin, place: Place) -> Webhook:
    """Change a receiver, or switch it off or on; what waits goes on waiting while it is off."""
    now = place.clock()
    known = place.database.read(partial(_found, number=number))
    url, spelling = known.url if body.url is None else body.url, None
    if body.url is not None or body.format is not None:
        spelling = _checked(url, body.format, place.alert_networks, known.format)
        if (spelling == "json") != (known.format == "json"):
            raise Refused(409, "a webhook has a secret and syslog has none; make another one instead")

    def change(connection: Connection) -> Hook:
        hook = _found(connection, number)
        hooks.change_hook(
            connection,
            number,
            name=body.name,
            url=body.url,
            spelling=spelling,
            wanted=_filter(body, hook.wanted),
            per_minute=body.per_minute,
        )
        if body.disabled is not None:
            hooks.switch_hook(connection, number, disabled_at=now if body.disabled else None)
        given = ", ".join(sorted(body.model_fields_set))
        _note(connection, who, "webhook changed", hook, given, now=now)
        return _found(connection, number)

    return told(place.database.write(change))


@router.delete("/{number}", status_code=204, responses=responses(404))
def delete_webhook(number: Number, who: Admin, place: Place) -> None:
    """Delete a receiver and all its deliveries."""
    if not remove_hook(place.database, number, actor=who.actor, now=place.clock()):
        raise _unknown()


@router.get("/{number}/deliveries", responses=responses(404))
def deliveries(
    number: Number,
    _who: Admin,
    place: Place,
    state: Annotated[DeliveryState | None, Query(description="Only those.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Delivery]:
    """What became of each alert, the newest first. What was delivered is kept for a day, what is dead for 30."""
    before = place_in(cursor, int)
    place.database.read(partial(_found, number=number))
    page = partial(hooks.delivery_page, hook_id=number, state=state, before=before, limit=limit)
    rows = place.database.read(page)
    return page_of(rows, limit, [_delivery(row) for row in rows], rows[-1].id if rows else None)


@router.post("/{number}/deliveries/{delivery}/replay", status_code=202, responses=responses(404))
def replay(number: Number, delivery: Number, who: Admin, place: Place) -> Delivery:
    """Send an alert again, as if it were new."""
    now = place.clock()

    def again(connection: Connection) -> HookDelivery:
        hook = _found(connection, number)
        if hooks.delivery_numbered(connection, number, delivery) is None:
            raise Refused(404, "there is no such delivery of this webhook")
        hooks.replay_delivery(connection, delivery, now=now)
        _note(connection, who, "delivery replayed", hook, f"delivery {delivery}", now=now)
        return _found_delivery(connection, number, delivery)

    return _delivery(place.database.write(again))


@router.post("/{number}/test", status_code=202, responses=responses(404))
def send_sample(number: Number, who: Admin, place: Place) -> Delivery:
    """Send a sample; what became of it stands among the deliveries, once the alerts worker has tried it."""
    now = place.clock()

    def sample(connection: Connection) -> HookDelivery:
        hook = _found(connection, number)
        delivery = hooks.add_delivery(connection, number, "test", now=now)
        _note(connection, who, "webhook tested", hook, f"delivery {delivery}", now=now)
        return _found_delivery(connection, number, delivery)

    return _delivery(place.database.write(sample))


def make_hook(
    database: Database, body: NewWebhook, allowed: AllowedNetworks, key: bytes, *, actor: str, now: int
) -> MadeWebhook:
    """A new hook, written down in the audit log; ``key`` is the installation's.

    :raises Refused: nothing may be sent to its address, or there are too many hooks already.
    """
    spelling = _checked(body.url, body.format, allowed)
    salt = os.urandom(SALT_BYTES)
    wanted = _filter(body, HookFilter())
    new = NewHook(body.name, body.url, spelling, wanted, body.per_minute, salt)

    def add(connection: Connection) -> Hook:
        if len(hooks.all_hooks(connection)) >= MOST_HOOKS:
            raise Refused(409, f"there are {MOST_HOOKS} webhooks already; delete one first")
        hook = hooks.add_hook(connection, new, created_by=actor, now=now)
        detail = f"number {hook.id}, {target_of(hook.url).shown}"  # the rest of the URL may be a secret
        access.add_audit(connection, AuditEntry(0, now, actor, "webhook added", hook.name, detail))
        return hook

    hook = database.write(add)
    secret = hook_secret(key, salt) if hook.format == "json" else None
    return MadeWebhook(**told(hook).model_dump(), secret=secret)


def remove_hook(database: Database, number: int, *, actor: str, now: int) -> bool:
    """Whether there was a hook of that number; it and its deliveries are gone, and that is written down."""

    def remove(connection: Connection) -> bool:
        hook = hooks.hook_numbered(connection, number)
        if hook is None:
            return False
        hooks.delete_hook(connection, number)  # and what came in since
        entry = AuditEntry(0, now, actor, "webhook deleted", hook.name, f"number {number}")
        access.add_audit(connection, entry)
        return True

    if database.read(partial(hooks.hook_numbered, hook_id=number)) is None:
        return False
    database.write(partial(hooks.switch_hook, hook_id=number, disabled_at=now))
    while database.write(partial(hooks.delete_deliveries, hook_id=number, limit=_DELETE_STEP)) == _DELETE_STEP:
        pass
    return database.write(remove)


def _checked(
    url: str, wanted: HookFormat | None, allowed: AllowedNetworks, known: HookFormat | None = None
) -> HookFormat:
    """How alerts are spelt for the receiver at ``url``, which may get them; as they are ``known`` to be, if possible.

    :raises Refused: 409, it may not, or cannot.
    """
    try:
        target = target_of(url)
        spelling = format_for(target, wanted or (known if known in FORMATS[target.scheme] else None))
        check_target(target, allowed)
    except TargetRefused as error:
        raise Refused(409, f"url: {error}") from None
    return spelling


def _filter(body: NewWebhook | WebhookChange, known: HookFilter) -> HookFilter:
    """``known`` with what ``body`` gives."""
    identities = body.identities
    return HookFilter(
        techniques=tuple(body.techniques) if body.techniques is not None else known.techniques,
        tactics=tuple(body.tactics) if body.tactics is not None else known.tactics,
        identities=tuple(IdentityUuid(one.bytes) for one in identities) if identities is not None else known.identities,
        min_confidence=body.min_confidence if body.min_confidence is not None else known.min_confidence,
    )


def _note(connection: Connection, who: Principal, action: str, hook: Hook, detail: str, *, now: int) -> None:
    access.add_audit(connection, AuditEntry(0, now, who.actor, action, hook.name, f"number {hook.id}; {detail}"))


def _found(connection: Connection, number: int) -> Hook:
    hook = hooks.hook_numbered(connection, number)
    if hook is None:
        raise _unknown()
    return hook


def _found_delivery(connection: Connection, number: int, delivery: int) -> HookDelivery:
    found = hooks.delivery_numbered(connection, number, delivery)
    assert found is not None  # noqa: S101 - in this very transaction
    return found


def _unknown() -> Refused:
    return Refused(404, "there is no such webhook")


def told(hook: Hook) -> Webhook:
    """``hook`` as its list shows it, without its secret."""
    return Webhook(
        id=hook.id,
        name=hook.name,
        url=hook.url,
        format=hook.format,
        techniques=list(hook.wanted.techniques),
        tactics=list(hook.wanted.tactics),
        identities=[uuid_text(one) for one in hook.wanted.identities],
        min_confidence=hook.wanted.min_confidence,
        per_minute=hook.per_minute,
        created_by=hook.created_by,
        created_at=hook.created_at,
        disabled_at=hook.disabled_at,
        failures=hook.failures,
        closed_until=hook.closed_until,
    )


def _delivery(one: HookDelivery) -> Delivery:
    observed_at, uuid = one.key or (None, None)
    return Delivery(
        id=one.id,
        kind=one.kind,
        state=one.state,
        tries=one.tries,
        error=one.error,
        created_at=one.created_at,
        due_at=one.due_at,
        ended_at=one.ended_at,
        observed_at=observed_at,
        tag=uuid_text(uuid) if uuid is not None else None,
    )
