"""Leases: who alone may do something for now, told by the database that all of them share.

Times are the callers' clocks: hosts that share a database keep them within a small part of a lease's length (NTP does).
A holder that was away for longer than its lease has lost it: ``fence`` grows with every change of hands, so whoever
wants to be sure compares it in the transaction that matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, or_, select, update

from decnet.db.dialect import dialect_of
from decnet.db.tables import lease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

_RENEW = (  # made once: a consumer renews one lease for each partition, every few seconds
    update(lease)
    .where(lease.c.name == bindparam("of"), lease.c.holder == bindparam("by"), lease.c.expires_at > bindparam("now"))
    .values(expires_at=bindparam("until"))
)


def acquire_lease(connection: Connection, name: str, holder: str, *, now: int, length_us: int) -> int | None:
    """The fence of a lease that ``holder`` has until ``now`` + ``length_us``; None while another holds it.

    Taking a lease that one holds already lengthens it and keeps its fence.
    """
    dialect_of(connection).insert_missing(
        connection, lease, ("name",), ("name", "holder", "expires_at", "fence"), [(name, "", 0, 0)]
    )
    if renew_lease(connection, name, holder, now=now, length_us=length_us):
        return _fence(connection, name)
    free = update(lease).where(lease.c.name == name, or_(lease.c.expires_at <= now, lease.c.holder == ""))
    taken = connection.execute(free.values(holder=holder, expires_at=now + length_us, fence=lease.c.fence + 1))
    return _fence(connection, name) if taken.rowcount else None


def renew_lease(connection: Connection, name: str, holder: str, *, now: int, length_us: int) -> bool:
    """Lengthen a lease that ``holder`` has and that has not run out; False when it has it no more."""
    values = {"of": name, "by": holder, "now": now, "until": now + length_us}
    return bool(connection.execute(_RENEW, values).rowcount)


def release_lease(connection: Connection, name: str, holder: str) -> None:
    """Give a lease back, if ``holder`` still has it."""
    mine = update(lease).where(lease.c.name == name, lease.c.holder == holder)
    connection.execute(mine.values(holder="", expires_at=0))


def lease_holders(connection: Connection, prefix: str, *, now: int) -> Mapping[str, str]:
    """Who holds the leases whose names begin with ``prefix``, by name."""
    query = select(lease.c.name, lease.c.holder).where(
        lease.c.name.startswith(prefix, autoescape=True), lease.c.expires_at > now, lease.c.holder != ""
    )
    return dict(connection.execute(query).all())


def delete_old_leases(connection: Connection, *, before: int) -> int:
    """Delete leases that ran out before ``before`` (µs); returns their number."""
    return connection.execute(delete(lease).where(lease.c.expires_at < before)).rowcount


def _fence(connection: Connection, name: str) -> int:
    found: int = connection.execute(select(lease.c.fence).where(lease.c.name == name)).scalar_one()
    return found
