"""What a piece of text may mean, where a look at one key tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from decnet.db.tables import attacker, event, mail_body, ttp
from decnet.models.actor import attacker_uuid

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_MOST_MAILS = 50


def attacker_at(connection: Connection, address: str) -> bytes | None:
    """The attacker with that canonical address."""
    uuid = attacker_uuid(address)
    return uuid if connection.execute(select(attacker.c.id).where(attacker.c.uuid == uuid)).first() else None


def has_event(connection: Connection, key: bytes) -> bool:
    """Whether there is an event of that id."""
    return connection.execute(select(event.c.id).where(event.c.id == key)).first() is not None


def mails_with_body(connection: Connection, digest: bytes) -> list[bytes]:
    """Events of the newest mails whose body has that SHA-256."""
    of = mail_body.c
    query = select(of.event_id).where(of.digest == digest).order_by(of.observed_at.desc()).limit(_MOST_MAILS)
    return list(connection.execute(query).scalars())


def techniques_seen(connection: Connection) -> set[str]:
    """The ids of all techniques and sub-techniques that were ever tagged."""
    rows = connection.execute(select(ttp.c.technique_id, ttp.c.sub_technique_id).distinct())
    return {one for row in rows for one in row if one}
