"""What browsers post: pieces of a fingerprint, put together; bounded in number, size and time whoever sends them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

PAGE_LIFE_S = 600.0
"""How long after it was served a page may post."""
POSTS_PER_MINUTE = 30
"""Of one address to one token."""
MAX_PIECES = 8
MAX_BLOB_BYTES = 256 * 1024
MAX_PAGES = 4_096
"""Served pages that are remembered; the oldest are forgotten."""
MAX_WAITING_BYTES = 32 << 20
"""Of all pieces that wait for others; beyond, the oldest pages are forgotten."""
_MINUTE_S = 60.0
_MAX_COUNTERS = 16_384

_K = TypeVar("_K")
_V = TypeVar("_V")


class Refusal(Enum):
    """Why a piece was not taken."""

    TOO_MANY = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Piece:
    """Part ``number`` (from 0) of ``total`` parts of what a page posts; ``nonce`` was in the page."""

    nonce: str
    number: int
    total: int
    body: bytes


@dataclass(slots=True)
class _Page:
    slug: str
    address: str
    served_s: float
    total: int = 0
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class Posts:
    """The pages that were served, and what came of them. Times are of a clock that only goes forward, in seconds."""

    def __init__(self) -> None:
        self._pages: _Recent[str, _Page] = _Recent(MAX_PAGES)
        self._counters: _Recent[tuple[str, str], tuple[float, int]] = _Recent(_MAX_COUNTERS)
        self._waiting_bytes = 0

    def serve(self, nonce: str, slug: str, address: str, now_s: float) -> None:
        """A page with ``nonce`` goes to ``address``."""
        forgotten = self._pages.put(nonce, _Page(slug, address, now_s))
        self._waiting_bytes -= forgotten.size if forgotten else 0

    def take(self, slug: str, address: str, piece: Piece, now_s: float) -> bytes | Refusal | None:
        """The whole, once its last piece is there, else None; each page gives one.

        A page is known by its nonce, and only to the address and for the token that it was served for.
        """
        if not self._may_post(slug, address, now_s):
            return Refusal.TOO_MANY
        page = self._pages.get(piece.nonce)
        if page is None or (page.slug, page.address) != (slug, address) or now_s - page.served_s > PAGE_LIFE_S:
            return Refusal.UNKNOWN
        if not _fits(page, piece):
            self._forget(piece.nonce)
            return Refusal.UNKNOWN
        page.total = piece.total
        page.pieces[piece.number] = piece.body
        page.size += len(piece.body)
        self._waiting_bytes += len(piece.body)
        if len(page.pieces) == page.total:
            self._forget(piece.nonce)
            return b"".join(page.pieces[number] for number in range(page.total))
        self._make_room()
        return None

    def _may_post(self, slug: str, address: str, now_s: float) -> bool:
        since, count = self._counters.get((slug, address)) or (now_s, 0)
        if now_s - since >= _MINUTE_S:
            since, count = now_s, 0
        self._counters.put((slug, address), (since, count + 1))
        return count < POSTS_PER_MINUTE

    def _make_room(self) -> None:
        while self._waiting_bytes > MAX_WAITING_BYTES:
            self._forget(self._pages.oldest())

    def _forget(self, nonce: str) -> None:
        page = self._pages.pop(nonce)
        self._waiting_bytes -= page.size if page else 0


def _fits(page: _Page, piece: Piece) -> bool:
    """The piece is a new one of the whole that the page began."""
    return (
        0 <= piece.number < piece.total <= MAX_PIECES
        and page.total in {0, piece.total}
        and piece.number not in page.pieces
        and page.size + len(piece.body) <= MAX_BLOB_BYTES
    )


class _Recent(Generic[_K, _V]):
    """The latest ``most`` entries."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[_K, _V] = OrderedDict()

    def get(self, key: _K) -> _V | None:
        return self._entries.get(key)

    def put(self, key: _K, value: _V) -> _V | None:
        """Returns the entry that had to go, if one had."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            return self._entries.popitem(last=False)[1]
        return None

    def pop(self, key: _K) -> _V | None:
        return self._entries.pop(key, None)

    def oldest(self) -> _K:
        return next(iter(self._entries))
