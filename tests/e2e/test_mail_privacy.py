"""A mail full of marks, through everything: none of them is anywhere but in the stored message itself."""

from __future__ import annotations

import logging
import smtplib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from decnet.models.artifact import digest_of
from tests.databases import rows
from tests.e2e.rules.conftest import FewNetworks
from tests.e2e.rules.served import Served
from tests.smtp_lab import smtp_decoy
from tests.sources.mail.files import SHORTCUT
from tests.sources.mail.messages import attachment, message, multipart

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
SOURCE = "127.8.0.1"
MARK = "qzkwyjibo"
"""Stands in every place where a person's words or names can stand."""
BITCOIN = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
CONTENT = multipart(
    message(
        "Content-Type: text/plain; charset=utf-8",
        body=(
            f"Dear {MARK}, I am the CEO {MARK}. Urgent: wire transfer today to {BITCOIN} or I send the video of you to"
            " your contacts, your files are encrypted, to restore them pay. "
            f"http://{MARK}:{MARK}@paypal.x.example/login/{MARK}"
        ),
    ),
    message(
        "Content-Type: text/html", body=f'<b>{MARK}</b><img width=1 height=1 src="http://t.example/{MARK}1234?{MARK}">'
    ),
    attachment(f"{MARK}.pdf.exe", f"MZ {MARK}".encode()),
    attachment(f"{MARK}.{MARK}", SHORTCUT),
    headers=(
        f'From: "PayPal {MARK}" <{MARK}@from.example>',
        f"To: {MARK}@to.example",
        f"Reply-To: {MARK} <{MARK}@reply.example>",
        f"Subject: PayPal {MARK}",
        f"Message-ID: <{MARK}@id.example>",
        "X-Mailer: gophish",
        "Date: Thu, 23 Nov 2028 01:36:18 +0000",
        f"Received: from a.example (a.example [192.0.2.1]) by b.example for <{MARK}@to.example>; {MARK}",
    ),
)
RULES = ("R0033", "R0047", "R0076", "R0077", "R0078", "R0084")
LEAST_TAGS = 15
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"


def test_no_mark_of_a_mail_leaves_the_stored_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    served = Served(tmp_path, FewNetworks())
    try:
        with (
            smtp_decoy(served.database, served.artifacts) as lab,
            smtplib.SMTP("127.0.0.1", lab.port, source_address=(SOURCE, 0)) as client,
        ):
            client.vrfy(MARK)
            with suppress(smtplib.SMTPAuthenticationError):
                client.login("bob", MARK)
            client.sendmail(f"{MARK}@env.example", [f"{MARK}{number}@to.example" for number in range(12)], CONTENT)
        tagged = {
            rule: len(served.tags(rule, SOURCE)) for rule in ("R0033", "R0047", "R0076", "R0077", "R0078", "R0084")
        }
        served.settle()
        ((tags,),) = rows(served.database, "SELECT count(*) FROM tag")
        found = _places_of(MARK, served)
    finally:
        served.close()
    assert tagged.keys() == {rule for rule, number in tagged.items() if number}
    assert tags >= LEAST_TAGS
    assert found == []
    assert MARK not in caplog.text
    assert MARK not in "".join(capfd.readouterr())
    assert served.artifacts.get(digest_of(CONTENT)) == CONTENT


def _places_of(mark: str, served: Served) -> list[str]:
    """Tables with a row in which the mark stands: events, tags with their evidence, messages of the bus, all others."""
    wanted = mark.encode()
    stored = (
        (table, row)
        for (table,) in rows(served.database, _TABLES)
        for row in rows(served.database, f"SELECT * FROM {table}")
    )
    return [
        f"{table}: {row}"
        for table, row in stored
        if any(wanted in (cell if isinstance(cell, bytes) else str(cell).encode()) for cell in row)
    ]
