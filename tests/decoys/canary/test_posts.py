from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.decoys.canary import posts as limits
from decnet.decoys.canary.posts import MAX_PIECES, PAGE_LIFE_S, POSTS_PER_MINUTE, Piece, Posts, Refusal

SLUG, A, B = "slug", "198.51.100.7", "198.51.100.8"


def served(nonce: str = "n", at: float = 0.0) -> Posts:
    posts = Posts()
    posts.serve(nonce, SLUG, A, at)
    return posts


@given(st.permutations(range(MAX_PIECES)))
def test_pieces_make_the_whole_in_whatever_order_they_come(order: list[int]) -> None:
    posts = served()
    taken = [posts.take(SLUG, A, Piece("n", number, MAX_PIECES, bytes([number])), 1.0) for number in order]
    assert taken == [None] * (MAX_PIECES - 1) + [bytes(range(MAX_PIECES))]


@pytest.mark.parametrize(
    "second", [Piece("n", 0, 2, b"b"), Piece("n", 1, 3, b"b"), Piece("n", 2, 2, b"b"), Piece("n", 1, 2, b"b" * 300_000)]
)
def test_a_piece_that_does_not_fit_ends_the_page(second: Piece) -> None:
    posts = served()
    assert posts.take(SLUG, A, Piece("n", 0, 2, b"a"), 1.0) is None
    assert posts.take(SLUG, A, second, 1.0) is Refusal.UNKNOWN
    assert posts.take(SLUG, A, Piece("n", 1, 2, b"b"), 1.0) is Refusal.UNKNOWN


def test_a_page_posts_only_for_a_while() -> None:
    assert served().take(SLUG, A, Piece("n", 0, 1, b"a"), PAGE_LIFE_S + 1) is Refusal.UNKNOWN


def test_thirty_posts_a_minute_and_then_again() -> None:
    posts = served()
    for _ in range(POSTS_PER_MINUTE):
        posts.take(SLUG, A, Piece("other", 0, 1, b""), 5.0)
    assert posts.take(SLUG, A, Piece("n", 0, 1, b"a"), 64.0) is Refusal.TOO_MANY
    assert posts.take(SLUG, A, Piece("n", 0, 1, b"a"), 66.0) == b"a"


def test_the_limit_is_of_an_address_and_a_token() -> None:
    posts = served()
    for _ in range(POSTS_PER_MINUTE):
        posts.take(SLUG, B, Piece("n", 0, 1, b""), 5.0)
        posts.take("other", A, Piece("n", 0, 1, b""), 5.0)
    assert posts.take(SLUG, A, Piece("n", 0, 1, b"a"), 6.0) == b"a"


def test_only_so_many_pages_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PAGES", 2)
    posts = Posts()
    for nonce in ("1", "2", "3"):
        posts.serve(nonce, SLUG, A, 0.0)
    taken = [posts.take(SLUG, A, Piece(nonce, 0, 1, b"a"), 1.0) for nonce in ("1", "2", "3")]
    assert taken == [Refusal.UNKNOWN, b"a", b"a"]


def test_only_so_many_bytes_wait_for_their_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_WAITING_BYTES", 10)
    posts = Posts()
    for nonce in ("1", "2"):
        posts.serve(nonce, SLUG, A, 0.0)
        posts.take(SLUG, A, Piece(nonce, 0, 2, b"a" * 6), 1.0)
    taken = [posts.take(SLUG, A, Piece(nonce, 1, 2, b"b"), 1.0) for nonce in ("1", "2")]
    assert taken == [Refusal.UNKNOWN, b"aaaaaab"]
