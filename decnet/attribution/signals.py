"""What tells one attacker from another although the address changes, and how much each such thing says.

A *value* is a 64-bit number: a hash of what was seen, and in its low four bits what kind of thing it is. A *client* is
what one address shows under one set of fingerprints; an address behind which several people sit is several clients.

==============  =======  ======================================================================
kind            weight   counted
==============  =======  ======================================================================
HASSH JA3 JA4   1.0      full while at most 1 % of all clients have it, nothing beyond 8 %
browser         1.0      as HASSH: the digest of what a browser that opened a canary shows
payload         1.0      full up to half of all clients; half of it where fingerprints disagree
C2 endpoint     1.0      as fingerprints; half of it where they disagree
script          0.6      as fingerprints; the same where one band of the sketch is
credentials     0.2      as fingerprints; likewise
network         0.05     always
==============  =======  ======================================================================

Between full and nothing the weight halves in steps; three clients or fewer are always rare.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from decnet.models.canary import BROWSER_IDENTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from decnet.attribution.sessions import SessionTraits

JOIN_AT = 1.0
RARE_CLIENTS = 3
"""So few share a value that it is rare however small the corpus is."""
DISAGREEING = 0.5
"""What a payload counts where the fingerprints say that the clients are different ones."""
MOST_OF_A_KIND = 6
"""Values of a kind of one client that are combined with others; the heaviest are taken."""
_STEPS = ((1, 1.0), (2, 0.75), (4, 0.5), (8, 0.25))  # up to that many percent of the corpus
_PAYLOAD_SCALE = 50  # a botnet that is a third of all there is still is one; a client library is nobody's
_KIND_BITS = 4
_KIND = 2**_KIND_BITS - 1
_ROUNDING = 1e-9
_REMEMBERED = 65_536

Level = float
"""The part of its weight that a value counts: 0, 0.25, 0.5, 0.75 or 1."""


class Kind(IntEnum):
    """What a value is a hash of."""

    HASSH = 0
    JA3 = 1
    JA4 = 2
    BROWSER = 3
    PAYLOAD = 4
    ENDPOINT = 5
    SCRIPT = 6
    CREDENTIALS = 7
    NETWORK = 8


FINGERPRINTS = frozenset({Kind.HASSH, Kind.JA3, Kind.JA4, Kind.BROWSER})
PAYLOADS = frozenset({Kind.PAYLOAD, Kind.ENDPOINT})
WEIGHTS: dict[int, float] = {Kind.SCRIPT: 0.6, Kind.CREDENTIALS: 0.2, Kind.NETWORK: 0.05}
_METRICS = {"hassh": Kind.HASSH, "ja3": Kind.JA3, "ja4": Kind.JA4, BROWSER_IDENTITY: Kind.BROWSER}


class Signals(NamedTuple):
    """What a session shows: the fingerprints that make its client, and all values, these included."""

    client: tuple[int, ...]
    values: frozenset[int]


def signals_of(traits: SessionTraits) -> Signals:
    """The values in a session's traits."""
    client = tuple(sorted(value_of(_METRICS[metric], value) for metric, value in traits.fingerprints))
    values = {value_of(Kind.PAYLOAD, digest) for digest in traits.payloads}
    values |= {value_of(Kind.ENDPOINT, endpoint) for endpoint in traits.endpoints}
    values |= {band << _KIND_BITS | Kind.SCRIPT for band in traits.script}
    values |= {band << _KIND_BITS | Kind.CREDENTIALS for band in traits.credentials}
    return Signals(client, frozenset(values | set(client)))


@lru_cache(_REMEMBERED)
def value_of(kind: Kind, text: str) -> int:
    """``text`` as a value."""
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 4 << _KIND_BITS | kind


def kind_of(value: int) -> Kind:
    """What a value is a hash of."""
    return Kind(value & _KIND)


def is_fingerprint(value: int) -> bool:
    """The value is a fingerprint of the client's software."""
    return bool(value & _KIND <= Kind.BROWSER)


def is_payload(value: int) -> bool:
    """The value is a file or an endpoint that files come from."""
    return value & _KIND in PAYLOADS


def level_of(value: int, clients: int, corpus: int) -> Level:
    """How much of its weight a value counts that ``clients`` of the ``corpus`` have."""
    if clients <= RARE_CLIENTS or value & _KIND == Kind.NETWORK:
        return 1.0
    allowed = corpus * _scale(value)
    return next((level for percent, level in _STEPS if clients * 100 <= percent * allowed), 0.0)


def rises_at(value: int, clients: int, corpus: int) -> int:
    """The size of the corpus at which the level of a value rises next."""
    sizes = [-(-clients * 100 // (percent * _scale(value))) for percent, _ in _STEPS]
    return min((size for size in sizes if size > corpus), default=corpus + 1)


def _scale(value: int) -> int:
    return _PAYLOAD_SCALE if value & _KIND == Kind.PAYLOAD else 1


def metrics_of(client: Iterable[int]) -> int:
    """The kinds of fingerprints that a client shows, as bits."""
    bits = 0
    for value in client:
        bits |= 1 << (value & _KIND)
    return bits


def disagree(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Both show a kind of fingerprint, and have none in common."""
    return bool(metrics_of(one) & metrics_of(other)) and not set(one) & set(other)


def combinations(
    values: Iterable[int], level: Callable[[int], Level], *, is_shared: Callable[[int], bool]
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every smallest set of a client's values that is enough, and its weight: whoever shares all of it is joined.

    At most one value of each kind counts. A payload counts half here, unless a fingerprint is shared with it; where
    fingerprints agree it needs no help. Values that nobody shares are left out.
    """
    kinds: list[list[tuple[int, float]]] = [[], [], [], [], []]
    for value in values:
        part = level(value)
        if not part or not is_shared(value):
            continue
        if is_fingerprint(value):
            kinds[0].append((value, part))
        elif is_payload(value):
            kinds[1].append((value, part))
        else:
            place = (value & _KIND) - Kind.SCRIPT + 2
            kinds[place].append((value, part * WEIGHTS[value & _KIND]))
    if not kinds[0] and not kinds[1]:
        return
    yield from (((value,), part) for value, part in kinds[0] if part >= JOIN_AT)
    kinds[0] = [(value, part) for value, part in kinds[0] if part < JOIN_AT]
    if sum(max((part for _, part in kind), default=0.0) for kind in kinds) < JOIN_AT:
        return
    choices = [[(0, 0.0), *sorted(kind, key=_heaviest_first)[:MOST_OF_A_KIND]] for kind in kinds]
    for chosen in product(*choices):
        weight = _weight(chosen)
        if weight + _ROUNDING >= JOIN_AT and _is_smallest(chosen):
            yield tuple(value for value, _ in chosen if value), round(weight, 3)


def _heaviest_first(choice: tuple[int, float]) -> tuple[float, int]:
    value, part = choice
    return -part, value


def _weight(chosen: Iterable[tuple[int, float]]) -> float:
    (fingerprint, weight), (_, payload), *rest = chosen
    payload *= 1.0 if fingerprint else DISAGREEING
    return weight + payload + sum(part for _, part in rest)


def _is_smallest(chosen: tuple[tuple[int, float], ...]) -> bool:
    """Without any one of them it would not be enough."""
    for number, (value, _) in enumerate(chosen):
        fewer = (*chosen[:number], (0, 0.0), *chosen[number + 1 :])
        if value and _weight(fewer) + _ROUNDING >= JOIN_AT:
            return False
    return True
