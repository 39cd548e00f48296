"""Answers that are remembered for a moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pydantic import BaseModel

from decnet.web import fresh
from decnet.web.fresh import Lately

if TYPE_CHECKING:
    import pytest


class Told(BaseModel):
    number: int


class Counter:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Told:
        self.made += 1
        return Told(number=self.made)


def test_an_answer_is_made_once_a_moment_however_many_ask() -> None:
    lately, make = Lately(), Counter()
    with ThreadPoolExecutor(8) as lanes:
        said = list(lanes.map(lambda _: lately.said("a", make).text, range(50)))
    assert set(said) == {b'{"number":1}'}
    assert lately.said("b", make).text == b'{"number":2}'


def test_an_answer_that_is_old_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "REMEMBERED_S", 0.0)
    lately, make = Lately(), Counter()
    first, second = lately.said("a", make), lately.said("a", make)
    assert (first.text, second.text) == (b'{"number":1}', b'{"number":2}')
    assert first.tag != second.tag


def test_questions_without_end_take_no_memory_without_end() -> None:
    lately, make = Lately(), Counter()
    for number in range(2_000):
        lately.said(number, make)
    assert len(lately._slots) <= 256
