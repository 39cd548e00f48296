"""Attackers whose owners are known: rotating addresses, shared tooling, strangers behind one router."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from decnet.attribution.script import bands_of, commands_in
from decnet.attribution.sessions import SessionTraits
from decnet.models.actor import attacker_uuid, session_uuid
from tests.events import NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.models.actor import AttackerUuid

COMMON_CLIENTS = 6
"""Client libraries that half of the world uses."""


class Owner(NamedTuple):
    """Somebody: the client software (its own or everybody's), what is dropped, and what is typed."""

    number: int
    hassh: str
    payloads: tuple[str, ...]
    script: tuple[int, ...]


class Population(NamedTuple):
    """Sessions, and who is behind each address."""

    sessions: list[SessionTraits]
    owners: dict[AttackerUuid, int]


def population(attackers: int, seed: int = 5, *, sessions: float = 2.0) -> Population:
    """Some ``attackers`` addresses, with owners of 1 to 12 of them; one in fifty is shared by two owners."""
    chance = Random(seed)  # noqa: S311 - the same every time
    found: list[SessionTraits] = []
    owners: dict[AttackerUuid, int] = {}
    kits = [f"kit{n:060x}" for n in range(max(1, attackers // 100))]
    number = address = 0
    while address < attackers:
        owner = _owner(chance, number, kits)
        number += 1
        for _ in range(min(1 + int(chance.expovariate(0.35)), 12)):
            source = attacker_uuid(f"10.{address >> 16}.{address >> 8 & 255}.{address & 255}")
            owners[source] = owner.number
            count = 1 + int(chance.expovariate(1 / sessions))
            found += [_session(chance, owner, source, f"{address}-{n}") for n in range(count)]
            if chance.random() < 0.02:
                stranger = _owner(chance, number, kits)
                number += 1
                found.append(_session(chance, stranger, source, f"{address}-stranger"))
                elsewhere = attacker_uuid(f"11.{address >> 16}.{address >> 8 & 255}.{address & 255}")
                owners[elsewhere] = stranger.number
                found += [_session(chance, stranger, elsewhere, f"{address}-at-home-{n}") for n in range(2)]
            address += 1
    chance.shuffle(found)
    return Population(found, owners)


def _owner(chance: Random, number: int, kits: list[str]) -> Owner:
    has_own_client = chance.random() < 0.4
    hassh = f"own{number}" if has_own_client else f"common{int(chance.paretovariate(0.8)) % COMMON_CLIENTS}"
    payloads: tuple[str, ...] = () if has_own_client and chance.random() < 0.5 else (f"{number:064x}",)
    if has_own_client and chance.random() < 0.3:
        payloads += (chance.choice(kits),)  # shared tooling: others drop it, too
    lines = [f"echo owner{number:x}{letter} > /tmp/.{letter}" for letter in "abcdefgh"]
    lines = [line.translate(str.maketrans("0123456789", "ghijklmnop")) for line in lines]
    return Owner(number, hassh, payloads, bands_of(frozenset().union(*map(commands_in, lines))))


def _session(chance: Random, owner: Owner, source: AttackerUuid, native: str) -> SessionTraits:
    return SessionTraits(
        session_uuid("svr04", native),
        source,
        1,
        NOON + chance.randrange(86_400) * SECOND,
        "svr04",
        "ssh",
        (("hassh", owner.hassh),),
        owner.payloads,
        (),
        owner.script,
    )


def pairwise_f1(owners: dict[AttackerUuid, int], heads: dict[AttackerUuid, AttackerUuid]) -> float:
    """How well pairs of addresses are told to be of one owner: twice the hits by the pairs found and there are."""
    pairs = _pairs(owners.values())
    found = _pairs(heads.values())
    both = _pairs((owners[attacker], head) for attacker, head in heads.items())
    return 2 * both / (pairs + found)


def _pairs(labels: Iterable[object]) -> int:
    counts: dict[object, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return sum(count * (count - 1) // 2 for count in counts.values())
