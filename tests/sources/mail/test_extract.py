"""What the record of a message says, and what it never holds."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest

from decnet.models.mail import Pixel
from decnet.sources.mail.extract import Envelope, mail_text
from tests.sources.mail.messages import ENVELOPE, RECEIVED, RECEIVED_AT, attachment, message, multipart, record

MARKER = "kwyjibo"


def test_domains_come_from_the_headers_and_the_envelope() -> None:
    found = record(
        message(
            'From: "boss@bank.example" <x@Evil.Example>',
            "Return-Path: <bounce@relay.example>",
            "Reply-To: other <y@reply.example>, z@second.example",
        )
    )
    assert (found.from_domain, found.return_path_domain, found.reply_to_domain, found.envelope_domain) == (
        "evil.example",
        "relay.example",
        "reply.example",
        "sender.example",
    )


def test_recipients_are_counted_and_only_their_domains_kept() -> None:
    envelope = Envelope("", ("a@b.example", "c@b.example", "d@a.example"), RECEIVED_AT)
    found = record(message("From: x@y.example"), envelope)
    assert (found.recipients, found.recipient_domains) == (3, ("a.example", "b.example"))


def test_header_names_are_distinct_and_in_order() -> None:
    found = record(message("Subject: a", "X-Mailer: PHP", "Received: x", "Received: y", "not a header"))
    assert found.header_names == ("subject", "x-mailer", "received")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("Leaf PHPMailer 2.8 (x)", "Leaf PHPMailer 2.8 (x)"), ("alice@home.example", ""), ("A\x1b[2J\u202eB" * 40, None)],
)
def test_the_mail_program_is_cut_to_plain_letters(written: str, kept: str | None) -> None:
    found = record(message(f"X-Mailer: {written}")).x_mailer
    assert found == kept if kept is not None else (found.isascii() and found.isprintable() and len(found) <= 64)


@pytest.mark.parametrize(
    ("header", "spf", "dkim"),
    [
        ("Authentication-Results: mx.example; spf=fail smtp.mailfrom=x; dkim=none", "fail", "none"),
        ("Authentication-Results: mx.example; dkim=fail; dkim=pass; spf=softfail", "softfail", "pass"),
        ("Received-SPF: SoftFail (mx.example: x)", "softfail", ""),
        ("Authentication-Results: mx.example; spf=wrong", "", ""),
        ("X-Other: spf=fail dkim=fail", "", ""),
    ],
)
def test_results_of_checks_are_those_that_are_stated(header: str, spf: str, dkim: str) -> None:
    found = record(message(header))
    assert (found.spf, found.dkim) == (spf, dkim)


def test_a_signature_is_known_to_be_there() -> None:
    assert record(message("DKIM-Signature: v=1; d=a.example")).has_dkim_signature
    assert not record(message("Subject: a")).has_dkim_signature


def test_hops_are_counted_with_hosts_and_addresses() -> None:
    found = record(RECEIVED + message("Received: from [203.0.113.9] (helo=pc) by mail.sender.example; x"))
    assert (found.hops, found.hop_hosts) == (2, ("mail.sender.example",))
    assert found.hop_addresses == ("198.51.100.14", "203.0.113.9")


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Mon, 23 Nov 2026 01:36:18 +0000", 0),
        ("Mon, 23 Nov 2026 02:36:18 +0000", 3_600),
        ("Mon, 23 Nov 2026 01:36:18 -0000", 0),
        ("Sat, 21 Nov 2026 01:36:18 GMT", -172_800),
        ("yesterday", None),
        ("Mon, 99 Nov 99999 99:99:99 +9999", None),
    ],
)
def test_the_skew_is_from_reception_to_the_stated_date(date: str, skew: int | None) -> None:
    assert record(message(f"Date: {date}")).date_skew_seconds == skew


def test_links_are_counted_and_only_their_hosts_kept() -> None:
    page = (
        '<!DOCTYPE html PUBLIC "x" "http://www.w3.org/TR/xhtml1"><html xmlns="http://www.w3.org/1999/xhtml">'
        '<a href="https://user:pw@Login.Example:8443/secret?x=1">x</a><img src="http://img.example/a.png">'
        "<form action = 'http://form.example'></form> http://text.example/."
    )
    found = record(message("Content-Type: text/html", body=page))
    assert (found.links, found.link_hosts) == (3, ("login.example", "form.example", "text.example"))


@pytest.mark.parametrize(
    ("link", "punycode", "confusable"),
    [
        ("http://xn--pple-43d.example/", True, True),
        ("http://p\u0430ypal.example/", False, True),
        ("http://xn--bcher-kva.example/", True, False),
        ("http://b\u00fccher.example/", False, False),
        ("http://example.org/", False, False),
        ("http://xn--99999999999.example/", True, False),
    ],
)
def test_hosts_that_pose_as_others_are_told(link: str, *, punycode: bool, confusable: bool) -> None:
    found = record(message("Content-Type: text/plain; charset=utf-8", body=f"see {link} now"))
    assert (found.punycode, found.confusable) == (punycode, confusable)


def test_small_pictures_from_elsewhere_are_told_with_their_side() -> None:
    page = (
        '<img src="http://t.example/o.gif?id=a81f0c2299" width="1" height="1px">'
        '<img src="http://c.example/logo.png" style="width:120px; height: 40px">'
        '<img src="http://n.example/none.png"><img src="cid:x" width=1 height=1>'
    )
    found = record(message("Content-Type: text/html", body=page))
    assert found.pixels == (Pixel("t.example", 1, has_identifier=True), Pixel("c.example", 120))


def test_the_digest_of_a_text_does_not_mind_white_space() -> None:
    one, other = (record(message("Subject: x", body=body)) for body in ("Pay  now\r\nplease", "Pay now please\r\n"))
    assert one.body_sha256 == other.body_sha256 == sha256(b"Pay now please").hexdigest()


def test_alike_texts_share_most_of_their_bits() -> None:
    template = "Dear {}, your parcel {} waits at the depot. Pay the fee of 2 dollars at the counter to get it."
    one, other, unlike = (
        int(record(message("Subject: x", body=text)).body_simhash, 16)
        for text in (
            template.format("Ann", 17),
            template.format("Bob", 99),
            "Minutes of the meeting of gardeners in May",
        )
    )
    assert (one ^ other).bit_count() < 12 < (one ^ unlike).bit_count()


def test_a_message_without_text_has_no_digest_of_it() -> None:
    found = record(message("Subject: x", body=""))
    assert (found.body_sha256, found.body_simhash) == ("", "")


def test_long_runs_of_base64_in_a_text_are_counted_decoded() -> None:
    lines = "\r\n".join(["QUJD" * 19] * 80)
    assert record(message("Subject: x", body=f"keep this\r\n{lines}")).decoded_base64_bytes == 57 * 80
    assert record(message("Subject: x", body="just some words " * 900)).decoded_base64_bytes == 0


@pytest.mark.parametrize("charset", ["utf-16", "zlib", "no-such-thing", "idna", "undefined", "\x00", "hex"])
def test_a_wrong_charset_costs_no_record(charset: str) -> None:
    body = b"plain words \xff\xfe and http://h.example/"
    assert record(message(f"Content-Type: text/plain; charset={charset}", body=body)).body_bytes == len(body)


def test_a_part_of_text_that_is_base64_is_text() -> None:
    part = message("Content-Type: text/plain", "Content-Transfer-Encoding: base64", body=b"aHR0cDovL2guZXhhbXBsZS8=")
    assert record(part).link_hosts == ("h.example",)


def test_a_message_in_a_message_is_looked_into() -> None:
    inner = message("Subject: inner", "Content-Type: text/plain", body="http://inner.example/")
    found = record(multipart(b"Content-Type: message/rfc822\r\n\r\n" + inner))
    assert found.link_hosts == ("inner.example",)


def test_a_boundary_within_another_is_told_apart() -> None:
    inner = message(
        "Content-Type: multipart/alternative; boundary=bb", body=b"--bb\r\n\r\none\r\n--bb\r\n\r\ntwo\r\n--bb--\r\n"
    )
    found = record(multipart(inner, attachment("a.pdf", b"%PDF-1.4")))
    assert (found.parts, len(found.attachments)) == (5, 1)


def test_what_people_read_is_for_rules_about_words_only() -> None:
    content = multipart(
        message("Content-Type: text/html; charset=utf-8", body="<style>x{}</style><p>Pay &euro;5 <b>today</b>"),
        headers=("From: =?utf-8?q?J=C3=B6rg?= <j@a.example>", "Subject: =?utf-8?b?w5xyZ2VudA==?= =?utf-8?q?_now?="),
    )
    text = mail_text(content)
    assert (text.display_name, text.subject, text.text) == ("J\u00f6rg", "\u00dcrgent now", "Pay \u20ac5 today")


def test_the_record_holds_nothing_that_anybody_wrote() -> None:
    page = f'<p>{MARKER}</p><a href="http://link.example/{MARKER}?{MARKER}">{MARKER}</a><img width=1 src="http://p.example/{MARKER}1">'
    content = multipart(
        message("Content-Type: text/plain", body=f"{MARKER} {MARKER}@x.example http://{MARKER}:{MARKER}@u.example/"),
        message("Content-Type: text/html", body=page),
        attachment(f"{MARKER}.{MARKER}", MARKER.encode()),
        attachment(f"{MARKER}.exe", f"#!{MARKER}".encode(), f"application/{MARKER}"),
        headers=(
            f'From: "{MARKER}" <{MARKER}@from.example>',
            f"To: {MARKER}@to.example",
            f"Subject: {MARKER}",
            f"Message-ID: <{MARKER}@id.example>",
            f"X-Mailer: {MARKER}@mailer",
            f"Received: from h.example (h.example [198.51.100.1]) by x.example for <{MARKER}@to.example>; {MARKER}",
        ),
    )
    envelope = Envelope(f"<{MARKER}@env.example>", (f"{MARKER}@to.example",), RECEIVED_AT)
    assert MARKER.encode() not in msgspec.json.encode(record(content, envelope))
    assert record(content, envelope).from_domain == "from.example"


def test_the_same_message_gives_the_same_record() -> None:
    content = multipart(attachment("a.exe", b"MZ"), message("Content-Type: text/plain", body="words http://a.example"))
    assert record(content) == record(content, ENVELOPE)
