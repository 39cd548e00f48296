"""What the headers of a message say of where it comes from: domains, hops, checks, times. No address leaves here."""

from __future__ import annotations

import re  # possessive patterns only: their time is linear in the text
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, get_args

from decnet.models.actor import canonical_address
from decnet.models.mail import CheckResult
from decnet.sources.mail.mime import decoded_words

if TYPE_CHECKING:
    from decnet.sources.mail.mime import Headers

MAX_HOPS = 16
MAX_DOMAIN_CHARS = 253
MAX_NAMES = 64
_MAX_NAME_CHARS = 64
_MAX_MAILER_CHARS = 64
_MAX_DATE_CHARS = 100
_US_PER_SECOND = 1_000_000
_MAILER_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._/+()-")
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_RESULTS: frozenset[str] = frozenset(get_args(CheckResult))
_HOST = re.compile(r"[\w.-]++")
_END_OF_DOMAIN = re.compile(r"[\s<>(),;:\"\[\]\\]")
_FROM = re.compile(r"^from\s{1,10}+([^\s()\[\];]{1,255}+)", re.IGNORECASE)
_ADDRESS = re.compile(r"\[(?:IPv6:)?+([0-9a-fA-F.:]{2,45}+)\]", re.IGNORECASE)
_CHECK = {
    "spf": re.compile(r"\bspf\s{0,5}+=\s{0,5}+([a-z]{1,12}+)", re.IGNORECASE),
    "dkim": re.compile(r"\bdkim\s{0,5}+=\s{0,5}+([a-z]{1,12}+)", re.IGNORECASE),
}


class Hop(NamedTuple):
    """A Received line: who the sender said it was, and from which address it came; empty where that is not stated."""

    host: str
    address: str
    text: str


def domain_of(value: str) -> str:
    """The domain of the first address in ``value``, in lower case; empty where there is none.

    ``"ceo@bank.example" <x@evil.example>`` is of ``evil.example``: what stands before the brackets is a name.
    """
    at = value.find("@", max(value.rfind("<"), 0))
    if at < 0:
        return ""
    return host_text(_END_OF_DOMAIN.split(value[at + 1 : at + MAX_DOMAIN_CHARS + 2], maxsplit=1)[0])


@lru_cache(8_192)
def host_text(text: str) -> str:
    """``text`` as the name of a host, in lower case; empty where it cannot be one. Letters are those of any script."""
    host = text.strip().rstrip(".").lower()
    return host if len(host) <= MAX_DOMAIN_CHARS and _HOST.fullmatch(host) else ""


def header_names(headers: Headers) -> tuple[str, ...]:
    """Distinct names, cut to the letters that names are made of."""
    plain = (name for name in headers.names if len(name) <= _MAX_NAME_CHARS and _NAME_CHARS.issuperset(name))
    return tuple(plain)[:MAX_NAMES]


def mailer(headers: Headers) -> str:
    """The mail program that the message names, cut to letters, digits and ``._/+()-``: no address fits in."""
    named = headers.get("x-mailer") or headers.get("user-agent")
    if not named or "@" in named:
        return ""
    return "".join(char for char in named if char in _MAILER_CHARS)[:_MAX_MAILER_CHARS].strip()


def check_result(headers: Headers, check: str) -> CheckResult:
    """What the newest Authentication-Results (RFC 8601) or Received-SPF (RFC 7208) states of ``spf`` or ``dkim``."""
    stated = _CHECK[check].findall(headers.get("authentication-results"))
    if not stated and check == "spf":
        stated = headers.get("received-spf").split()[:1]
    found = [word.lower() for word in stated if word.lower() in _RESULTS]
    if not found:
        return ""
    return "pass" if "pass" in found else found[0]


def hops(headers: Headers) -> list[Hop]:
    """The Received lines, the newest first."""
    return [hop_of(value) for value in headers.all("received")]


def hop_of(value: str) -> Hop:
    """What one Received line (RFC 5321 4.4) says.

    ``from mail.example (mail.example [198.51.100.14]) by mx.decoy.example with ESMTP id 4F; Mon, 23 Nov 2026 …``
    """
    end = value.lower().find(" by ")
    origin = value if end < 0 else value[:end]
    named = _FROM.match(origin)
    return Hop(host_text(named[1]) if named else "", _peer_of(origin), value)


def _peer_of(origin: str) -> str:
    """The address that the server saw, and not one that the client called itself in its greeting.

    Postfix and Sendmail write ``greeting (name [address])``, Exim ``[address] (helo=greeting)`` or ``name ([address]
    helo=greeting)``, Exchange ``greeting (address)``. What stands outside of the comment is a greeting, but for Exim.
    """
    before, bracket, comment = origin.partition("(")
    seen, helo, _ = comment.partition("helo=")
    if not bracket:
        return ""
    found = _ADDRESS.findall(seen)[-1:] or (_ADDRESS.findall(before)[:1] if helo else [seen.strip(" )")])
    try:
        return canonical_address(found[0]) if found else ""
    except ValueError:
        return ""


def time_of_hop(hop: Hop) -> int | None:
    """µs UTC of when a Received line was written; None where it does not say."""
    return moment(hop.text.rpartition(";")[2])


def moment(value: str) -> int | None:
    """µs UTC of a date of RFC 5322; None where it is none."""
    try:
        found = parsedate_to_datetime(value.strip()[:_MAX_DATE_CHARS])
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return round(found.timestamp()) * _US_PER_SECOND
    except (ValueError, TypeError, OverflowError, IndexError, OSError):
        return None


def shown_name(value: str) -> str:
    """The name that mail programs show for an address header, encoded words decoded; empty where there is none."""
    before, bracket, _ = value.rpartition("<")
    return decoded_words(before if bracket else "").strip(' "')
