"""Texts of mails by their digest: whether one was seen before, from whomever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, tuple_

from decnet.db.dialect import dialect_of
from decnet.db.tables import mail_body
from decnet.models.actor import AttackerUuid
from decnet.models.mail import MailPayload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from decnet.models.event import Event

MAX_COUNTED = 100
"""Earlier messages that are counted."""
_KEY = ("digest", "observed_at", "event_id")
_SENT = """
SELECT DISTINCT mail_body.digest FROM mail_body JOIN event ON event.id = mail_body.event_id
JOIN session ON session.id = event.session_id JOIN attacker ON attacker.id = session.attacker_id
WHERE mail_body.observed_at >= {since} AND mail_body.observed_at < {until} AND attacker.uuid IN ({{places}})"""
_SENDERS = """
SELECT DISTINCT mail_body.digest, attacker.uuid FROM mail_body JOIN event ON event.id = mail_body.event_id
JOIN session ON session.id = event.session_id JOIN attacker ON attacker.id = session.attacker_id
WHERE mail_body.observed_at >= {since} AND mail_body.observed_at < {until} AND mail_body.digest IN ({{places}})"""


def insert_bodies(connection: Connection, mails: Iterable[Event]) -> None:
    """Remember the text of each of ``mails``, which are stored; one without text has none to remember."""
    rows = [
        (bytes.fromhex(mail.payload.body_sha256), mail.observed_at, mail.id)
        for mail in mails
        if isinstance(mail.payload, MailPayload) and mail.payload.body_sha256
    ]
    if rows:
        dialect_of(connection).insert_missing(connection, mail_body, _KEY, _KEY, sorted(rows))


def earlier_bodies(connection: Connection, digest: bytes, observed_at: int, event_id: bytes) -> set[bytes]:
    """The ids of up to :data:`MAX_COUNTED` stored mails with this text before (``observed_at``, ``event_id``)."""
    row = mail_body.c
    query = (
        select(row.event_id)
        .where(row.digest == digest, tuple_(row.observed_at, row.event_id) < (observed_at, event_id))
        .limit(MAX_COUNTED)
    )
    return {bytes(found) for (found,) in connection.execute(query)}


def senders_of_bodies(
    connection: Connection, attackers: Iterable[AttackerUuid], since: int, until: int
) -> dict[str, set[AttackerUuid]]:
    """The texts (hexadecimal digest) that ``attackers`` sent in ``[since, until)`` (µs), each with all its senders."""
    if connection.execute(select(mail_body.c.digest).limit(1)).first() is None:
        return {}
    dialect = dialect_of(connection)
    window = {"since": int(since), "until": int(until)}
    sent = [digest for (digest,) in dialect.rows_with(connection, _SENT.format(**window), sorted(attackers))]
    senders: dict[str, set[AttackerUuid]] = {}
    for digest, uuid in dialect.rows_with(connection, _SENDERS.format(**window), sent):
        senders.setdefault(bytes(digest).hex(), set()).add(AttackerUuid(bytes(uuid)))
    return senders
