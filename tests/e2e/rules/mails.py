"""A message for each rule about mail, and what its tags say."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from tests.sources.mail.files import SEVEN_ENCRYPTED, SHORTCUT, ole
from tests.sources.mail.messages import attachment, message, multipart

Shown = tuple[str, str, float]
BITCOIN = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
FROM = "From: Alice <alice@sender.example>"
_PAGE = "Content-Type: text/html; charset=utf-8"


class Example(NamedTuple):
    """A message, how many it is for, the tags of its rule, and what stands in their evidence."""

    content: bytes
    shown: set[Shown]
    kind: str
    evidence: dict[str, Any]
    recipients: int = 1
    sender: str = "alice@sender.example"
    times: int = 1


EXAMPLES = {
    "R0033": Example(
        message(FROM, body=f"Your files are encrypted. To recover them pay 0.5 btc to {BITCOIN}"),
        {("TA0040", "T1486", 0.9)},
        "email",
        {"signs": ["deed", "demand", "way_back", "bitcoin"], "threshold": {"min_words": 2}},
    ),
    "R0041": Example(
        message("From: <a@bank.example>"),
        {("TA0040", "T1496", 0.85), ("TA0042", "T1586.002", 0.85)},
        "email",
        {"domains": ["bank.example", "sender.example"], "counts": {"recipients": 10}},
        recipients=10,
    ),
    "R0042": Example(
        message(FROM, body="The very same words for everybody"),
        {("TA0001", "T1566", 0.85)},
        "email",
        {"counts": {"recipients": 25}},
        recipients=25,
        times=2,
    ),
    "R0043": Example(
        message(FROM, "X-Mailer: Leaf PHPMailer 2.8"),
        {("TA0001", "T1566", 0.9), ("TA0042", "T1588.001", 0.85)},
        "email",
        {"headers": ["x-mailer"], "signs": ["leaf_phpmailer"]},
    ),
    "R0044": Example(
        message(FROM, "Content-Type: text/plain; charset=utf-8", body="http://p\u0430ypal.example/"),
        {("TA0005", "T1036.005", 0.9), ("TA0001", "T1566.002", 0.9)},
        "email",
        {"domains": ["p\u0430ypal.example"], "signs": ["confusable"]},
    ),
    "R0045": Example(
        message(FROM, "Reply-To: x@other.example"),
        {("TA0005", "T1036", 0.85)},
        "email",
        {"headers": ["from", "reply-to"], "domains": ["sender.example", "other.example"]},
    ),
    "R0046": Example(
        multipart(attachment("a.doc", ole("Root Entry", "VBA", "_VBA_PROJECT")), headers=(FROM,)),
        {("TA0002", "T1204.002", 0.9), ("TA0001", "T1566.001", 0.9)},
        "email",
        {"signs": ["macro"], "counts": {"attachments": 1}},
    ),
    "R0047": Example(
        message(FROM, "Subject: urgent", body="I am the CEO. Do the wire transfer before close of business."),
        {("TA0001", "T1566", 0.8), ("TA0005", "T1684.001", 0.8)},
        "email",
        {"signs": ["urgency", "payment", "authority"]},
    ),
    "R0048": Example(
        message(FROM, body=base64.encodebytes(bytes(range(256)) * 20).decode()),
        {("TA0011", "T1071.003", 0.85), ("TA0005", "T1027", 0.9)},
        "email",
        {"threshold": {"bytes_gte": 4_096}},
    ),
    "R0076": Example(
        message(FROM, body=f"I recorded you on your webcam. Payment in bitcoin to {BITCOIN} or your contacts see it."),
        {("TA0001", "T1566", 0.85), ("TA0040", "T1657", 0.7)},
        "email_body",
        {"signs": ["exposure", "payment", "bitcoin"]},
    ),
    "R0077": Example(
        message(FROM, _PAGE, body='<a href="http://paypal.secure-login.example/signin">log in</a>'),
        {("TA0001", "T1566.002", 0.85), ("TA0009", "T1056.003", 0.85)},
        "email_body",
        {"signs": ["paypal"], "domains": ["paypal.secure-login.example"]},
    ),
    "R0078": Example(
        message("From: PayPal Service <x@sender.example>", _PAGE, body='PayPal: <a href="http://x.example/">here</a>'),
        {("TA0005", "T1036.005", 0.85), ("TA0001", "T1566.002", 0.85)},
        "email_header",
        {"signs": ["paypal"], "domains": ["sender.example"], "headers": ["from", "subject"]},
    ),
    "R0079": Example(
        message(FROM, _PAGE, body='<img src="http://t.example/o?u=a81f0c2299" width="1" height="1">'),
        {("TA0043", "T1592", 0.7)},
        "email_body",
        {"domains": ["t.example"], "threshold": {"side_pixels_lte": 1}},
    ),
    "R0080": Example(
        message(FROM, "Date: Thu, 23 Nov 2028 01:36:18 +0000"),
        {("TA0005", "T1070.006", 0.7)},
        "email_header",
        {"headers": ["date"], "threshold": {"future_seconds_gte": 3_600, "past_seconds_gte": 172_800}},
    ),
    "R0082": Example(
        multipart(
            attachment("r.html", b"<html><script>URL.createObjectURL(new Blob([x]))</script>", "text/html"),
            headers=(FROM,),
        ),
        {("TA0005", "T1027.006", 0.9)},
        "email_attachment",
        {"signs": ["blob", "create_object_url"]},
    ),
    "R0083": Example(
        multipart(attachment("a.7z", SEVEN_ENCRYPTED), headers=(FROM,)),
        {("TA0005", "T1027", 0.85), ("TA0001", "T1566.001", 0.85)},
        "email_attachment",
        {"signs": ["7z"]},
    ),
    "R0084": Example(
        multipart(attachment("invoice.pdf", SHORTCUT), headers=(FROM,)),
        {("TA0005", "T1036.008", 0.9)},
        "email_attachment",
        {"signs": ["type_mismatch"]},
    ),
}
"""Rule id → its message."""
