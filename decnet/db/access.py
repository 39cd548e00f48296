"""Accounts, their log-ins, keys, failed log-ins and the audit log. Secrets are stored as hashes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from sqlalchemy import delete, func, insert, select, update

from decnet.db.dialect import dialect_of
from decnet.db.tables import access_key, account, account_login, audit, login_throttle
from decnet.errors import StorageError
from decnet.models.access import AccessKey, Account, AuditEntry, Login, Role, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

_ROLES: dict[str, Role] = {role: role for role in get_args(Role)}
_SCOPES: dict[str, Scope] = {scope: scope for scope in get_args(Scope)}
_ACCOUNT = (account.c.id, account.c.name, account.c.role, account.c.created_at, account.c.disabled_at)
_KEY = (
    access_key.c.id,
    access_key.c.name,
    access_key.c.scope,
    access_key.c.created_by,
    access_key.c.created_at,
    access_key.c.revoked_at,
)


def count_accounts(connection: Connection) -> int:
    """How many accounts there are, disabled ones too."""
    return connection.execute(select(func.count()).select_from(account)).scalar_one()


def add_account(connection: Connection, name: str, role: Role, password_hash: str, *, now: int) -> Account | None:
    """A new account, or None when the name is taken."""
    if account_named(connection, name) is not None:
        return None
    values = {"name": name, "role": role, "password_hash": password_hash, "created_at": now}
    connection.execute(insert(account).values(values))
    return account_named(connection, name)


def all_accounts(connection: Connection) -> list[Account]:
    """Every account, by name."""
    return [_account(row) for row in connection.execute(select(*_ACCOUNT).order_by(account.c.name))]


def account_named(connection: Connection, name: str) -> Account | None:
    """The account of that name."""
    return _one_account(connection, account.c.name == name)


def account_numbered(connection: Connection, account_id: int) -> Account | None:
    """The account with that number."""
    return _one_account(connection, account.c.id == account_id)


def password_hash_of(connection: Connection, name: str) -> str | None:
    """What the password of an account is checked against; None where there is no such account, or it is disabled."""
    query = select(account.c.password_hash).where(account.c.name == name, account.c.disabled_at.is_(None))
    found: str | None = connection.execute(query).scalar()
    return found


def change_account(
    connection: Connection,
    account_id: int,
    *,
    role: Role | None = None,
    password_hash: str | None = None,
    disabled_at: int | None = None,
    enable: bool = False,
    now: int,
) -> None:
    """Change what is given; a new role, a new password and being disabled end the account's log-ins."""
    values: dict[str, object] = {}
    if role is not None:
        values["role"] = role
    if password_hash is not None:
        values["password_hash"] = password_hash
    if disabled_at is not None or enable:
        values["disabled_at"] = None if enable else disabled_at
    if not values:
        return
    connection.execute(update(account).where(account.c.id == account_id).values(values))
    end_logins(connection, account_id, now=now)


def delete_account(connection: Connection, account_id: int) -> None:
    """Delete an account and its log-ins."""
    connection.execute(delete(account).where(account.c.id == account_id))


def other_admins(connection: Connection, account_id: int) -> int:
    """How many accounts but this one can still administer."""
    query = select(func.count()).where(
        account.c.id != account_id, account.c.role == "admin", account.c.disabled_at.is_(None)
    )
    return connection.execute(query).scalar_one()


# --- log-ins


def add_login(connection: Connection, account_id: int, refresh_digest: bytes, *, now: int, expires_at: int) -> int:
    """The number of a new log-in. Log-ins that ended long ago are swept away on the way."""
    over = account_login.c.expires_at < now
    connection.execute(delete(account_login).where(account_login.c.account_id == account_id, over))
    values = {
        "account_id": account_id,
        "refresh_digest": refresh_digest,
        "created_at": now,
        "expires_at": expires_at,
    }
    done = connection.execute(insert(account_login).values(values))
    assert done.inserted_primary_key is not None  # noqa: S101 - each of our databases tells it
    number: int = done.inserted_primary_key[0]
    return number


def login_of(connection: Connection, login_id: int) -> Login | None:
    """A log-in with its account, also one that has ended."""
    of = account_login.c
    query = (
        select(of.refresh_digest, of.expires_at, of.revoked_at, *_ACCOUNT)
        .select_from(account_login.join(account))
        .where(of.id == login_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    digest, expires_at, revoked_at, *owner = row
    return Login(login_id, _account(owner), bytes(digest), expires_at, revoked_at)


def replace_refresh(connection: Connection, login_id: int, known: bytes, new: bytes) -> bool:
    """Exchange the refresh token; False when ``known`` is no longer the one in force, so that two cannot use it."""
    mine = update(account_login).where(account_login.c.id == login_id, account_login.c.refresh_digest == known)
    return bool(connection.execute(mine.values(refresh_digest=new)).rowcount)


def end_login(connection: Connection, login_id: int, *, now: int) -> None:
    """One log-in is over."""
    mine = update(account_login).where(account_login.c.id == login_id, account_login.c.revoked_at.is_(None))
    connection.execute(mine.values(revoked_at=now))


def end_logins(connection: Connection, account_id: int, *, now: int) -> None:
    """All log-ins of an account are over."""
    its = update(account_login).where(account_login.c.account_id == account_id, account_login.c.revoked_at.is_(None))
    connection.execute(its.values(revoked_at=now))


# --- keys


def add_key(connection: Connection, name: str, scope: Scope, digest: bytes, *, created_by: str, now: int) -> int:
    """The number of a new key."""
    values = {"name": name, "scope": scope, "digest": digest, "created_by": created_by, "created_at": now}
    done = connection.execute(insert(access_key).values(values))
    assert done.inserted_primary_key is not None  # noqa: S101 - each of our databases tells it
    number: int = done.inserted_primary_key[0]
    return number


def all_keys(connection: Connection, *, sensors: bool) -> list[AccessKey]:
    """The keys of sensors, or those of programs, revoked ones too, by number."""
    is_sensor = access_key.c.scope == "sensor"
    query = select(*_KEY).where(is_sensor if sensors else ~is_sensor).order_by(access_key.c.id)
    return [_key(row) for row in connection.execute(query)]


def key_numbered(connection: Connection, key_id: int) -> tuple[AccessKey, bytes] | None:
    """A key that is in force, and the digest of its secret."""
    query = select(*_KEY, access_key.c.digest).where(access_key.c.id == key_id, access_key.c.revoked_at.is_(None))
    row = connection.execute(query).one_or_none()
    return (_key(row[:-1]), bytes(row[-1])) if row is not None else None


def revoke_key(connection: Connection, key_id: int, *, sensor: bool, now: int) -> AccessKey | None:
    """The key that is no longer good; None where there is none that was, or it is of the other kind."""
    found = key_numbered(connection, key_id)
    if found is None or (found[0].scope == "sensor") != sensor:
        return None
    connection.execute(update(access_key).where(access_key.c.id == key_id).values(revoked_at=now))
    return found[0]


# --- failed log-ins


def failures_of(connection: Connection, subjects: Sequence[str]) -> list[tuple[int, int]]:
    """Failures in a row of each of ``subjects`` that has any, and when the last one was."""
    of = login_throttle.c
    query = select(of.failures, of.failed_at).where(of.subject.in_(subjects))
    return [(failures, at) for failures, at in connection.execute(query)]


def add_failure(connection: Connection, subject: str, *, now: int, forget_before: int) -> None:
    """One more failure of ``subject``; those whose last failure was before ``forget_before`` are forgotten."""
    of = login_throttle.c
    connection.execute(delete(login_throttle).where(of.failed_at < forget_before))
    dialect_of(connection).insert_missing(
        connection, login_throttle, ("subject",), ("subject", "failures", "failed_at"), [(subject, 0, now)]
    )
    more = update(login_throttle).where(of.subject == subject)
    connection.execute(more.values(failures=of.failures + 1, failed_at=now))


def forget_failures(connection: Connection, subject: str) -> None:
    """Somebody knew the password: the failures of ``subject`` count no more."""
    connection.execute(delete(login_throttle).where(login_throttle.c.subject == subject))


# --- what administrators did


def add_audit(connection: Connection, entry: AuditEntry) -> None:
    """Write down what was done, in the transaction that does it; the number of ``entry`` is not used."""
    connection.execute(
        insert(audit).values(
            done_at=entry.done_at, actor=entry.actor, action=entry.action, target=entry.target, detail=entry.detail
        )
    )


def audit_page(connection: Connection, *, before: int | None, limit: int) -> list[AuditEntry]:
    """What was done, the newest first, from below the number ``before``."""
    of = audit.c
    query = select(of.id, of.done_at, of.actor, of.action, of.target, of.detail).order_by(of.id.desc()).limit(limit)
    if before is not None:
        query = query.where(of.id < before)
    return [AuditEntry(*row) for row in connection.execute(query)]


def _one_account(connection: Connection, where: ColumnElement[bool]) -> Account | None:
    row = connection.execute(select(*_ACCOUNT).where(where)).one_or_none()
    return _account(row) if row is not None else None


def _account(row: Sequence[Any]) -> Account:
    number, name, role, created_at, disabled_at = row
    if role not in _ROLES:
        raise StorageError(f"account {name!r} has role {role!r}: this version does not know it; update decnet-ttp")
    return Account(number, name, _ROLES[role], created_at, disabled_at)


def _key(row: Sequence[Any]) -> AccessKey:
    number, name, scope, created_by, created_at, revoked_at = row
    if scope not in _SCOPES:
        raise StorageError(f"key {number} has scope {scope!r}: this version does not know it; update decnet-ttp")
    return AccessKey(number, name, _SCOPES[scope], created_by, created_at, revoked_at)
