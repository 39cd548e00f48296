"""Logging in, staying in, leaving."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Cookie, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from decnet.db import access
from decnet.models.access import Role, Scope
from decnet.telemetry import logger
from decnet.web.access import passwords, throttle, tokens
from decnet.web.access.principal import (
    ACCESS_COOKIE,
    CSRF_COOKIE,
    REFRESH_COOKIE,
    Anyone,
    Doorkeeper,
    Keeper,
    refuse_forgery,
)
from decnet.web.guard import address_of
from decnet.web.place import Place
from decnet.web.problems import Refused, responses

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.models.access import Account, Login

PATH = "/api/v1"
router = APIRouter(prefix="/auth", tags=["access"])
_log = logger(__name__)


class Credentials(BaseModel):
    """Name and password of an account."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"name": "admin", "password": "correct horse battery"}]},
    )

    name: str = Field(max_length=64)
    password: str = Field(max_length=passwords.LONGEST)


class RefreshBody(BaseModel):
    """For programs; a browser sends its cookie instead."""

    model_config = ConfigDict(extra="forbid", strict=True)

    refresh_token: str = Field(max_length=200)


class LoggedIn(BaseModel):
    """Tokens for programs; a browser gets the same as cookies and repeats ``csrf_token`` where it changes things."""

    access_token: str = Field(description="For `Authorization: Bearer`.")
    expires_in_s: int = Field(description="How long the access token is good for.")
    refresh_token: str = Field(description="Good for one call of /auth/refresh.")
    csrf_token: str
    name: str
    role: Role


class Me(BaseModel):
    """Who asks."""

    name: str
    kind: str = Field(description="user or key")
    scope: Scope
    csrf_token: str | None = Field(description="For users: what a page repeats in X-CSRF-Token.")


@router.post("/login", responses=responses(400, 401, 408, 413, 429, 503))
def log_in(body: Credentials, request: Request, response: Response, place: Place, keeper: Keeper) -> LoggedIn:
    """Trade a password for tokens. Wrong passwords in a row cost time, by account and by address."""
    now, who = place.clock(), throttle.subjects(body.name, address_of(request, place))
    waiting = place.database.read(partial(throttle.wait_s, who=who, now=now))
    if waiting:
        raise Refused(429, f"too many wrong passwords; try again in {waiting} s", {"Retry-After": str(waiting)})
    stored = place.database.read(partial(access.password_hash_of, name=body.name))
    if not passwords.is_right(body.password, stored):
        place.database.write(partial(throttle.note_failure, who=who, now=now))
        _log.warning("a log-in from %s failed", who[1])
        raise Refused(401, "the name or the password is wrong", {"WWW-Authenticate": "Bearer"})
    secret, digest = tokens.new_secret()

    def begin(connection: Connection) -> tuple[Account, int] | None:
        account = access.account_named(connection, body.name)
        if account is None or account.disabled_at is not None:
            return None
        access.forget_failures(connection, who[0])
        expires = now + tokens.REFRESH_S * 1_000_000
        return account, access.add_login(connection, account.id, digest, now=now, expires_at=expires)

    begun = place.database.write(begin)
    if begun is None:
        raise Refused(401, "the name or the password is wrong", {"WWW-Authenticate": "Bearer"})
    account, number = begun
    return _told(response, place, keeper, account, number, secret)


@router.post("/refresh", responses=responses(400, 401, 403, 408, 413, 503))
def refresh(
    request: Request,
    response: Response,
    place: Place,
    keeper: Keeper,
    body: RefreshBody | None = None,
    cookie: Annotated[str | None, Cookie(alias=REFRESH_COOKIE, include_in_schema=False)] = None,
) -> LoggedIn:
    """Trade a refresh token for new tokens. One that comes a second time was stolen: its log-in ends."""
    text = body.refresh_token if body is not None else cookie
    held = tokens.refresh_in(keeper.key, text) if text is not None else None
    login = place.database.read(partial(access.login_of, login_id=held.number)) if held is not None else None
    if held is None or login is None or not _is_open(login, place.clock()):
        raise Refused(401, "this refresh token is not good, or no longer; log in", {"WWW-Authenticate": "Bearer"})
    if body is None:
        refuse_forgery(request, keeper.csrf(login.id))
    secret, digest = tokens.new_secret()
    exchange = partial(access.replace_refresh, login_id=login.id, known=held.digest, new=digest)
    if not place.database.write(exchange):
        place.database.write(partial(access.end_login, login_id=login.id, now=place.clock()))
        keeper.forget()
        _log.warning("a refresh token of %s came a second time; its log-in has ended", login.account.name)
        raise Refused(401, "this refresh token was used before; log in", {"WWW-Authenticate": "Bearer"})
    return _told(response, place, keeper, login.account, login.id, secret)


@router.post("/logout", status_code=204, responses=responses(400, 401, 403, 408, 413, 503))
def log_out(who: Anyone, response: Response, place: Place, keeper: Keeper) -> None:
    """End this log-in; its tokens are good no more. Keys are revoked, not logged out."""
    if who.kind == "user":
        place.database.write(partial(access.end_login, login_id=who.number, now=place.clock()))
        keeper.forget()
    for name, path in ((ACCESS_COOKIE, PATH), (REFRESH_COOKIE, f"{PATH}/auth"), (CSRF_COOKIE, "/")):
        response.delete_cookie(name, path=path, secure=place.is_https, samesite="strict")


@router.get("/me", responses=responses(401, 503))
def me(who: Anyone, keeper: Keeper) -> Me:
    """Who I am, and what I may."""
    csrf = keeper.csrf(who.number) if who.kind == "user" else None
    return Me(name=who.name, kind=who.kind, scope=who.scope, csrf_token=csrf)


def _is_open(login: Login, now: int) -> bool:
    return login.revoked_at is None and login.expires_at > now and login.account.disabled_at is None


def _told(response: Response, place: Place, keeper: Doorkeeper, account: Account, number: int, secret: str) -> LoggedIn:
    """The tokens, in the answer and as cookies that scripts cannot read; the CSRF token is one that they can."""
    access_token = tokens.access_token(keeper.key, number, now_us=place.clock())
    refresh_token, csrf = tokens.refresh_text(keeper.key, number, secret), keeper.csrf(number)
    for name, value, path, age, hidden in (
        (ACCESS_COOKIE, access_token, PATH, tokens.ACCESS_S, True),
        (REFRESH_COOKIE, refresh_token, f"{PATH}/auth", tokens.REFRESH_S, True),
        (CSRF_COOKIE, csrf, "/", tokens.REFRESH_S, False),
    ):
        response.set_cookie(name, value, age, path=path, secure=place.is_https, httponly=hidden, samesite="strict")
    return LoggedIn(
        access_token=access_token,
        expires_in_s=tokens.ACCESS_S,
        refresh_token=refresh_token,
        csrf_token=csrf,
        name=account.name,
        role=account.role,
    )
