"""A message becomes its record, in one pass; and, for rules about words, what people read of it."""

from __future__ import annotations

from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from decnet.models.mail import MailPayload, MailText
from decnet.sources.mail.attachments import Examined, examine
from decnet.sources.mail.headers import (
    MAX_HOPS,
    check_result,
    domain_of,
    header_names,
    hops,
    mailer,
    moment,
    shown_name,
)
from decnet.sources.mail.hosts import is_confusable, is_punycode
from decnet.sources.mail.mime import MAX_MESSAGE_BYTES, decoded_words, read_message
from decnet.sources.mail.text import Words, host_of, shown_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.models.mail import Limit
    from decnet.sources.mail.mime import Headers, Message, Part
    from decnet.sources.mail.text import Shown

MAX_ATTACHMENTS = 32
MAX_HOSTS = 32
MAX_RECIPIENT_DOMAINS = 32
_TEXT_KINDS = frozenset({"", "text/plain", "text/html", "text/enriched", "text/calendar"})
_US_PER_SECOND = 1_000_000
_LARGEST_SKEW_SECONDS = 10**10


class Envelope(NamedTuple):
    """What a server was told, and when (µs UTC): none of it is kept but domains and counts."""

    sender: str
    recipients: tuple[str, ...]
    received_at: int


def mail_payload(content: bytes, envelope: Envelope) -> MailPayload:
    """The record of ``content``; raises nothing, whatever it holds.

    Its pointer is the digest of what can be kept of it, see :func:`kept`.
    """
    message = read_message(content)
    texts, files = _sorted_leaves(message.leaves)
    shown = shown_of(texts)
    words = Words(shown.text)
    examined = [examine(part) for part in files[:MAX_ATTACHMENTS]]
    found = hops(message.headers)
    hosts = tuple(dict.fromkeys(filter(None, map(host_of, shown.links))))[:MAX_HOSTS]
    return MailPayload(
        message_sha256=sha256(kept(content)).hexdigest(),
        size_bytes=len(content),
        **_sender(message.headers, envelope),
        recipients=len(envelope.recipients),
        recipient_domains=_domains(envelope.recipients),
        header_names=header_names(message.headers),
        x_mailer=mailer(message.headers),
        has_dkim_signature=bool(message.headers.get("dkim-signature")),
        spf=check_result(message.headers, "spf"),
        dkim=check_result(message.headers, "dkim"),
        hops=len(found),
        hop_hosts=_distinct(hop.host for hop in found),
        hop_addresses=_distinct(hop.address for hop in found),
        date_skew_seconds=_skew(message.headers, envelope),
        links=len(shown.links),
        link_hosts=hosts,
        punycode=any(map(is_punycode, hosts)),
        confusable=any(map(is_confusable, hosts)),
        pixels=shown.pixels,
        body_sha256=words.digest(),
        body_simhash=words.simhash(),
        body_bytes=sum(len(part.content) for part in texts),
        decoded_base64_bytes=words.base64_bytes(),
        parts=message.parts,
        attachments=tuple(one.attachment for one in examined),
        limits=tuple(sorted(_limits(message, shown, examined, len(files)))),
    )


def kept(content: bytes) -> bytes:
    """What is stored of a message: all of it, or as much as is looked at."""
    return content if len(content) <= MAX_MESSAGE_BYTES else content[:MAX_MESSAGE_BYTES]


def mail_text(content: bytes) -> MailText:
    """What people read of ``content``; raises nothing, whatever it holds."""
    message = read_message(content)
    shown = shown_of(_sorted_leaves(message.leaves)[0])
    headers = message.headers
    return MailText(
        shown_name(headers.get("from")),
        decoded_words(headers.get("subject")),
        Words(shown.text).even,
        shown.links,
    )


def _sorted_leaves(leaves: Iterable[Part]) -> tuple[list[Part], list[Part]]:
    """The parts that are text to read, and those that are files; pictures within the text are files as well."""
    texts: list[Part] = []
    files: list[Part] = []
    for part in leaves:
        is_text = part.kind in _TEXT_KINDS and not part.filename and not part.is_attachment
        (texts if is_text else files).append(part)
    return texts, files


def _sender(headers: Headers, envelope: Envelope) -> dict[str, str]:
    """The domains that stand for the sender."""
    return {
        "from_domain": domain_of(headers.get("from")),
        "envelope_domain": domain_of(envelope.sender),
        "return_path_domain": domain_of(headers.get("return-path")),
        "reply_to_domain": domain_of(headers.get("reply-to")),
    }


def _domains(recipients: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(map(domain_of, recipients)) - {""}))[:MAX_RECIPIENT_DOMAINS]


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, values)))[:MAX_HOPS]


def _skew(headers: Headers, envelope: Envelope) -> int | None:
    """Seconds from reception to the Date that is stated; None where none is, or one beyond any calendar."""
    stated = moment(headers.get("date"))
    if stated is None:
        return None
    skew = (stated - envelope.received_at) // _US_PER_SECOND
    return skew if abs(skew) <= _LARGEST_SKEW_SECONDS else None


def _limits(message: Message, shown: Shown, examined: list[Examined], files: int) -> set[Limit]:
    limits: set[Limit] = set(chain(message.limits, shown.limits))
    if files > MAX_ATTACHMENTS:
        limits.add("attachments")
    if any(one.is_cut for one in examined):
        limits.add("archive")
    return limits
