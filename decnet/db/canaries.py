"""Canary tokens: made once, revoked once, never deleted, so that what they said stays explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from sqlalchemy import insert, select, update

from decnet.db.tables import canary_token
from decnet.errors import StorageError
from decnet.models.canary import CanaryToken, TokenKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlalchemy.engine import Connection

_KINDS: dict[str, TokenKind] = {kind: kind for kind in get_args(TokenKind)}
_ROW = canary_token.c
_TOKEN = (_ROW.slug, _ROW.kind, _ROW.label, _ROW.created_at, _ROW.target, _ROW.revoked_at)


def add_token(connection: Connection, token: CanaryToken) -> None:
    """Store a new token."""
    connection.execute(
        insert(canary_token).values(
            slug=token.slug,
            kind=token.kind,
            label=token.label,
            target=token.target,
            created_at=token.created_at,
            revoked_at=token.revoked_at,
        )
    )


def active_token(connection: Connection, slug: str) -> CanaryToken | None:
    """The token with this slug, unless there is none or it was revoked.

    :raises StorageError: a later version of this program made it.
    """
    query = select(*_TOKEN).where(_ROW.slug == slug, _ROW.revoked_at.is_(None))
    row = connection.execute(query).one_or_none()
    return _token(row) if row is not None else None


def all_tokens(connection: Connection) -> list[CanaryToken]:
    """Every token, revoked ones too, the oldest first.

    :raises StorageError: a later version of this program made one of them.
    """
    query = select(*_TOKEN).order_by(_ROW.created_at, _ROW.slug)
    return [_token(row) for row in connection.execute(query)]


def revoke_token(connection: Connection, slug: str, *, now: int) -> bool:
    """Let the token with this slug act no more; False when there is none that does. ``now`` in µs UTC."""
    acting = update(canary_token).where(_ROW.slug == slug, _ROW.revoked_at.is_(None))
    return bool(connection.execute(acting.values(revoked_at=now)).rowcount)


def _token(row: Sequence[Any]) -> CanaryToken:
    slug, kind, label, created_at, target, revoked_at = row
    if kind not in _KINDS:
        raise StorageError(f"canary token of kind {kind!r}: this version does not know it; update decnet-ttp")
    return CanaryToken(slug, _KINDS[kind], label, created_at, target, revoked_at)
