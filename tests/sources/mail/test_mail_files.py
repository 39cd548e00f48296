"""Files of messages: how they are cut, and whom a message is said to be from."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from decnet.models.event import EMAIL, Event
from decnet.models.mail import MailPayload
from decnet.sources.base import Reason, Refusal
from decnet.sources.lines import LogReader
from decnet.sources.mail import mailbox
from decnet.sources.mail.mailbox import is_mail, messages_of_folder
from decnet.sources.mail.source import MailSource, message_in
from tests.sources.mail.messages import RECEIVED, RECEIVED_AT, message

if TYPE_CHECKING:
    from pathlib import Path

FIRST = RECEIVED + message("From: a@x.example", "Subject: one", body="first\r\n")
SECOND = RECEIVED + message("From: b@y.example", "Subject: two", body="second\r\n\r\n>From me\r\n")
LINE = b"From bounce@x.example Mon Nov 23 01:36:18 2026\n"


def mbox(*messages: bytes) -> bytes:
    return b"".join(LINE + each.replace(b"\r\n", b"\n") + b"\n" for each in messages)


def source(sensor: str | None = None) -> MailSource:
    return MailSource(lambda _secret: "", sensor=sensor, file="mail")


def event_of(content: bytes, sensor: str | None = None) -> Event:
    found = source(sensor).read(content, 1)
    assert not isinstance(found, Refusal), found
    (event,) = found
    return event


def refusal_of(content: bytes) -> Reason:
    found = source().read(content, 1)
    assert isinstance(found, Refusal)
    return found.reason


def messages_of(path: Path, chunk_bytes: int = 1 << 17) -> list[bytes]:
    batches = LogReader(str(path), chunk_bytes=chunk_bytes).batches()
    return [message_in(line) for batch in batches for line in batch.lines]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 1 << 17])
def test_an_mbox_is_cut_into_its_messages_however_it_is_read(tmp_path: Path, chunk_bytes: int) -> None:
    path = tmp_path / "mail.mbox"
    path.write_bytes(mbox(FIRST, SECOND, FIRST))
    one, two, three = messages_of(path, chunk_bytes)
    assert one.split() == three.split() == FIRST.split()
    assert two.split() == SECOND.replace(b">From", b"From").split()


def test_a_packed_mbox_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "mail.mbox.gz"
    path.write_bytes(gzip.compress(mbox(FIRST, SECOND)))
    assert len(messages_of(path)) == 2


def test_a_file_of_one_message_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "one.eml"
    path.write_bytes(FIRST + b"\r\n\r\nFrom here on\r\n")
    assert messages_of(path) == [FIRST + b"\r\n\r\nFrom here on\r\n"]


def test_reading_goes_on_behind_the_messages_that_were_read(tmp_path: Path) -> None:
    path = tmp_path / "mail.mbox"
    path.write_bytes(mbox(FIRST, SECOND))
    *_, before_last, _last = LogReader(str(path), chunk_bytes=64).batches()
    path.write_bytes(mbox(FIRST, SECOND, FIRST))
    again = LogReader(str(path))
    lines = [line for batch in again.batches(before_last.end) for line in batch.lines]
    assert again.has_resumed
    assert [message_in(line).split() for line in lines] == [SECOND.replace(b">From", b"From").split(), FIRST.split()]


def test_of_an_overlong_message_the_beginning_is_kept_and_the_next_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MAX_MESSAGE_BYTES", 2_000)
    path = tmp_path / "mail.mbox"
    path.write_bytes(mbox(message("Subject: x", "From: y", body=b"x" * 9_000 + b"\r\n"), SECOND))
    lines = [line for batch in LogReader(str(path), chunk_bytes=512).batches() for line in batch.lines]
    assert len(lines[0]) == 2_001
    assert b"Subject: two" in lines[1]


def test_a_maildir_gives_its_messages_by_name(tmp_path: Path) -> None:
    for name in ("new/2.a", "cur/1.b:2,S", "tmp/3.c", "cur/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(FIRST)
    assert messages_of_folder(str(tmp_path)) == [str(tmp_path / "cur/1.b:2,S"), str(tmp_path / "new/2.a")]
    assert messages_of_folder(str(tmp_path / "new")) is None


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (LINE, True),
        (b"From", True),
        (FIRST, True),
        (b"\xef\xbb\xbf" + FIRST, True),
        (b'{"eventid": "cowrie.login"}', False),
        (b"From: a@b.example\nnothing else", False),
        (b"Subject: x\n\nFrom: y\nTo: z", False),
        (b"key: value\nother: value\n", False),
        (b"", False),
    ],
)
def test_messages_are_told_from_logs_by_their_headers(head: bytes, *, expected: bool) -> None:
    assert is_mail(head) == expected


def test_a_message_is_one_event_of_its_receptions_time_and_address() -> None:
    event = event_of(FIRST)
    assert (event.source_kind, event.src_ip, event.observed_at, event.sensor, event.protocol) == (
        EMAIL,
        "198.51.100.14",
        RECEIVED_AT,
        "mx.decoy.example",
        "smtp",
    )
    assert isinstance(event.payload, MailPayload)
    assert (event.payload.from_domain, event.payload.recipients, event.payload.recipient_domains) == (
        "x.example",
        1,
        ("decoy.example",),
    )


def test_the_operators_name_wins_over_the_receiving_host() -> None:
    assert event_of(FIRST, "dmz-1").sensor == "dmz-1"


def test_the_same_message_is_the_same_event_in_a_file_and_in_an_mbox() -> None:
    plain = FIRST.replace(b"\r\n", b"\n")
    assert event_of(plain).id == event_of(LINE + plain).id


@pytest.mark.parametrize(
    ("received", "address"),
    [
        ("from evil (mail.x [198.51.100.14]) by mx.a; {t}", "198.51.100.14"),
        ("from [6.6.6.6] (unknown [198.51.100.14]) by mx.a; {t}", "198.51.100.14"),
        ("from [198.51.100.14] (helo=[6.6.6.6]) by mx.a; {t}", "198.51.100.14"),
        ("from x.example ([198.51.100.14] helo=[6.6.6.6]) by mx.a; {t}", "198.51.100.14"),
        ("from x.example (198.51.100.14) by mx.a; {t}", "198.51.100.14"),
        ("from x.example (unknown [IPv6:2001:db8::7]) by mx.a; {t}", "2001:db8::7"),
        ("from x.example (unknown [::ffff:198.51.100.14]) by mx.a; {t}", "198.51.100.14"),
    ],
)
def test_the_address_is_the_one_that_the_server_saw(received: str, address: str) -> None:
    line = f"Received: {received.format(t='Mon, 23 Nov 2026 01:36:18 +0000')}"
    below = "Received: from y (y [203.0.113.66]) by z; Mon, 23 Nov 2026 01:00:00 +0000"
    assert event_of(message(line, below, "From: a@b.example")).src_ip == address


def test_a_hand_over_within_the_host_is_looked_through() -> None:
    line = "Received: from localhost (localhost [127.0.0.1]) by mx.a; Mon, 23 Nov 2026 01:36:19 +0000"
    assert event_of(line.encode() + b"\r\n" + FIRST).src_ip == "198.51.100.14"


@pytest.mark.parametrize(
    "content",
    [
        message("From: a@x.example", "Subject: no Received"),
        message("Received: from [6.6.6.6] by mx.a; Mon, 23 Nov 2026 01:36:18 +0000", "From: a@x.example"),
        message("X-Originating-IP: [6.6.6.6]", "X-Forwarded-For: 6.6.6.6", "From: a@x.example"),
        message("From: a@x.example", body=RECEIVED),
    ],
)
def test_a_message_that_tells_no_address_of_the_servers_own_is_refused(content: bytes) -> None:
    assert refusal_of(content) == Reason.NO_ADDRESS


def test_a_message_that_tells_no_time_is_refused_and_an_mbox_tells_one() -> None:
    content = message("Received: from x (x [198.51.100.14]) by mx.a", "From: a@x.example")
    assert refusal_of(content) == Reason.NO_TIME
    assert event_of(LINE + content).observed_at == RECEIVED_AT


def test_the_envelope_is_what_stands_above_the_reception() -> None:
    above = ["Return-Path: <bounce@env.example>", "X-Original-To: a@one.example", "Delivered-To: b@two.example"]
    below = ["Delivered-To: forged@three.example", "From: a@x.example"]
    content = message(*above)[: -len(b"\r\nHello.\r\n")] + RECEIVED + message(*below)
    payload = event_of(content).payload
    assert isinstance(payload, MailPayload)
    assert (payload.envelope_domain, payload.recipients) == ("env.example", 2)
    assert payload.recipient_domains == ("one.example", "two.example")
