"""What an attacker typed, as a set of normalised commands, and a sketch that tells how alike two such sets are.

Two runs of one script differ in addresses, ports, random names and the order of lines; normalising takes those out, and
a set has no order. The sketch is MinHash (Broder, "On the resemblance and containment of documents", 1997): the share
of equal values in two sketches estimates the Jaccard similarity of the sets. It is cut into bands; two scripts are
taken for the same when a whole band is equal, which has a probability of 1 - (1 - s^ROWS)^BANDS for a similarity s:
99.6 % at 0.9, 69 % at 0.8 and 2 % at 0.5, for eight rows and, as here, six bands, or somewhat less.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

BANDS = 6
ROWS = 8
CREDENTIAL_BANDS = 2
MIN_COMMANDS = 3
"""A script of fewer distinct commands is what anybody types."""

_REMEMBERED = 8_192
_REMEMBERED_MEMBERS = 4_096
_REMEMBERED_SETS = 1_024
_MAX_CHARS = 4_096
_MAX_WORDS = 16
_MAX_PIECES = 64
_LONG_WORD = 24
_DOTS = 3  # in an IPv4 address
_MASK = 2**61 - 1  # a Mersenne prime: (a x + b) modulo a prime is a random enough permutation
_SPLIT = str.maketrans(dict.fromkeys(";|&\n\r", "\n"))
_PLAIN = str.maketrans(dict.fromkeys("\"'`(){}<>\t", " ") | dict.fromkeys("123456789", "0"))


@lru_cache(_REMEMBERED)
def commands_in(text: str) -> frozenset[int]:
    """The normalised simple commands of a line, each as a hash of 60 bits."""
    pieces = text[:_MAX_CHARS].translate(_SPLIT).split("\n")[:_MAX_PIECES]
    normal = {_normal(piece) for piece in pieces}
    return frozenset(_hash(piece) for piece in normal if piece)


def _normal(command: str) -> str:
    """``wget http://192.0.2.1/x7 -O /tmp/aQ81`` → ``wget URL -O /tmp/aQ0``; random names and data are ``LONG``."""
    words = command.translate(_PLAIN).split()[:_MAX_WORDS]
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    if "://" in word:
        return "URL"
    while "00" in word:
        word = word.replace("00", "0")
    if word.count(".") == _DOTS and word.strip("0.:/") == "":
        return "ADDRESS"
    return "LONG" if len(word) > _LONG_WORD and "/" not in word else word


def bands_of(commands: AbstractSet[int]) -> tuple[int, ...]:
    """The bands of a script, or none where it is too short to be anybody's own."""
    return _sketch(frozenset(commands), BANDS) if len(commands) >= MIN_COMMANDS else ()


def credential_bands(pairs: AbstractSet[tuple[str, str]]) -> tuple[int, ...]:
    """The bands of a set of (secret, account): two sets share one when their Jaccard similarity is high."""
    if len(pairs) < MIN_COMMANDS:
        return ()
    return _sketch(frozenset(map(_hash_of_pair, pairs)), CREDENTIAL_BANDS)


@lru_cache(_REMEMBERED_MEMBERS)
def _hash_of_pair(pair: tuple[str, str]) -> int:
    return _hash("\0".join(pair))


@lru_cache(_REMEMBERED_SETS)
def _sketch(members: frozenset[int], bands: int) -> tuple[int, ...]:
    lows = list(map(min, *(_permuted(member, bands) for member in members)))
    return tuple(
        [_hash(f"{band}:{','.join(map(str, lows[band * ROWS : (band + 1) * ROWS]))}") for band in range(bands)]
    )


@lru_cache(_REMEMBERED_MEMBERS)
def _permuted(member: int, bands: int) -> tuple[int, ...]:
    """Where each row's permutation puts ``member``, band by band: the same passwords and commands come all the time."""
    return tuple([(a * member + b) % _MASK for band in _permutations()[:bands] for a, b in band])


@lru_cache(1)
def _permutations() -> list[list[tuple[int, int]]]:
    """Multiplier and offset of each row of each band: the same in every process."""
    return [
        [(_hash(f"multiplier {band} {row}") | 1, _hash(f"offset {band} {row}")) for row in range(ROWS)]
        for band in range(BANDS)
    ]


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 4
