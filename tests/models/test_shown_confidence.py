from __future__ import annotations

import pytest

from decnet.models.tag import DEFAULT_CONFIDENCE_FLOOR, shown_confidence


@pytest.mark.parametrize(
    ("stored", "shown"),
    [(0.3, 0.35), (0.54, 0.59), (0.6, 0.65), (0.9, 0.95), (0.97, 1.0), (1.0, 1.0), (0.5999, 0.5999)],
)
def test_a_bump_lifts_what_is_shown_and_never_beyond_certainty(stored: float, shown: float) -> None:
    assert shown_confidence(stored, 0.05) == pytest.approx(shown)


def test_a_bump_brings_nothing_over_the_floor() -> None:
    for hundredths in range(30, 60):
        stored = hundredths / 100
        assert stored <= shown_confidence(stored, 0.05) < DEFAULT_CONFIDENCE_FLOOR


def test_without_a_bump_what_is_stored_is_shown() -> None:
    assert [shown_confidence(stored / 100, 0.0) for stored in range(101)] == [stored / 100 for stored in range(101)]
