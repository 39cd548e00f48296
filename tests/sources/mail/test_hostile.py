"""Messages that have too much of something: a record that says so, in bounded time and memory."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest

from bench.mail import hostile
from decnet.sources.mail.extract import mail_text
from decnet.sources.mail.mime import MAX_MESSAGE_BYTES
from tests.sources.mail.messages import RECEIVED, attachment, message, multipart, record

LIMITS = {
    "a million headers": "headers",
    "1,000 nested parts": "depth",
    "100,000 flat parts": "parts",
    "50 MB of text": "size",
    "50 MB of brackets": "size",
    "512 KB of links": "text",
}
MOST_SECONDS = 10.0
"""Ten times what the slowest takes."""
MOST_BYTES = 8 * MAX_MESSAGE_BYTES


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", hostile())
def test_too_much_gives_one_record_that_says_so_in_bounded_time_and_memory(name: str) -> None:
    content = hostile()[name]
    tracemalloc.start()
    begun = time.process_time()
    found = record(content)
    seconds, most = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (seconds < MOST_SECONDS, most < MOST_BYTES) == (True, True)
    assert name not in LIMITS or LIMITS[name] in found.limits


@pytest.mark.timeout(60)
def test_chance_raises_nothing() -> None:
    chance = random.Random(4)  # noqa: S311 - nothing secret
    seeds = [
        RECEIVED
        + message("From: a <b@c.example>", "Content-Type: text/html; charset=x", body="<a href='http://x'>&#99"),
        multipart(
            attachment("a.zip", b"PK\x03\x04" + bytes(90)), attachment("b.7z", b"7z\xbc\xaf\x27\x1c" + bytes(90))
        ),
        message("Content-Type: message/rfc822", "Content-Transfer-Encoding: base64", body="U3ViamVjdDogeA=="),
    ]
    for _ in range(1_500):
        content = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 12)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        found = record(bytes(content))
        mail_text(bytes(content))
        assert found.size_bytes == len(content)
