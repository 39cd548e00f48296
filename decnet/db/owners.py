"""Whom somebody means who names an attacker, an identity, a campaign or a session: what went into another is that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import func, select

from decnet.db.tables import attacker, campaign, identity, sensor, session, ttp
from decnet.models.actor import CampaignUuid, IdentityUuid

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from decnet.models.stored_tag import TagFilter


def owner_in_force(connection: Connection, wanted: TagFilter) -> TagFilter | None:
    """``wanted`` with the owner that its own has gone into by now; None where there is no such owner."""
    for table, uuid in ((attacker, wanted.attacker), (session, wanted.session)):
        if uuid is not None and connection.execute(select(table.c.id).where(table.c.uuid == uuid)).first() is None:
            return None
    if wanted.identity is not None:
        head = _head(connection, identity, wanted.identity)
        return msgspec.structs.replace(wanted, identity=IdentityUuid(head)) if head is not None else None
    if wanted.campaign is not None:
        head = _head(connection, campaign, wanted.campaign)
        return msgspec.structs.replace(wanted, campaign=CampaignUuid(head)) if head is not None else None
    return wanted


def stored_releases(connection: Connection) -> list[str]:
    """Every release of ATT&CK in which tags were stored."""
    return list(connection.execute(select(ttp.c.attack_release).distinct().order_by(ttp.c.attack_release)).scalars())


def stored_uses(connection: Connection) -> list[tuple[str, str]]:
    """Every release and technique, or sub-technique, in which tags were stored."""
    of = ttp.c
    rows = connection.execute(select(of.attack_release, of.technique_id, of.sub_technique_id).distinct())
    return [(release, sub or technique) for release, technique, sub in rows]


def stored_decoys(connection: Connection) -> list[str]:
    """Every name of a decoy or sensor."""
    return list(connection.execute(select(sensor.c.name)).scalars())


def _head(connection: Connection, table: Table, uuid: bytes) -> bytes | None:
    """The uuid of the row of ``uuid``, or of the one that it was merged into."""
    named = table.alias("named")
    number = select(func.coalesce(named.c.merged_into_id, named.c.id)).where(named.c.uuid == uuid).scalar_subquery()
    found = connection.execute(select(table.c.uuid).where(table.c.id == number)).scalar()
    return bytes(found) if found is not None else None
