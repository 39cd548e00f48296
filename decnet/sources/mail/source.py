"""Messages that a mail honeypot kept (``.eml``, mbox, Maildir): one message in, its event out.

Whom a message is from stands in no header that its sender wrote. The honeypot writes its own on top, so the address is
taken from the topmost Received line, and from no other: docs/reference/mail.md tells how far that can be trusted.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from decnet.models.actor import session_uuid
from decnet.models.event import EMAIL, Event, event_id
from decnet.models.text import canonical_text
from decnet.sources.base import Notes, Reason, Refusal, quoted, share_of
from decnet.sources.connections import Connections, connection
from decnet.sources.mail.extract import Envelope, mail_payload
from decnet.sources.mail.headers import hop_of, host_text, moment, time_of_hop
from decnet.sources.mail.mailbox import MBOX_MARK, is_mail
from decnet.sources.mail.mime import MAX_MESSAGE_BYTES, read_headers
from decnet.sources.records import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.models.secret import SecretDigest

PROTOCOL = "smtp"
_MAX_NAME_CHARS = 128
_MAX_MBOX_LINE_BYTES = 1_024
_MAX_RECIPIENTS = 10_000
_RECIPIENT_HEADERS = ("x-original-to", "delivered-to", "envelope-to", "x-envelope-to", "x-rcpt-to", "x-rcptto")


class _Reception(NamedTuple):
    """What the honeypot wrote about a message: from where, when (µs UTC), by which host, and the envelope."""

    address: str
    host: str
    envelope: Envelope


class MailSource:
    """Reads messages; what is a line to other adapters is a whole message here, an mbox's first line in front of it.

    ``sensor`` is the operator's name for the honeypot and wins over the host that says it received the message.
    """

    name: str = "mail"

    def __init__(self, _secret_digest: SecretDigest, *, sensor: str | None = None, file: str = "") -> None:
        self.file = file
        self.notes = Notes()
        self._sensor: Final = sensor or ""
        self._connections: Final = Connections()

    @staticmethod
    def sniff(first_lines: Sequence[bytes]) -> float:
        """The share that are messages: headers on top, two of them such as every message has."""
        return share_of(first_lines, is_mail)

    def read(self, line: bytes, line_number: int) -> Sequence[Event] | Refusal:
        """See :class:`~decnet.sources.base.Source`."""
        if not line.strip():
            return ()
        content = message_in(line)
        reception = _reception_of(content, _mbox_line(line))
        if isinstance(reception, Refused):
            return Refusal(self.file, line_number, reception.reason, reception.detail)
        sensor = canonical_text(self._sensor or reception.host) or "unknown"
        if len(sensor) > _MAX_NAME_CHARS:
            return Refusal(self.file, line_number, Reason.NAME_TOO_LONG, quoted(sensor))
        payload = mail_payload(content, reception.envelope)
        for limit in payload.limits:
            self.notes.add(f"message with too much: {limit}", line_number)
        at, source = reception.envelope.received_at, reception.address
        link = connection(source, None, sensor, None, PROTOCOL)
        native = self._connections.session_of(sensor, link, at, is_stream=False)
        key = event_id(at, sensor, link, EMAIL, payload.message_sha256)
        session = session_uuid(sensor, native)
        return (Event(key, at, sensor, sensor, PROTOCOL, source, None, session, native, EMAIL, payload, line_number),)


def message_in(line: bytes) -> bytes:
    """The message itself: without the first line of an mbox and its quotation marks, cut where it is too long."""
    if not line.startswith(MBOX_MARK):
        return line[: MAX_MESSAGE_BYTES + 1]
    content = line.partition(b"\n")[2]
    if b"\n>" in content:
        content = content.replace(b"\n>" + MBOX_MARK, b"\n" + MBOX_MARK)
    return content[: MAX_MESSAGE_BYTES + 1]


def _mbox_line(line: bytes) -> str:
    """``From sender@a.example Mon Nov 23 01:36:18 2026``; empty for a message that is no part of an mbox."""
    if not line.startswith(MBOX_MARK):
        return ""
    return line[: line.find(b"\n")][:_MAX_MBOX_LINE_BYTES].decode("utf-8", "replace")


def _reception_of(content: bytes, mbox_line: str) -> _Reception | Refused:
    """What stands on top, down to the Received line that tells from where the message came in.

    Where that line tells that the host had the message from itself (a filter, a local delivery), the one below it is
    that host's as well, and is taken in its place.
    """
    recipients: list[str] = []
    _, _, mbox = mbox_line.partition(" ")
    sender, _, mbox_time = mbox.partition(" ")
    for name, value in read_headers(content).lines:
        if name == "return-path":
            sender = value
        elif name in _RECIPIENT_HEADERS:
            recipients += [each for each in value.split(",") if "@" in each]
        elif name == "received":
            hop = hop_of(value)
            if not hop.address or ip_address(hop.address).is_loopback:
                continue
            at = time_of_hop(hop) or moment(mbox_time)
            if at is None:
                return Refused(Reason.NO_TIME, "the topmost Received line tells no time")
            envelope = Envelope(sender, tuple(recipients[:_MAX_RECIPIENTS]) or _recipient_in(value), at)
            return _Reception(hop.address, _receiver(value), envelope)
    return Refused(Reason.NO_ADDRESS, "no Received line on top tells from which address the message came")


def _recipient_in(received: str) -> tuple[str, ...]:
    """``… for <info@decoy.example>; …``."""
    _, found, rest = received.partition(" for ")
    recipient = rest.partition(";")[0].strip().partition(" ")[0]
    return (recipient,) if found and "@" in recipient else ()


def _receiver(received: str) -> str:
    """``… by mx.decoy.example with …``."""
    lower = received.lower()
    at = lower.find(" by ")
    start = at + len(" by ") if at >= 0 else len("by ") if lower.startswith("by ") else len(lower)
    return host_text(received[start:].strip().partition(" ")[0])
