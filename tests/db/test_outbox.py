from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.db.actors import Actors
from decnet.db.outbox import add_messages, backlog, delete_messages, fresh_partitions, messages_after
from decnet.intake.store import Intake
from decnet.models.event import packed_event, unpacked_event
from decnet.models.message import EVENTS, MAX_ITEMS, Message
from decnet.models.text import canonical_text
from tests.events import NOON, a_command, a_login, an_end

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.event import Event


def test_messages_come_back_in_order_of_their_partition(database: Database) -> None:
    sent = [Message("events", number % 2, (bytes([number]), b"\0\xff")) for number in range(6)]
    database.write(lambda connection: add_messages(connection, sent, now=NOON))
    found = database.read(lambda connection: messages_after(connection, 1, 0, 10))
    assert [stored.message for stored in found] == sent[1::2]
    later = database.read(lambda connection: messages_after(connection, 1, found[0].id, 1))
    assert [stored.message for stored in later] == [sent[3]]
    assert database.read(lambda connection: fresh_partitions(connection, found[1].id))[1] == found[2].id


def test_numbers_never_come_back_after_retention(database: Database) -> None:
    message = Message("events", 0, (b"x",))
    database.write(lambda connection: add_messages(connection, [message], now=NOON))
    (first,) = database.read(lambda connection: messages_after(connection, 0, 0, 10))
    assert database.write(lambda connection: delete_messages(connection, [first.id])) == 1
    assert database.read(backlog) == (0, None)
    database.write(lambda connection: add_messages(connection, [message], now=NOON))
    (second,) = database.read(lambda connection: messages_after(connection, 0, 0, 10))
    assert second.id > first.id


def test_new_events_are_announced_in_the_transaction_that_stores_them(database: Database) -> None:
    intake = Intake(Actors(), announce=True)
    events = [a_command(f"echo {number}", at=NOON + number) for number in range(MAX_ITEMS + 5)]
    database.write(lambda connection: intake.store(connection, events, now=NOON))
    database.write(lambda connection: intake.store(connection, events, now=NOON))
    (partition,) = database.read(lambda connection: fresh_partitions(connection, 0))
    found = database.read(lambda connection: messages_after(connection, partition, 0, 10))
    assert [stored.message.topic for stored in found] == [EVENTS, EVENTS]
    assert [unpacked_event(item) for stored in found for item in stored.message.items] == events


def test_what_is_rolled_back_is_not_announced(database: Database) -> None:
    actors = Actors()
    intake = Intake(actors, announce=True)

    def fail(connection: Connection) -> None:
        intake.store(connection, [a_command("id")], now=NOON)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(fail, actors.forget)
    assert database.read(backlog) == (0, None)


@pytest.mark.parametrize("event", [a_login(success=True), an_end(), a_command("cat /etc/passwd\n\x07")])
def test_an_event_travels_unchanged(event: Event) -> None:
    assert unpacked_event(packed_event(event)) == event


@given(st.binary(max_size=200))
def test_any_text_travels_unchanged(raw: bytes) -> None:
    event = a_command(canonical_text(raw))
    assert unpacked_event(packed_event(event)) == event
