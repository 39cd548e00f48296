"""What a mail's record can hold, by type."""

from __future__ import annotations

import msgspec
import pytest

from decnet.models.event import EMAIL, PAYLOAD_TYPES, SESSION, SessionPayload
from decnet.models.mail import Attachment, MailPayload, SmtpFigures
from decnet.models.tag import EVIDENCE_TYPES

PERSONAL = {"subject", "display_name", "body", "text", "filename", "name", "sender", "address", "to", "cc"}


def names_in(struct: type[msgspec.Struct]) -> set[str]:
    return set(struct.__struct_fields__)


def test_no_field_of_a_mail_is_for_what_people_wrote() -> None:
    assert not (names_in(MailPayload) | names_in(Attachment) | names_in(SmtpFigures)) & PERSONAL


@pytest.mark.parametrize("kind", ["email", "email_header", "email_body", "email_attachment"])
def test_no_evidence_about_a_mail_is_for_what_people_wrote(kind: str) -> None:
    assert not set(EVIDENCE_TYPES[kind].__annotations__) & PERSONAL


def test_an_unknown_word_in_a_closed_list_is_no_payload() -> None:
    written = msgspec.json.encode({"sha256": "0", "size_bytes": 1, "file_type": "invoice-of-alice"})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(written, type=Attachment)


def test_a_mail_reads_back_as_it_was_written() -> None:
    mail = MailPayload("ab", 10, attachments=(Attachment("cd", 3, "pe", "exe", traits=("executable",)),))
    assert msgspec.json.decode(msgspec.json.encode(mail), type=PAYLOAD_TYPES[EMAIL]) == mail


def test_figures_of_a_dialogue_stand_on_the_end_of_a_session() -> None:
    ended = SessionPayload("ended", smtp=SmtpFigures({"RCPT": 7}, {"RCPT": 6}, deliveries=((20, 1),)))
    assert msgspec.json.decode(msgspec.json.encode(ended), type=PAYLOAD_TYPES[SESSION]) == ended
