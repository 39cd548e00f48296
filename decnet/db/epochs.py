"""What every writer must look at again once it changed: who belongs to whom, and which rule versions are too old.

Each has a number. Writers hold the numbers in share while their transaction lasts; whoever changes the thing raises its
number first, and so waits until writers that still go by the old state have finished, and makes later ones read anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sqlalchemy import select, update

from decnet.db.tables import epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Transaction

MEMBERSHIP, RULE_FLOOR = "membership", "rule_floor"
RULES = "rules"
"""Numbers the changes of rules, and is held by whoever makes one; writers of tags do not look at it."""

TAGS = "tags"
"""Rises when a backfill has replaced tags; the clusterer, which learns of new ones by message, reads them all again."""

ROLLUPS = "rollups"
"""Held in share by who adds to roll-ups, alone by who takes from them or folds them. Its number never changes."""

_READ = (
    select(epoch.c.name, epoch.c.value)
    .where(epoch.c.name.in_((MEMBERSHIP, ROLLUPS, RULE_FLOOR)))
    .order_by(epoch.c.name)
    .with_for_update(read=True)
)
_MEMBERS = select(epoch.c.value).where(epoch.c.name == MEMBERSHIP).with_for_update(read=True)
_ALONE = select(epoch.c.value).where(epoch.c.name == ROLLUPS).with_for_update()
_read_in: WeakKeyDictionary[Transaction, Mapping[str, int]] = WeakKeyDictionary()
"""What transactions that are under way have read: it cannot change for them, and every writer asks twice."""


def read_epochs(connection: Connection) -> Mapping[str, int]:
    """The number of each epoch; none of them changes before the caller's transaction ends."""
    transaction = connection.get_transaction()
    known = _read_in.get(transaction) if transaction is not None else None
    if known is None:
        known = dict(connection.execute(_READ).all())
        transaction = connection.get_transaction()
        if transaction is not None:
            _read_in[transaction] = known
    return known


def begin_epoch(connection: Connection, name: str) -> None:
    """Wait for the writers of the present epoch, and hold back new ones until this transaction ends."""
    transaction = connection.get_transaction()
    if transaction is not None:
        _read_in.pop(transaction, None)
    connection.execute(update(epoch).where(epoch.c.name == name).values(value=epoch.c.value + 1))


def hold_rollups(connection: Connection) -> None:
    """Wait for the writers of tags, and hold back new ones until this transaction ends: what is counted now stays so.

    To be called before anything else of the transaction holds a roll-up. Who belongs to whom stays, too.
    """
    connection.execute(_MEMBERS)
    connection.execute(_ALONE)
