"""A batch holds events as they are stored, and gives them back."""

from __future__ import annotations

import msgspec
import pytest

from bench.attribution import visits
from decnet.models.event import AUTH_ATTEMPT, Event, EventId
from decnet.models.event_batch import EventBatch


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(visits(500))


def test_events_come_back_as_they_were_given_also_through_a_pipe(events: list[Event]) -> None:
    packed = msgspec.msgpack.encode(EventBatch.of(events))
    assert msgspec.msgpack.decode(packed, type=EventBatch).events() == events


def test_an_event_that_comes_twice_is_there_once_and_counted_twice(events: list[Event]) -> None:
    batch = EventBatch.of([*events, events[7]])
    assert batch.events() == events
    assert batch.given == len(events) + 1


def test_some_of_them_keep_their_order(events: list[Event]) -> None:
    some = events[3::7]
    assert EventBatch.of(events).only({EventId(event.id) for event in some}).events() == some


def test_a_kind_is_found(events: list[Event]) -> None:
    attempts = [event for event in events if event.source_kind == AUTH_ATTEMPT]
    assert attempts
    assert EventBatch.of(events).of_kind(AUTH_ATTEMPT) == attempts


def test_a_session_that_goes_on_from_another_port_has_two_places_and_its_first_time(events: list[Event]) -> None:
    first = events[0]
    moved = msgspec.structs.replace(events[1], src_port=1)
    found = EventBatch.of([first, moved]).first_events()
    assert [(one.session_id, one.src_port) for one in found] == [(first.session_id, 40_000), (first.session_id, 1)]
    assert found[0].observed_at == first.observed_at


def test_the_latest_event_of_each_sensor_is_known(events: list[Event]) -> None:
    expected = {
        sensor: max(event.observed_at for event in events if event.sensor == sensor)
        for sensor in {event.sensor for event in events}
    }
    assert len(expected) > 1
    assert EventBatch.of(events).latest() == expected
