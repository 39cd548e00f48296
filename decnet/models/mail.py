"""Mail as it leaves its extractor: counts, domains, digests and words of our own, and nothing that anybody wrote.

There is no field for an address, a subject, a text or the name of a file, so none can leave. What a sender can still
put into a value is a domain, a header's name, and the name of a mail program, each cut to the letters that it is made
of. The message itself is an artifact (:mod:`decnet.models.artifact`) under :attr:`MailPayload.message_sha256`; rules
about words open it again through :class:`Mails`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from decnet.models.artifact import Digest

FileType = Literal[
    "empty",
    "text",
    "html",
    "script",
    "pe",
    "elf",
    "macho",
    "java_class",
    "shortcut",
    "disk_image",
    "ole",
    "ooxml",
    "rtf",
    "pdf",
    "zip",
    "7z",
    "rar",
    "gzip",
    "cab",
    "jpeg",
    "png",
    "gif",
    "svg",
    "mail",
    "unknown",
]
"""What the bytes of an attachment are, whatever its name says."""

Trait = Literal[
    "macro",
    "encrypted_archive",
    "html_smuggling",
    "shortcut",
    "disk_image",
    "executable",
    "type_mismatch",
    "double_extension",
    "right_to_left_override",
]
"""What is noteworthy about an attachment."""

SmugglingSign = Literal[
    "blob", "create_object_url", "ms_save_blob", "data_url_download", "atob_large", "download_attribute"
]
"""Parts of a page that puts a file together by script and saves it."""

ArchiveFormat = Literal["", "zip", "7z", "rar"]

CheckResult = Literal["", "pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"]
"""A result of RFC 8601 2.7; empty where none is stated."""

Limit = Literal["size", "headers", "parts", "depth", "attachments", "links", "text", "archive"]
"""What a message had too much of: all up to the limit was looked at, the rest was not."""

SmtpVerb = Literal[
    "HELO", "EHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "AUTH", "STARTTLS", "other"
]
"""A command of RFC 5321, 3207 or 4954; ``other`` is everything else."""

StarttlsSign = Literal["", "stripped", "aborted", "plain_auth_after_offer"]
"""How the encryption that was offered did not come about: something on the way wrote over the client's command
(``stripped``: it arrives as ``XXXXXXXA``, as some firewalls leave it), the client asked for it and left within the
handshake (``aborted``), or it logged in without (``plain_auth_after_offer``)."""

MAX_DELIVERIES = 512
"""Messages of one session whose times are kept one by one."""


class SmtpFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a dialogue over SMTP came to; stands on the end of its session.

    ``asked`` and ``refused`` count commands, and those of them that were answered with 4xx or 5xx. Foreign is what is
    not of the server's own domains. ``deliveries`` are the first :data:`MAX_DELIVERIES` accepted messages: milliseconds
    since the session began, and recipients. ``login_ms`` is when a log-in first succeeded.
    """

    asked: dict[SmtpVerb, int] = {}
    refused: dict[SmtpVerb, int] = {}
    messages: int = 0
    recipients: int = 0
    foreign_sender: bool = False
    foreign_recipient: bool = False
    starttls_offered: bool = False
    starttls_used: bool = False
    starttls_sign: StarttlsSign = ""
    logins_failed: int = 0
    login_ms: int | None = None
    deliveries: tuple[tuple[int, int], ...] = ()


class Pixel(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A picture that a message loads from elsewhere, ``side_pixels`` along its longer side.

    With ``has_identifier`` its address tells apart who loads it.
    """

    host: str
    side_pixels: int
    has_identifier: bool = False


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A file in a message. ``extension`` is one that we know, else ``other``; the name itself is not kept."""

    sha256: str
    size_bytes: int
    file_type: FileType
    extension: str = ""
    archive_format: ArchiveFormat = ""
    traits: tuple[Trait, ...] = ()
    signs: tuple[SmugglingSign, ...] = ()


class MailPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One message, body-free.

    Digests are lower-case hexadecimal. ``from_domain`` and its like are empty where the header is missing or holds no
    domain. ``recipients`` and ``recipient_domains`` are the envelope's. ``header_names`` are distinct, in lower case,
    in the order of the message. ``hop_addresses`` are what Received lines claim, the newest first: true only as far as
    who wrote them. ``date_skew_seconds`` is Date minus reception. ``body_sha256`` is over the text with its white space
    evened out, ``body_simhash`` 64 bits over its words; both are empty for a message without text.
    ``decoded_base64_bytes`` counts what long runs of base64 *within* the text decode to, not transfer encodings.
    ``limits`` names what there was too much of.
    """

    message_sha256: str
    size_bytes: int
    from_domain: str = ""
    envelope_domain: str = ""
    return_path_domain: str = ""
    reply_to_domain: str = ""
    recipients: int = 0
    recipient_domains: tuple[str, ...] = ()
    header_names: tuple[str, ...] = ()
    x_mailer: str = ""
    has_dkim_signature: bool = False
    spf: CheckResult = ""
    dkim: CheckResult = ""
    hops: int = 0
    hop_hosts: tuple[str, ...] = ()
    hop_addresses: tuple[str, ...] = ()
    date_skew_seconds: int | None = None
    links: int = 0
    link_hosts: tuple[str, ...] = ()
    punycode: bool = False
    confusable: bool = False
    pixels: tuple[Pixel, ...] = ()
    body_sha256: str = ""
    body_simhash: str = ""
    body_bytes: int = 0
    decoded_base64_bytes: int = 0
    parts: int = 0
    attachments: tuple[Attachment, ...] = ()
    limits: tuple[Limit, ...] = ()


class MailText(msgspec.Struct, frozen=True, gc=False):
    """What people read of a message. Never stored, announced or logged: it lives while rules look at it.

    ``text`` is plain text and the text of pages, one after the other; ``links`` are addresses as written.
    """

    display_name: str = ""
    subject: str = ""
    text: str = ""
    links: tuple[str, ...] = ()


class Mails(Protocol):
    """Stored messages, for rules about words."""

    def text_of(self, digest: Digest) -> MailText | None:
        """What people read of the message under ``digest``; None when it is not, or no longer, stored.

        A message that is missed is asked for again before that is said, since a shared store may lag, and is then
        counted. Raises :class:`~decnet.errors.StorageUnavailable` while the store is out of reach.
        """


class SeenBodies(Protocol):
    """How often a text was seen before, over all attackers."""

    def earlier_messages(self, body_sha256: str, observed_at: int, event_id: bytes) -> int:
        """Stored messages with this text that stand before (``observed_at``, ``event_id``), up to a hundred."""
