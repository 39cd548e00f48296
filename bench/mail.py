"""Messages of 10 KB through the extractor; and messages made to be slow or large."""

from __future__ import annotations

import base64
import io
import random
import statistics
import time
import tracemalloc
import zipfile

from decnet.sources.mail.extract import Envelope, mail_payload

MESSAGES = 200
RUNS = 5
SIZE = 10_000
FLOOR = 2_000
"""Messages per second that the extractor has to keep up with."""
HEADERS = (
    b"Received: from mail.example (mail.example [198.51.100.14]) by mx.decoy.example with ESMTP id 4F2;"
    b' Mon, 23 Nov 2026 01:36:18 +0000\r\nFrom: "Service" <service@bank.example>\r\nTo: a@b.example\r\n'
    b"Subject: =?utf-8?q?Your_invoice?=\r\nDate: Mon, 23 Nov 2026 01:36:10 +0000\r\nMessage-ID: <1@x.example>\r\n"
    b"X-Mailer: Mailer 1.0\r\nMIME-Version: 1.0\r\n"
)


def main() -> None:
    """Print the figures."""
    print(f"mail, extraction alone, {MESSAGES} different messages of {SIZE:,} bytes, one core, CPU time")
    everything = []
    for name, made in {"plain text": _plain, "page": _page, "text and attachment": _with_attachment}.items():
        messages = [made(random.Random(number)) for number in range(MESSAGES)]
        everything += messages
        print(f"  {name:<22} {_rate(messages):>7,.0f} messages/s")
    rate = _rate(everything)
    print(f"  {'all together':<22} {rate:>7,.0f} messages/s, {rate / FLOOR:.2f} of the floor of {FLOOR:,}")
    print("  hostile messages, each once: CPU time, and the most memory beside the message itself")
    for name, message in hostile().items():
        print(f"  {name:<22} {_cost(message)}")


def hostile() -> dict[str, bytes]:
    """Messages that have too much of something."""
    nested = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (depth, depth) for depth in range(1_000)
    )
    return {
        "a million headers": b"X-A: b\r\n" * 1_000_000 + b"\r\nbody",
        "1,000 nested parts": HEADERS + nested + b"\r\nbody",
        "100,000 flat parts": HEADERS
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\n\r\nx\r\n" * 100_000,
        "50 MB of text": HEADERS + b"\r\n" + b"word and words " * 3_500_000,
        "50 MB of brackets": HEADERS + b"Content-Type: text/html\r\n\r\n" + b"<" * 50_000_000,
        "32 MB attachment": _attachment(random.Random(1).randbytes(23_000_000)),
        "zip bomb": _attachment(_bomb()),
        "wrong charset": HEADERS + b"Content-Type: text/plain; charset=utf-16\r\n\r\n" + b"\xff\xfe\xd8" * 3_000,
        "512 KB of links": HEADERS + b"\r\n" + b"http://" * 75_000,
        "512 KB of references": HEADERS + b"Content-Type: text/html\r\n\r\n" + b"&#" + b"9" * 500_000,
    }


def _rate(messages: list[bytes]) -> float:
    envelope = Envelope("<a@b.example>", ("c@d.example",), 1_700_000_000_000_000)
    rates = []
    for _ in range(RUNS):
        begun = time.process_time()
        for message in messages:
            mail_payload(message, envelope)
        rates.append(len(messages) / (time.process_time() - begun))
    return statistics.median(rates)


def _cost(message: bytes) -> str:
    envelope = Envelope("", (), 1_700_000_000_000_000)
    begun = time.process_time()
    payload = mail_payload(message, envelope)
    seconds = time.process_time() - begun
    tracemalloc.start()
    mail_payload(message, envelope)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    told = f"; limits: {', '.join(payload.limits)}" if payload.limits else ""
    return f"{seconds * 1_000:>7,.0f} ms, {most / 1e6:>5,.0f} MB of {len(message) / 1e6:,.1f} MB{told}"


def _words(chance: random.Random, characters: int) -> str:
    vocabulary = random.Random(7)
    known = ["".join(vocabulary.choices("etaoinshrdlu", k=vocabulary.randint(2, 10))) for _ in range(2_000)]
    lines, size = [], 0
    while size < characters:
        line = " ".join(chance.choices(known, k=11))
        lines.append(line)
        size += len(line) + 2
    return "\r\n".join(lines)[:characters]


def _plain(chance: random.Random) -> bytes:
    body = _words(chance, SIZE - len(HEADERS) - 120)
    return (
        HEADERS
        + f"Content-Type: text/plain; charset=utf-8\r\n\r\nhttp://h{chance.random()}.example/\r\n{body}".encode()
    )


def _page(chance: random.Random) -> bytes:
    rows = "".join(
        f'<tr><td style="padding:0 12px;font-family:Arial,sans-serif"><a href="https://h{chance.random()}.example/p/{number}">'
        f"{_words(chance, 40)}</a></td></tr>\r\n"
        for number in range(15)
    )
    page = f"<html><head><style>td {{color:#333}}</style></head><body><table>{rows}</table>{_words(chance, SIZE)}"
    return (HEADERS + f"Content-Type: text/html; charset=utf-8\r\n\r\n{page}".encode())[:SIZE]


def _with_attachment(chance: random.Random) -> bytes:
    return _attachment(chance.randbytes(5_800), _words(chance, 1_500))


def _attachment(content: bytes, text: str = "see file") -> bytes:
    head = (
        f"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{text}\r\n--b\r\n"
        "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="invoice.pdf"\r\n\r\n'
    )
    return HEADERS + head.encode() + base64.encodebytes(content).replace(b"\n", b"\r\n") + b"--b--\r\n"


def _bomb() -> bytes:
    """A few kilobytes of a hundred megabytes of zeros."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(100_000_000))
    return packed.getvalue()
