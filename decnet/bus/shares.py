"""Which partitions this process holds: the members of a group divide them among themselves, over leases alone.

Everybody announces itself with a lease of its own, counts the others, takes no more than a fair share, and gives up
what is beyond it. Nobody leads, so nobody's end stops the rest: what a dead member held is free when its leases end.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from decnet.errors import BusUnavailable, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from decnet.bus.base import Leases

TURNS_PER_TTL = 4
"""How often a lease is renewed within its life: three renewals may fail."""


class Share:
    """The part of ``partitions`` that ``member`` of ``group`` holds. Call :meth:`turn` every ``pause_s``.

    ``clock`` gives monotonic seconds.
    """

    def __init__(
        self,
        leases: Leases,
        group: str,
        member: str,
        partitions: Sequence[int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._group = group
        self._member = member
        self._partitions = partitions
        self._clock = clock
        self._until: dict[int, float] = {}
        self.surplus: frozenset[int] = frozenset()
        """Held, and beyond the fair share: finish with them and :meth:`give_up` each."""

    @property
    def held(self) -> frozenset[int]:
        """The partitions that are this member's as far as it knows."""
        now = self._clock()
        return frozenset(partition for partition, until in self._until.items() if until > now)

    @property
    def pause_s(self) -> float:
        """How long to wait between two turns."""
        return self._leases.ttl_s / TURNS_PER_TTL

    async def turn(self) -> None:
        """Renew what is held, count the members, mark the surplus, take what is free and due.

        :raises BusUnavailable, StorageUnavailable: the leases are out of reach; what is held stays so until it ends.
        """
        await self._renew()
        members, free = await self._look()
        fair = -(-len(self._partitions) // members)
        held = sorted(self._until)
        self.surplus = frozenset(held[fair:])
        if len(held) < fair:
            await self._acquire(free[: fair - len(held)])

    async def give_up(self, partition: int) -> None:
        """``partition`` is free for others.

        :raises BusUnavailable, StorageUnavailable: out of reach; it is free when the lease ends.
        """
        self._until.pop(partition, None)
        self.surplus -= {partition}
        await self._leases.release([self._name(partition)], self._member)

    async def leave(self) -> None:
        """Everything is given up, and the membership."""
        names = [*map(self._name, self._until), self._member_name]
        self._until.clear()
        with suppress(BusUnavailable, StorageUnavailable):  # then the leases end by themselves
            await self._leases.release(names, self._member)

    @property
    def _member_name(self) -> str:
        return f"{self._group}.member.{self._member}"

    def _name(self, partition: int) -> str:
        return f"{self._group}.p{partition:02}"

    async def _renew(self) -> None:
        """What is held lasts on, what was lost is forgotten, and the others are told that we are here."""
        until = self._clock() + self._leases.ttl_s
        names = {self._name(partition): partition for partition in self._until}
        renewed = await self._leases.renew([*names, self._member_name], self._member)
        self._until = {partition: until for name, partition in names.items() if name in renewed}
        if self._member_name not in renewed:
            await self._leases.acquire([self._member_name], self._member)

    async def _acquire(self, partitions: Sequence[int]) -> None:
        until = self._clock() + self._leases.ttl_s
        names = {self._name(partition): partition for partition in partitions}
        acquired = await self._leases.acquire(list(names), self._member)
        self._until |= {names[name]: until for name in acquired}

    async def _look(self) -> tuple[int, list[int]]:
        """How many members there are, and which partitions are nobody's; each member looks from another one on."""
        taken = await self._leases.taken(f"{self._group}.")
        members = sum(name.startswith(f"{self._group}.member.") for name in taken) or 1
        free = [partition for partition in self._partitions if self._name(partition) not in taken]
        turn = sum(self._member.encode()) % len(free) if free else 0
        return members, free[turn:] + free[:turn]
