"""Messages that tests are made of."""

from __future__ import annotations

import base64
from itertools import chain
from typing import TYPE_CHECKING

from decnet.sources.mail.extract import Envelope, mail_payload

if TYPE_CHECKING:
    from decnet.models.mail import MailPayload

RECEIVED_AT = 1_795_397_778_000_000  # 2026-11-23T01:36:18Z
ENVELOPE = Envelope("<bounce@sender.example>", ("a@decoy.example", "b@decoy.example"), RECEIVED_AT)
RECEIVED = (
    b"Received: from mail.sender.example (mail.sender.example [198.51.100.14])\r\n"
    b"\tby mx.decoy.example (Postfix) with ESMTP id 4F2 for <info@decoy.example>;\r\n"
    b"\tMon, 23 Nov 2026 01:36:18 +0000 (UTC)\r\n"
)


def message(*headers: str, body: str | bytes = "Hello.\r\n") -> bytes:
    """A message of one part with these headers."""
    return _joined([*headers, ""]) + (body.encode() if isinstance(body, str) else body)


def multipart(*parts: bytes, headers: tuple[str, ...] = ()) -> bytes:
    """A message of many parts."""
    ends = chain.from_iterable((b"--b\r\n", part, b"\r\n") for part in parts)
    return message(*headers, "Content-Type: multipart/mixed; boundary=b", body=b"".join([*ends, b"--b--\r\n"]))


def attachment(name: str, content: bytes, kind: str = "application/octet-stream") -> bytes:
    """A part with a file."""
    headers = (f"Content-Type: {kind}", f'Content-Disposition: attachment; filename="{name}"')
    return message(*headers, "Content-Transfer-Encoding: base64", body=base64.encodebytes(content))


def record(content: bytes, envelope: Envelope = ENVELOPE) -> MailPayload:
    """What the extractor makes of a message."""
    return mail_payload(content, envelope)


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")
