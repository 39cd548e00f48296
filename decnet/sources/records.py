"""What adapters share: JSON from hostile hands, values of unexpected types, and moments in every usual spelling."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from decnet.sources.base import Reason, quoted

if TYPE_CHECKING:
    from decnet.models.secret import SecretDigest

_US_PER_SECOND = 1_000_000
_LARGEST_INTEGER = 2**63 - 1  # what every database holds
_LARGEST_EPOCH_SECONDS = 2**36  # in the year 4147; greater numbers are in a smaller unit
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization"})
_UTF8_BOM = b"\xef\xbb\xbf"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

UNUSUAL: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on a line that does not fit its struct, or that holds what is no text."""


class Refused(NamedTuple):
    """Why a line has no record; becomes a :class:`~decnet.sources.base.Refusal` where file and line are known."""

    reason: Reason
    detail: str = ""


def object_in(line: bytes) -> dict[str, Any] | Refused:
    """The object in ``line``, for lone surrogates, invalid UTF-8, control characters and numbers beyond 64 bits.

    An invalid byte E9 becomes U+DCE9 (PEP 383), which is how Python programs write such a byte.
    """
    text = line.removeprefix(_UTF8_BOM).decode("utf-8", "surrogateescape")
    try:
        found = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        is_cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        reason = Reason.TRUNCATED if is_cut_off and text.lstrip()[:1] == "{" else Reason.NOT_JSON
        return Refused(reason, quoted(text))
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits; arrays in arrays in arrays
        return Refused(Reason.NOT_JSON, quoted(str(error)))
    if not isinstance(found, dict):
        return Refused(Reason.NOT_OBJECT, quoted(text))
    return found


def any_object_in(line: bytes) -> dict[str, Any]:
    """The object in ``line``, as :func:`object_in` reads it; empty when there is none."""
    try:
        found = msgspec.json.decode(line)
    except UNUSUAL:
        found = object_in(line)
    return found if isinstance(found, dict) else {}


def as_text(value: object) -> str | None:
    """``value`` as text if it is text or a number."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


def as_integer(value: object) -> int | None:
    """``value`` as an integer of at most 64 bits if it can be read as one."""
    try:
        number = int(value) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):  # no digits; too many digits; NaN and Infinity, which Python's JSON allows
        return None
    return number if number is not None and abs(number) <= _LARGEST_INTEGER else None


def bounded(number: int | None, largest: int = _LARGEST_INTEGER) -> int | None:
    """``number`` if it is one that can be: not negative, not above ``largest``."""
    return number if number is not None and 0 <= number <= largest else None


def without_password(realm: str, typed: str, digest: SecretDigest) -> str:
    """``typed`` as it may be stored: ``passwd`` reads a new password, ``chpasswd`` reads ``account:password``."""
    if realm == "passwd":
        return digest(typed)
    if realm == "chpasswd" and ":" in typed:
        account, _, password = typed.partition(":")
        return f"{account}:{digest(password)}"
    return typed


def without_credentials(headers: str, digest: SecretDigest) -> str:
    """``headers``, a line each, with the credentials of authorization headers as digests; the scheme stays."""
    return "\n".join(_without_credential(header, digest) for header in headers.split("\n"))


def _without_credential(header: str, digest: SecretDigest) -> str:
    name, colon, value = header.partition(":")
    if name.strip().lower() not in _CREDENTIAL_HEADERS:
        return header
    scheme, _, credential = value.strip().partition(" ")
    if not credential:
        return f"{name}{colon} {digest(scheme)}"
    return f"{name}{colon} {scheme} {digest(credential.strip())}"


def parsed_time(text: str) -> int | None:
    """µs UTC of an ISO 8601 text, ``+0200`` and ``+02:00`` alike, or of an epoch as text. No offset means UTC."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return from_epoch(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * _US_PER_SECOND + passed.microseconds


def from_epoch(value: str | float) -> int | None:
    """µs UTC of seconds since 1970, or of a smaller unit when the number is too great: milli, micro or nano."""
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    if not 0 < seconds < float("inf"):
        return None
    while seconds > _LARGEST_EPOCH_SECONDS:
        seconds /= 1_000
    return round(seconds * _US_PER_SECOND)
