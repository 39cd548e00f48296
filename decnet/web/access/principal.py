"""Who asks, by what a request carries, and what each route demands of them.

A request carries an access token or a key after ``Authorization: Bearer``, or the cookies of a browser. What changes
something by cookie must repeat the CSRF token. Who was looked up is remembered for a few seconds: whoever loses a role,
a log-in or a key loses it everywhere within that time, and at once in the process that takes it.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from anyio import to_thread
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from decnet.db import access
from decnet.web.access.tokens import csrf_token, key_in, login_in, signing_key
from decnet.web.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sqlalchemy.engine import Connection

    from decnet.models.access import Scope
    from decnet.web.access.tokens import Secret
    from decnet.web.place import WebPlace

ACCESS_COOKIE = "decnet_access"
REFRESH_COOKIE = "decnet_refresh"
CSRF_COOKIE = "decnet_csrf"
CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_REMEMBERED_S = 5.0
_MOST = 10_000

_bearer = HTTPBearer(auto_error=False, description="An access token of /auth/login, or a key.", scheme_name="bearer")
_cookie = APIKeyCookie(
    name=ACCESS_COOKIE, auto_error=False, description="What /auth/login sets in a browser.", scheme_name="cookie"
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. ``number`` is the log-in's or the key's; ``account_id`` is None for keys."""

    kind: Literal["user", "key"]
    name: str
    scope: Scope
    number: int
    account_id: int | None = None

    @property
    def actor(self) -> str:
        """As the audit log names them."""
        return self.name if self.kind == "user" else f"key {self.number} ({self.name})"[:120]


class Doorkeeper:
    """Knows who is behind a token; remembers it for a few seconds, so that a page of requests asks once."""

    def __init__(self, place: WebPlace) -> None:
        self.place = place
        self.key = signing_key(place.key)
        self._known: dict[Hashable, tuple[float, Principal | None]] = {}

    async def by_token(self, token: str) -> Principal | None:
        """Who sent ``token`` as bearer: a program with a key, or a log-in."""
        secret = key_in(token)
        if secret is not None:
            return await self._look(secret, partial(_by_key, secret=secret))
        return await self.by_access_token(token)

    async def by_access_token(self, token: str) -> Principal | None:
        """Whose access token it is, while its log-in and its account are in force."""
        now = self.place.clock()
        login_id = login_in(self.key, token, now_us=now)
        if login_id is None:
            return None
        return await self._look(login_id, partial(_by_login, login_id=login_id, now=now))

    def csrf(self, login_id: int) -> str:
        """What the pages of this log-in repeat."""
        return csrf_token(self.key, login_id)

    def forget(self) -> None:
        """Somebody lost something: look everybody up again."""
        self._known.clear()

    async def _look(self, key: Hashable, find: partial[Principal | None]) -> Principal | None:
        found = self._known.get(key)
        if found is not None and time.monotonic() < found[0]:
            return found[1]
        who = await to_thread.run_sync(self.place.database.read, find)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = (time.monotonic() + _REMEMBERED_S, who)
        return who


async def doorkeeper(request: Request) -> Doorkeeper:
    """The one of this application."""
    keeper: Doorkeeper = request.app.state.doorkeeper
    return keeper


async def asking(
    request: Request,
    bearer: Annotated[object, Security(_bearer)] = None,
    cookie: Annotated[str | None, Security(_cookie)] = None,
) -> Principal:
    """Who asks.

    :raises Refused: 401 for nobody we know, 403 for a change by cookie without the CSRF token.
    """
    keeper = await doorkeeper(request)
    token = getattr(bearer, "credentials", None)
    if token is not None:
        who = await keeper.by_token(token)
    elif cookie is not None:
        who = await keeper.by_access_token(cookie)
        if who is not None:
            refuse_forgery(request, keeper.csrf(who.number))
    else:
        who = None
    if who is None:
        raise Refused(401, "log in, or send a key as bearer", {"WWW-Authenticate": "Bearer"})
    return who


def refuse_forgery(request: Request, expected: str) -> None:
    """Nothing, unless the request changes something and does not repeat the CSRF token.

    :raises Refused: 403, it does not.
    """
    if request.method in _SAFE:
        return
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), expected.encode()):
        raise Refused(403, f"repeat the cookie {CSRF_COOKIE} in the header {CSRF_HEADER}")


def _only(*scopes: Scope) -> object:
    async def allowed(who: Annotated[Principal, Depends(asking)]) -> Principal:
        if who.scope not in scopes:
            raise Refused(403, f"this is for {' and '.join(scopes)}; {who.name} is {who.scope}")
        return who

    return Depends(allowed)


Anyone = Annotated[Principal, Depends(asking)]
Viewer = Annotated[Principal, _only("viewer", "admin")]
Admin = Annotated[Principal, _only("admin")]
Sensor = Annotated[Principal, _only("sensor")]
Metrics = Annotated[Principal, _only("metrics", "admin")]
Keeper = Annotated[Doorkeeper, Depends(doorkeeper)]


def _by_key(connection: Connection, secret: Secret) -> Principal | None:
    found = access.key_numbered(connection, secret.number)
    if found is None or not hmac.compare_digest(found[1], secret.digest):
        return None
    key = found[0]
    return Principal("key", key.name, key.scope, key.id)


def _by_login(connection: Connection, login_id: int, now: int) -> Principal | None:
    login = access.login_of(connection, login_id)
    if login is None or login.revoked_at is not None or login.expires_at <= now:
        return None
    owner = login.account
    if owner.disabled_at is not None:
        return None
    return Principal("user", owner.name, owner.role, login.id, owner.id)
