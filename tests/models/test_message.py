from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from decnet.models.message import MAX_BYTES, MAX_ITEMS, PARTITIONS, bulk_messages, partition_of


@given(st.lists(st.integers(0, 200_000), max_size=400))
def test_bulk_messages_keep_every_item_in_order_and_within_the_limits(sizes: list[int]) -> None:
    items = [bytes(size) + number.to_bytes(4, "big") for number, size in enumerate(sizes)]

    messages = list(bulk_messages("events", 3, items))

    assert [item for message in messages for item in message.items] == items
    for message in messages:
        assert 1 <= len(message.items) <= MAX_ITEMS
        assert sum(map(len, message.items)) <= MAX_BYTES or len(message.items) == 1


def test_partition_of_an_owner_never_changes() -> None:
    assert [partition_of(bytes([0] * 12 + [0, 0, 0, number])) for number in (0, 1, 31, 32, 33)] == [0, 1, 31, 0, 1]


@given(st.binary(min_size=16, max_size=16))
def test_every_owner_has_a_partition(owner: bytes) -> None:
    assert 0 <= partition_of(owner) < PARTITIONS
