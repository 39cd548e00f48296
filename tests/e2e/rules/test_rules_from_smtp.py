"""Rules from dialogues with the SMTP decoy over a socket to stored tags."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import pytest

from decnet.decoys.smtp.certificate import tls_context
from decnet.decoys.smtp.decoy import Manner, Relay
from tests.e2e.rules.mails import EXAMPLES
from tests.smtp_lab import smtp_decoy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.rules.served import Served
    from tests.smtp_lab import SmtpLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
_numbers = count(1)


@pytest.fixture(scope="module")
def post(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Relay, SmtpLab]]:
    """A decoy for each way to relay."""
    tls = tls_context(tmp_path_factory.mktemp("tls"), "mail.example.org")
    database, artifacts = served.database, served.artifacts
    with (
        smtp_decoy(database, artifacts, Manner(relay="open"), tls) as is_open,
        smtp_decoy(database, artifacts, Manner(relay="auth"), tls) as for_users,
        smtp_decoy(database, artifacts, Manner(relay="closed"), tls) as closed,
    ):
        yield {"open": is_open, "auth": for_users, "closed": closed}


@pytest.fixture
def source() -> str:
    return f"127.7.0.{next(_numbers)}"


@pytest.mark.parametrize(
    "rule_id", [pytest.param(rule_id, marks=pytest.mark.rule(rule_id), id=rule_id) for rule_id in EXAMPLES]
)
def test_a_message_shows_what_its_rule_says(
    rule_id: str, post: Mapping[Relay, SmtpLab], served: Served, source: str
) -> None:
    example = EXAMPLES[rule_id]
    with post["open"].connected(source) as client:
        for _ in range(example.times):
            to = [f"user{number}@r.example" for number in range(example.recipients)]
            client.sendmail(example.sender, to, example.content)
    tags = served.tags(rule_id, source, count=len(example.shown))
    assert {tag.shown for tag in tags} == example.shown
    assert len(tags) == len(example.shown)
    for tag in tags:
        assert tag.source_kind == example.kind
        assert example.evidence.items() <= tag.evidence.items()


@pytest.mark.rule("R0072")
def test_asking_for_accounts_is_account_discovery(post: Mapping[Relay, SmtpLab], served: Served, source: str) -> None:
    with post["closed"].connected(source) as client:
        client.ehlo("pc.example")
        client.mail("a@b.example")
        for number in range(6):
            client.rcpt(f"user{number}@example.org")
    (tag,) = served.tags("R0072", source)
    assert tag.shown == ("TA0007", "T1087", 0.85)
    assert tag.evidence["threshold"] == {"rejected_gte": 5}


@pytest.mark.rule("R0073")
def test_one_message_from_and_to_strangers_is_a_relay_probe(
    post: Mapping[Relay, SmtpLab], served: Served, source: str
) -> None:
    with post["closed"].connected(source) as client, suppress(smtplib.SMTPRecipientsRefused):
        client.sendmail("probe@scan.example", ["drop@scan.example"], b"Subject: relay\r\n\r\ntest\r\n")
    (tag,) = served.tags("R0073", source)
    assert tag.shown == ("TA0043", "T1595", 0.85)


@pytest.mark.rule("R0074")
def test_a_log_in_without_the_encryption_that_is_offered_is_a_downgrade(
    post: Mapping[Relay, SmtpLab], served: Served, source: str
) -> None:
    with post["auth"].connected(source) as client:
        client.login("bob", "hunter2")
    (tag,) = served.tags("R0074", source)
    assert tag.shown == ("TA0112", "T1689", 0.7)
    assert tag.evidence["sign"] == "plain_auth_after_offer"


@pytest.mark.rule("R0075")
def test_a_burst_after_a_log_in_is_a_taken_account(post: Mapping[Relay, SmtpLab], served: Served, source: str) -> None:
    with post["auth"].connected(source) as client:
        client.starttls(context=ssl._create_unverified_context())  # noqa: S323 - the decoy's own certificate
        client.login("bob", "hunter2")
        for number in range(10):
            to = [f"user{number}-{each}@r.example" for each in range(3)]
            client.sendmail("bob@example.org", to, f"Subject: {number}\r\n\r\nnews {number}\r\n".encode())
    (tag,) = served.tags("R0075", source)
    assert tag.shown == ("TA0042", "T1586.002", 0.85)
    assert tag.evidence["sign"] == "mail_burst"


@pytest.mark.rule("R0001")
def test_log_ins_that_fail_are_brute_force(post: Mapping[Relay, SmtpLab], served: Served, source: str) -> None:
    with post["closed"].connected(source) as client:
        for number in range(8):
            with suppress(smtplib.SMTPAuthenticationError):
                client.login("bob", f"password{number}")
    assert {tag.shown for tag in served.tags("R0001", source)} == {("TA0006", "T1110", 0.85)}
