"""Accounts, keys of programs, tokens of sensors, and what administrators did: for administrators alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from decnet.db import access
from decnet.models.access import (
    LABEL_PATTERN,
    NAME_PATTERN,
    SENSOR_PATTERN,
    AccessKey,
    Account,
    AuditEntry,
    Role,
    Scope,
)
from decnet.web.access import passwords, tokens
from decnet.web.access.principal import Admin, Keeper, Principal
from decnet.web.pages import Cursor, Limit, Page, page_of, place_in
from decnet.web.place import Place, WebPlace
from decnet.web.problems import COMMON, Refused, responses

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

router = APIRouter(tags=["administration"], responses=COMMON)

Number = Annotated[int, Path(ge=1, le=2**53)]
_Password = Annotated[str, Field(min_length=passwords.SHORTEST, max_length=passwords.LONGEST)]
_Name = Annotated[str, Field(pattern=NAME_PATTERN, examples=["alice"])]
_Sensor = Annotated[str, Field(pattern=SENSOR_PATTERN, examples=["svr04"])]
_Label = Annotated[str, Field(pattern=LABEL_PATTERN, examples=["splunk"])]


class User(BaseModel):
    """An account. Times are µs UTC."""

    id: int
    name: str
    role: Role
    created_at: int
    disabled_at: int | None


class NewUser(BaseModel):
    """An account to be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Name
    role: Role = "viewer"
    password: _Password | None = Field(default=None, description="One is made and shown once where this is left out.")


class MadeUser(User):
    """A new account."""

    password: str | None = Field(description="The password that was made; it is not shown again.")


class UserChange(BaseModel):
    """What is left out stays. Every change ends the account's log-ins."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Role | None = None
    password: _Password | None = None
    disabled: bool | None = None


class Key(BaseModel):
    """A program's key, or a sensor's token. Times are µs UTC."""

    id: int
    name: str
    scope: Scope
    created_by: str
    created_at: int
    revoked_at: int | None


class NewKey(BaseModel):
    """A key to be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Label
    scope: Literal["viewer", "admin", "metrics"] = "viewer"


class NewSensor(BaseModel):
    """A sensor to be: its token hands in records as this sensor and can do nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Sensor


class MadeKey(Key):
    """A new key."""

    key: str = Field(description="The key itself; it is not shown again.")


class Audited(BaseModel):
    """What somebody did."""

    id: int
    done_at: int
    actor: str
    action: str
    target: str
    detail: str


@router.get("/users")
def users(_who: Admin, place: Place) -> list[User]:
    """Every account, by name."""
    return [_user(account) for account in place.database.read(access.all_accounts)]


@router.post("/users", status_code=201, responses=responses(409))
def add_user(body: NewUser, who: Admin, place: Place) -> MadeUser:
    """Make an account."""
    made = None if body.password is not None else passwords.new_password()
    password, now = body.password or made or "", place.clock()
    account = make_account(place.database, body.name, body.role, password, actor=who.actor, now=now)
    if account is None:
        raise Refused(409, f"there is an account {body.name} already; choose another name")
    return MadeUser(**_user(account).model_dump(), password=made)


@router.patch("/users/{number}", responses=responses(409))
def change_user(number: Number, body: UserChange, who: Admin, place: Place, keeper: Keeper) -> User:
    """Change an account's role or password, or disable it. The last administrator stays one."""
    now = place.clock()
    known = passwords.hashed(body.password) if body.password is not None else None

    def change(connection: Connection) -> Account:
        account = _found(connection, number)
        loses = body.role == "viewer" or body.disabled is True
        if loses and account.role == "admin" and not access.other_admins(connection, number):
            raise Refused(409, f"{account.name} is the last administrator; make another one first")
        access.change_account(
            connection,
            number,
            role=body.role,
            password_hash=known,
            disabled_at=now if body.disabled else None,
            enable=body.disabled is False,
            now=now,
        )
        given = body.model_dump(exclude_none=True, exclude={"password"}) | ({"password": "new"} if known else {})
        note(connection, who, "user changed", account.name, ", ".join(f"{k}={v}" for k, v in given.items()), now=now)
        return _found(connection, number)

    changed = place.database.write(change)
    keeper.forget()
    return _user(changed)


@router.delete("/users/{number}", status_code=204, responses=responses(409))
def delete_user(number: Number, who: Admin, place: Place, keeper: Keeper) -> None:
    """Delete an account."""

    def remove(connection: Connection) -> None:
        account = _found(connection, number)
        if account.role == "admin" and not access.other_admins(connection, number):
            raise Refused(409, f"{account.name} is the last administrator; make another one first")
        access.delete_account(connection, number)
        note(connection, who, "user deleted", account.name, "", now=place.clock())

    place.database.write(remove)
    keeper.forget()


@router.get("/keys")
def keys(_who: Admin, place: Place) -> list[Key]:
    """Every key of a program, revoked ones too."""
    return [_key(key) for key in place.database.read(partial(access.all_keys, sensors=False))]


@router.post("/keys", status_code=201)
def add_key(body: NewKey, who: Admin, place: Place) -> MadeKey:
    """Make a key for a program."""
    return make_key(place.database, body.name, body.scope, actor=who.actor, now=place.clock())


@router.delete("/keys/{number}", status_code=204)
def revoke_key(number: Number, who: Admin, place: Place, keeper: Keeper) -> None:
    """From now on the key is good for nothing."""
    _revoke(place, who, number, sensor=False)
    keeper.forget()


@router.get("/sensors")
def sensors(_who: Admin, place: Place) -> list[Key]:
    """The tokens of sensors, revoked ones too. How the sensors are is told by /ops/sensors."""
    return [_key(key) for key in place.database.read(partial(access.all_keys, sensors=True))]


@router.post("/sensors", status_code=201)
def add_sensor(body: NewSensor, who: Admin, place: Place) -> MadeKey:
    """Make a token for a sensor."""
    return make_key(place.database, body.name, "sensor", actor=who.actor, now=place.clock())


@router.delete("/sensors/{number}", status_code=204)
def revoke_sensor(number: Number, who: Admin, place: Place, keeper: Keeper) -> None:
    """From now on the sensor's token is good for nothing; what it handed in stays."""
    _revoke(place, who, number, sensor=True)
    keeper.forget()


@router.get("/audit")
def audit(_who: Admin, place: Place, limit: Limit = 100, cursor: Cursor = None) -> Page[Audited]:
    """What was done to accounts, keys, rules and dead letters, the newest first."""
    before = place_in(cursor, int)
    rows = place.database.read(partial(access.audit_page, before=before, limit=limit))
    items = [Audited(**row._asdict()) for row in rows]
    return page_of(rows, limit, items, rows[-1].id if rows else None)


def make_account(database: Database, name: str, role: Role, password: str, *, actor: str, now: int) -> Account | None:
    """A new account, written down in the audit log; None when the name is taken."""
    stored = passwords.hashed(password)

    def add(connection: Connection) -> Account | None:
        account = access.add_account(connection, name, role, stored, now=now)
        if account is not None:
            access.add_audit(connection, AuditEntry(0, now, actor, "user added", name, role))
        return account

    return database.write(add)


def make_key(database: Database, name: str, scope: Scope, *, actor: str, now: int) -> MadeKey:
    """A new key, written down in the audit log."""
    secret, digest = tokens.new_secret()

    def add(connection: Connection) -> int:
        number = access.add_key(connection, name, scope, digest, created_by=actor, now=now)
        entry = AuditEntry(0, now, actor, "sensor added" if scope == "sensor" else "key added", name, scope)
        access.add_audit(connection, entry)
        return number

    number = database.write(add)
    return MadeKey(
        id=number,
        name=name,
        scope=scope,
        created_by=actor,
        created_at=now,
        revoked_at=None,
        key=tokens.key_text(number, secret),
    )


def note(connection: Connection, who: Principal, action: str, target: str, detail: str, *, now: int) -> None:
    """Write down what ``who`` does, in the transaction that does it."""
    access.add_audit(connection, AuditEntry(0, now, who.actor, action, target, detail))


def _revoke(place: WebPlace, who: Principal, number: int, *, sensor: bool) -> None:
    now = place.clock()

    def revoke(connection: Connection) -> None:
        key = access.revoke_key(connection, number, sensor=sensor, now=now)
        if key is None:
            raise Refused(404, "there is no such key in force")
        note(connection, who, "sensor revoked" if sensor else "key revoked", key.name, f"number {number}", now=now)

    place.database.write(revoke)


def _found(connection: Connection, number: int) -> Account:
    account = access.account_numbered(connection, number)
    if account is None:
        raise Refused(404, "there is no such account")
    return account


def _user(account: Account) -> User:
    return User(**account._asdict())


def _key(key: AccessKey) -> Key:
    return Key(**key._asdict())
