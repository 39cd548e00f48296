"""Leases in the database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.base import Leases
from decnet.db.leases import acquire_lease, lease_holders, release_lease, renew_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy.engine import Connection

    from decnet.bus.journal.storage import JournalStorage

_PREFIX = "bus."
_US = 1_000_000


class JournalLeases(Leases):
    """Leases in the database, many names to a transaction."""

    def __init__(self, storage: JournalStorage, ttl_s: float) -> None:
        self._storage = storage
        self._ttl_s = ttl_s

    @property
    def ttl_s(self) -> float:
        return self._ttl_s

    async def acquire(self, names: Collection[str], holder: str) -> frozenset[str]:
        return await self._each(acquire_lease, names, holder)

    async def renew(self, names: Collection[str], holder: str) -> frozenset[str]:
        return await self._each(renew_lease, names, holder)

    async def release(self, names: Collection[str], holder: str) -> None:
        def work(connection: Connection) -> None:
            for name in names:
                release_lease(connection, _PREFIX + name, holder)

        await self._storage.write(work)

    async def taken(self, prefix: str) -> frozenset[str]:
        held = await self._storage.read(partial(lease_holders, prefix=_PREFIX + prefix, now=self._storage.now()))
        return frozenset(name.removeprefix(_PREFIX) for name in held)

    async def _each(self, act: Callable[..., object], names: Collection[str], holder: str) -> frozenset[str]:
        """Those of ``names`` for which ``act`` gives something."""
        if not names:
            return frozenset()

        def work(connection: Connection) -> frozenset[str]:
            now, length_us = self._storage.now(), int(self._ttl_s * _US)
            return frozenset(
                name
                for name in names
                if act(connection, _PREFIX + name, holder, now=now, length_us=length_us) not in {None, False}
            )

        return await self._storage.write(work)
