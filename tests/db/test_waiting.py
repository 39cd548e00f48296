from __future__ import annotations

import asyncio

import pytest

from decnet.db.waiting import beside


async def job(steps: list[str], error: Exception | None = None) -> str:
    steps.append("sent")
    await asyncio.sleep(0.01)
    steps.append("answered")
    if error is not None:
        raise error
    return "answer"


def test_work_is_done_between_the_request_and_its_answer() -> None:
    steps: list[str] = []
    assert asyncio.run(beside(job(steps), lambda: steps.append("work"))) == "answer"
    assert steps == ["sent", "work", "answered"]


def test_an_error_of_the_work_is_raised_once_the_job_has_ended() -> None:
    steps: list[str] = []

    def fail() -> None:
        raise ValueError("work")

    with pytest.raises(ValueError, match="work"):
        asyncio.run(beside(job(steps), fail))
    assert steps == ["sent", "answered"]


def test_an_error_of_the_job_is_raised_after_the_work() -> None:
    steps: list[str] = []
    with pytest.raises(OSError, match="gone"):
        asyncio.run(beside(job(steps, OSError("gone")), lambda: steps.append("work")))
    assert steps == ["sent", "work", "answered"]
