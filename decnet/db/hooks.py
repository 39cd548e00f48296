"""Receivers of alerts, and their deliveries: a queue that outlives the process.

A delivery that waits is due at some time; one that was delivered or given up is kept for a while, to be looked at and
sent again. It holds the key of a tag and not what the tag says: whoever purges an attacker purges that too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec
from sqlalchemy import delete, func, insert, select, update

from decnet.db.dialect import dialect_of
from decnet.db.tables import hook, hook_delivery, identity
from decnet.db.tag_pages import tag_at
from decnet.errors import StorageError
from decnet.models.actor import IdentityUuid
from decnet.models.hook import Hook, HookDelivery, HookFilter, HookFormat, Suppressed, Window
from decnet.models.tag import TagUuid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Select, Update
    from sqlalchemy.engine import Connection

    from decnet.models.hook import DeliveryKind, DeliveryState, NewHook
    from decnet.models.stored_tag import StoredTag
    from decnet.models.tag import TagKey

MAX_ERROR_CHARS = 500

_FORMATS = frozenset(get_args(HookFormat))

_HOOK = hook.c
_DELIVERY = hook_delivery.c
_HOOK_COLUMNS = tuple(
    _HOOK[name]
    for name in (
        *("id", "name", "url", "format", "wanted", "per_minute", "salt", "created_by", "created_at", "disabled_at"),
        *("window_since", "window_sent", "window_held", "failures", "closed_until"),
    )
)
_DELIVERY_COLUMNS = tuple(
    _DELIVERY[name]
    for name in (
        *("id", "hook_id", "kind", "tag_at", "tag_uuid", "detail", "state", "tries"),
        *("created_at", "due_at", "ended_at", "error"),
    )
)
_NEW = ("hook_id", "kind", "tag_at", "tag_uuid", "state", "tries", "created_at", "due_at", "error")
_TAG_KEY = ("hook_id", "tag_at", "tag_uuid")
_filter_in = msgspec.json.Decoder(HookFilter).decode
_detail_in = msgspec.json.Decoder(Suppressed).decode


class Due(NamedTuple):
    """A delivery that can be tried now; ``tag`` is None for what is about none, and where it is stored no more."""

    hook: Hook
    delivery: HookDelivery
    tag: StoredTag | None


# --- receivers


def add_hook(connection: Connection, new: NewHook, *, created_by: str, now: int) -> Hook:
    """A new hook, as it is stored."""
    values = {
        **new._asdict(),
        "wanted": _text(new.wanted),
        "created_by": created_by,
        "created_at": now,
        **dict.fromkeys(("window_since", "window_sent", "window_held", "failures", "closed_until"), 0),
    }
    done = connection.execute(insert(hook).values(values))
    assert done.inserted_primary_key is not None  # noqa: S101 - each of our databases tells it
    added = hook_numbered(connection, done.inserted_primary_key[0])
    assert added is not None  # noqa: S101 - in this very transaction
    return added


def all_hooks(connection: Connection) -> list[Hook]:
    """Every hook, those that are switched off too, by number."""
    return [_hook(row) for row in connection.execute(select(*_HOOK_COLUMNS).order_by(_HOOK.id))]


def active_hooks(connection: Connection) -> list[Hook]:
    """The hooks that get alerts, by number."""
    return [one for one in all_hooks(connection) if one.disabled_at is None]


def hook_numbered(connection: Connection, hook_id: int) -> Hook | None:
    """The hook with that number."""
    row = connection.execute(select(*_HOOK_COLUMNS).where(_HOOK.id == hook_id)).one_or_none()
    return _hook(row) if row is not None else None


def change_hook(
    connection: Connection,
    hook_id: int,
    *,
    name: str | None = None,
    url: str | None = None,
    spelling: str | None = None,
    wanted: HookFilter | None = None,
    per_minute: int | None = None,
) -> None:
    """Change what is given; one with another address is tried at once."""
    given = {
        "name": name,
        "url": url,
        "format": spelling,
        "wanted": _text(wanted) if wanted is not None else None,
        "per_minute": per_minute,
    }
    values: dict[str, object] = {column: value for column, value in given.items() if value is not None}
    if url is not None:
        values |= {"failures": 0, "closed_until": 0}
    if values:
        connection.execute(_the_hook(hook_id).values(values))


def switch_hook(connection: Connection, hook_id: int, *, disabled_at: int | None) -> None:
    """From now on the hook gets nothing, or with None gets alerts again; what waits goes on waiting."""
    connection.execute(_the_hook(hook_id).values(disabled_at=disabled_at, failures=0, closed_until=0))


def delete_hook(connection: Connection, hook_id: int) -> None:
    """Delete a hook and its deliveries."""
    connection.execute(delete(hook).where(_HOOK.id == hook_id))


def set_window(connection: Connection, hook_id: int, window: Window) -> None:
    """Note how many alerts a hook got in this minute."""
    values = {"window_since": window.since, "window_sent": window.sent, "window_held": window.held}
    connection.execute(_the_hook(hook_id).values(values))


def note_failures(connection: Connection, hook_id: int, failures: int, *, closed_until: int) -> None:
    """So many deliveries failed in a row; the hook is left alone until then (µs)."""
    connection.execute(_the_hook(hook_id).values(failures=failures, closed_until=closed_until))


def heads_of(connection: Connection, identities: Iterable[IdentityUuid]) -> frozenset[IdentityUuid]:
    """What ``identities`` are called now, after those that went into others."""
    head = identity.alias("head")
    query = (
        select(func.coalesce(head.c.uuid, identity.c.uuid))
        .select_from(identity.outerjoin(head, head.c.id == identity.c.merged_into_id))
        .where(identity.c.uuid.in_(sorted(set(identities))))
    )
    return frozenset(IdentityUuid(bytes(uuid)) for uuid in connection.execute(query).scalars())


# --- deliveries


def add_tag_deliveries(connection: Connection, hook_id: int, keys: Sequence[TagKey], *, now: int) -> None:
    """The tags of these keys are to be told, each once: what is there already stays as it is."""
    rows = [(hook_id, "tag", at, uuid, "waiting", 0, now, now, "") for at, uuid in sorted(set(keys))]
    dialect_of(connection).insert_missing(connection, hook_delivery, _TAG_KEY, _NEW, rows)


def add_delivery(
    connection: Connection, hook_id: int, kind: DeliveryKind, suppressed: Suppressed | None = None, *, now: int
) -> int:
    """The number of a delivery that is about no tag."""
    values = {"hook_id": hook_id, "kind": kind, "state": "waiting", "tries": 0, "created_at": now, "due_at": now}
    detail = _text(suppressed) if suppressed is not None else None
    done = connection.execute(insert(hook_delivery).values(**values, detail=detail, error=""))
    assert done.inserted_primary_key is not None  # noqa: S101 - each of our databases tells it
    number: int = done.inserted_primary_key[0]
    return number


def count_waiting(connection: Connection, hook_id: int, most: int) -> int:
    """How many deliveries of a hook wait, counted up to ``most``."""
    waiting = select(_DELIVERY.id).where(_DELIVERY.hook_id == hook_id, _DELIVERY.state == "waiting").limit(most)
    found: int = connection.execute(select(func.count()).select_from(waiting.subquery())).scalar_one()
    return found


def due_deliveries(connection: Connection, *, now: int, busy: Collection[int]) -> list[Due]:
    """The oldest delivery that is due of each hook that gets alerts, is not ``busy`` and is not left alone."""
    free = [one for one in active_hooks(connection) if one.id not in busy and one.closed_until <= now]
    found = []
    for one in free:
        query = (
            select(*_DELIVERY_COLUMNS)
            .where(_DELIVERY.hook_id == one.id, _DELIVERY.state == "waiting", _DELIVERY.due_at <= now)
            .order_by(_DELIVERY.id)
            .limit(1)
        )
        row = connection.execute(query).one_or_none()
        if row is not None:
            delivery = _delivery(row)
            found.append(Due(one, delivery, tag_at(connection, delivery.key) if delivery.key is not None else None))
    return found


def end_delivery(
    connection: Connection, delivery_id: int, state: DeliveryState, *, tries: int, error: str, now: int
) -> None:
    """It was delivered, or is given up."""
    values = {"state": state, "tries": tries, "ended_at": now, "error": error[:MAX_ERROR_CHARS]}
    connection.execute(update(hook_delivery).where(_DELIVERY.id == delivery_id).values(values))


def postpone_delivery(connection: Connection, delivery_id: int, *, tries: int, error: str, due_at: int) -> None:
    """It failed once more, and is due again then."""
    values = {"tries": tries, "due_at": due_at, "error": error[:MAX_ERROR_CHARS]}
    connection.execute(update(hook_delivery).where(_DELIVERY.id == delivery_id).values(values))


def give_up_old(connection: Connection, hook_id: int, *, before: int, error: str, now: int) -> int:
    """What waits for a hook since before then (µs) is dead; returns how many that were."""
    old = update(hook_delivery).where(
        _DELIVERY.hook_id == hook_id, _DELIVERY.state == "waiting", _DELIVERY.created_at < before
    )
    return connection.execute(old.values(state="dead", ended_at=now, error=error[:MAX_ERROR_CHARS])).rowcount


def delivery_page(
    connection: Connection, hook_id: int, *, state: DeliveryState | None, before: int | None, limit: int
) -> list[HookDelivery]:
    """The deliveries of a hook, the newest first, from below the number ``before``."""
    query = select(*_DELIVERY_COLUMNS).where(_DELIVERY.hook_id == hook_id).order_by(_DELIVERY.id.desc()).limit(limit)
    if state is not None:
        query = query.where(_DELIVERY.state == state)
    if before is not None:
        query = query.where(_DELIVERY.id < before)
    return [_delivery(row) for row in connection.execute(query)]


def delivery_numbered(connection: Connection, hook_id: int, delivery_id: int) -> HookDelivery | None:
    """The delivery of that hook with that number."""
    mine = (_DELIVERY.id == delivery_id, _DELIVERY.hook_id == hook_id)
    row = connection.execute(select(*_DELIVERY_COLUMNS).where(*mine)).one_or_none()
    return _delivery(row) if row is not None else None


def replay_delivery(connection: Connection, delivery_id: int, *, now: int) -> None:
    """It waits again as if it were new, and is due at once."""
    values = {"state": "waiting", "tries": 0, "created_at": now, "due_at": now, "ended_at": None}
    connection.execute(update(hook_delivery).where(_DELIVERY.id == delivery_id).values(values))


def delete_ended(connection: Connection, state: DeliveryState, *, before: int, limit: int) -> int:
    """Delete up to ``limit`` deliveries that ended in ``state`` before then (µs); returns how many that were."""
    ended = (_DELIVERY.state == state, _DELIVERY.ended_at < before)
    return _delete_numbers(connection, select(_DELIVERY.id).where(*ended).limit(limit))


def delete_deliveries(connection: Connection, hook_id: int, *, limit: int) -> int:
    """Delete up to ``limit`` deliveries of a hook; returns how many that were."""
    return _delete_numbers(connection, select(_DELIVERY.id).where(_DELIVERY.hook_id == hook_id).limit(limit))


def _delete_numbers(connection: Connection, query: Select[tuple[int]]) -> int:
    numbers = list(connection.execute(query).scalars())
    if numbers:
        connection.execute(delete(hook_delivery).where(_DELIVERY.id.in_(numbers)))
    return len(numbers)


def _the_hook(hook_id: int) -> Update:
    return update(hook).where(_HOOK.id == hook_id)


def _text(value: HookFilter | Suppressed) -> str:
    return msgspec.json.encode(value).decode()


def _hook(row: Sequence[Any]) -> Hook:
    number, name, url, spelling, wanted, per_minute, salt, created_by, created_at, disabled_at, *rest = row
    since, sent, held, failures, closed_until = rest
    if spelling not in _FORMATS:
        raise StorageError(f"hook {number} has format {spelling!r}: this version does not know it; update decnet-ttp")
    return Hook(
        number,
        name,
        url,
        spelling,
        _filter_in(wanted),
        per_minute,
        bytes(salt),
        created_by,
        created_at,
        disabled_at,
        Window(since, sent, held),
        failures,
        closed_until,
    )


def _delivery(row: Sequence[Any]) -> HookDelivery:
    number, hook_id, kind, tag_time, tag_uuid, detail, state, *rest = row
    key = (tag_time, TagUuid(bytes(tag_uuid))) if tag_uuid is not None else None
    return HookDelivery(number, hook_id, kind, key, _detail_in(detail) if detail is not None else None, state, *rest)
