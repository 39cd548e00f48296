from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from decnet.errors import StorageUnavailable
from decnet.models.event import CommandPayload, SourceKind
from decnet.ttp.tagger import CompositeTagger, TolerantTagger
from tests.events import a_command, a_login, a_tag, an_event

if TYPE_CHECKING:
    from decnet.models.event import Event
    from decnet.models.tag import TTPTag


class OneTag:
    """Tags every command with one technique."""

    def handles(self, kind: SourceKind) -> bool:
        return kind == "command"

    def tag(self, event: Event) -> list[TTPTag]:
        return [a_tag(event)] if event.source_kind == "command" else []


class Failing(OneTag):
    """Raises what it was given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def tag(self, event: Event) -> list[TTPTag]:
        del event
        raise self.error


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), RecursionError("x"), ValueError("x")])
def test_one_taggers_failure_costs_only_its_own_tags(error: Exception) -> None:
    composite = CompositeTagger([Failing(error), OneTag()])
    assert len(composite.tag(a_command("id"))) == 1
    assert composite.failures == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_a_wish_to_stop_passes(error: BaseException) -> None:
    with pytest.raises(type(error)):
        CompositeTagger([Failing(error)]).tag(a_command("id"))


def test_the_first_and_every_hundredth_failure_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    tolerant = TolerantTagger(Failing(TypeError("x")))
    for _ in range(250):
        tolerant.tag(a_command("id"))
    assert len(caplog.records) == 3


def test_a_known_kind_that_nobody_handles_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    composite = CompositeTagger([OneTag()])
    for _ in range(3):
        composite.tag(a_login(success=False))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_an_unknown_kind_is_mentioned_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    composite = CompositeTagger([OneTag()])
    for _ in range(3):
        composite.tag(an_event(SourceKind("telepathy"), CommandPayload("id")))
    assert [record.levelno for record in caplog.records] == [logging.INFO]


def test_a_database_that_is_away_is_no_fault_of_the_event() -> None:
    with pytest.raises(StorageUnavailable):
        TolerantTagger(Failing(StorageUnavailable("away"))).tag(a_command("id"))
