"""Stored mails as rules ask for them: opened once, missed politely; texts counted the same however batches are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from decnet.db.actors import Actors
from decnet.db.artifacts import FileArtifacts
from decnet.db.engine import open_database
from decnet.intake.store import Intake
from decnet.models.artifact import digest_of
from decnet.models.mail import MailPayload
from decnet.sources.base import Refusal
from decnet.sources.mail.source import MailSource
from decnet.workers.mails import StoredBodies, StoredMails
from tests.databases import ready_database, rows, run
from tests.sources.mail.messages import message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from decnet.db.engine import Database
    from decnet.models.event import Event

TEXT = "The very same words"


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
        yield opened
        opened.close()
    else:
        with ready_database(request.param) as ready:
            yield ready


def mail(second: int, text: str = TEXT) -> Event:
    """A mail that was received at that second."""
    received = f"Received: from a (a [198.51.100.{second}]) by mx.example; Mon, 23 Nov 2026 01:36:{second:02} +0000"
    found = MailSource(lambda _secret: "").read(message(received, "From: a@b.example", body=text), 1)
    assert not isinstance(found, Refusal)
    return found[0]


def store(database: Database, *events: Event) -> None:
    intake = Intake(Actors(), announce=True)
    database.write(lambda connection: intake.store(connection, list(events)))


def earlier(bodies: StoredBodies, event: Event) -> int:
    payload = event.payload
    assert isinstance(payload, MailPayload)
    return bodies.earlier_messages(payload.body_sha256, event.observed_at, event.id)


def test_earlier_mails_with_the_text_are_counted_over_all_attackers(database: Database) -> None:
    first, other, third = mail(1), mail(2, "Other words"), mail(3)
    store(database, third, first, other)
    bodies = StoredBodies(database)
    assert [earlier(bodies, event) for event in (first, other, third)] == [0, 0, 1]


def test_what_is_about_to_be_stored_counts_and_counts_once(database: Database) -> None:
    first, second, third = mail(1), mail(2), mail(3)
    store(database, first)
    bodies = StoredBodies(database)
    bodies.note([first, second, third])
    assert [earlier(bodies, event) for event in (first, second, third)] == [0, 1, 2]
    store(database, second, third)
    assert [earlier(bodies, event) for event in (first, second, third)] == [0, 1, 2]


def test_a_mail_that_is_stored_again_changes_nothing(database: Database) -> None:
    store(database, mail(1))
    store(database, mail(1), mail(2))
    assert earlier(StoredBodies(database), mail(2)) == 1
    assert rows(database, "SELECT count(*) FROM outbox WHERE topic = 'email.received'") == [(2,)]


def test_texts_go_with_their_attacker(database: Database) -> None:
    store(database, mail(1), mail(2))
    run(database, "DELETE FROM attacker WHERE address = '198.51.100.1'")
    assert earlier(StoredBodies(database), mail(2)) == 0


def test_a_stored_mail_is_opened_for_its_words(tmp_path: Path) -> None:
    artifacts = FileArtifacts(tmp_path)
    digest = artifacts.put(message("Subject: one", body=TEXT), now=0)
    text = StoredMails(artifacts).text_of(digest)
    assert text is not None
    assert (text.subject, text.text) == ("one", TEXT)


def test_a_mail_that_is_missed_is_asked_for_again_and_then_counted_once(tmp_path: Path) -> None:
    waited: list[float] = []
    mails = StoredMails(FileArtifacts(tmp_path), pause=waited.append)
    digest = digest_of(b"never stored")
    assert (mails.text_of(digest), mails.text_of(digest)) == (None, None)
    assert (len(waited), mails.missed) == (3, 1)


def test_many_misses_in_a_row_are_no_longer_waited_for_until_a_mail_is_there(tmp_path: Path) -> None:
    waited: list[float] = []
    artifacts = FileArtifacts(tmp_path)
    mails = StoredMails(artifacts, pause=waited.append)
    for number in range(100):
        mails.text_of(digest_of(b"expired %d" % number))
    assert (len(waited), mails.missed) == (15, 100)
    mails.text_of(artifacts.put(message("Subject: there"), now=0))
    mails.text_of(digest_of(b"expired again"))
    assert len(waited) == 18


def test_a_mail_that_comes_late_is_found(tmp_path: Path) -> None:
    artifacts, content = FileArtifacts(tmp_path), message("Subject: late")
    mails = StoredMails(artifacts, pause=lambda _seconds: artifacts.put(content, now=0))
    text = mails.text_of(digest_of(content))
    assert (text.subject if text else "", mails.missed) == ("late", 0)
