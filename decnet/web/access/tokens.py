"""What is handed out: short access tokens (JWT, RFC 7519), refresh tokens, keys of programs and sensors.

Access tokens are signed with HMAC-SHA-256 under a key derived from the installation's, for one audience and one
algorithm. Everything else is random, shown once and stored as a SHA-256: 256 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import NamedTuple

import jwt

ACCESS_S = 15 * 60
REFRESH_S = 14 * 24 * 3600
_ALGORITHM = "HS256"
_ISSUER = "decnet"
_SECRET_BYTES = 32
_MAX_CHARS = 2_000
_KEY_PREFIX = "dk"
_REFRESH_PREFIX = "dr"
_NUMBER_DIGITS = 19


class Secret(NamedTuple):
    """A random token with the number of its row, and what is stored of it."""

    number: int
    digest: bytes


def signing_key(installation_key: bytes) -> bytes:
    """The key of access tokens; knowing it tells nothing of the installation's."""
    return hmac.digest(installation_key, b"decnet access tokens", "sha256")


def access_token(key: bytes, login_id: int, *, now_us: int) -> str:
    """A token that names a log-in for a quarter of an hour."""
    now = now_us // 1_000_000
    claims = {"iss": _ISSUER, "sub": str(login_id), "iat": now, "exp": now + ACCESS_S}
    return jwt.encode(claims, key, _ALGORITHM)


def login_in(key: bytes, token: str, *, now_us: int) -> int | None:
    """The log-in that ``token`` names; None unless it is ours, untouched and in time by our own clock."""
    if len(token) > _MAX_CHARS:
        return None
    options: jwt.types.Options = {"require": ["exp", "iat", "sub", "iss"], "verify_exp": False, "verify_iat": False}
    try:
        claims = jwt.decode(token, key, [_ALGORITHM], issuer=_ISSUER, options=options)
        expires, number = claims["exp"], int(claims["sub"])
    except (jwt.InvalidTokenError, ValueError, TypeError):
        return None
    return number if isinstance(expires, int) and now_us < expires * 1_000_000 else None


def csrf_token(key: bytes, login_id: int) -> str:
    """What a page of ours must repeat in a header: another site can send our cookies and cannot read this."""
    return hmac.new(key, f"csrf {login_id}".encode(), hashlib.sha256).hexdigest()


def new_secret() -> tuple[str, bytes]:
    """A random secret, and what is stored of it."""
    text = secrets.token_urlsafe(_SECRET_BYTES)
    return text, digest_of(text)


def digest_of(text: str) -> bytes:
    """What is stored of a random secret."""
    return hashlib.sha256(text.encode()).digest()


def key_text(number: int, secret: str) -> str:
    """A key as a program sends it: ``dk_12_…``."""
    return f"{_KEY_PREFIX}_{number}_{secret}"


def refresh_text(key: bytes, number: int, secret: str) -> str:
    """A refresh token as its owner holds it, signed: one that was in force once is told from a made-up one."""
    text = f"{_REFRESH_PREFIX}_{number}_{secret}"
    return f"{text}.{_signature(key, text)}"


def key_in(text: str) -> Secret | None:
    """The key that ``text`` claims to be; whether it is one, the database knows."""
    return _split(_KEY_PREFIX, text)


def refresh_in(key: bytes, text: str) -> Secret | None:
    """The refresh token that ``text`` is: ours once, though perhaps no longer in force."""
    token, _, signature = text.partition(".")
    is_ours = hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), _signature(key, token).encode())
    return _split(_REFRESH_PREFIX, token) if is_ours else None


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, f"refresh {text}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _split(prefix: str, text: str) -> Secret | None:
    kind, _, rest = text[:_MAX_CHARS].partition("_")
    number, _, secret = rest.partition("_")
    is_number = number.isascii() and number.isdigit() and len(number) < _NUMBER_DIGITS
    if kind != prefix or not is_number or not secret or len(text) > _MAX_CHARS:
        return None
    return Secret(int(number), hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest())
