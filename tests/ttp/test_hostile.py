"""What was made to be slow costs milliseconds through the whole path. Margins are wide: machines are shared."""

from __future__ import annotations

import time

import pytest

from decnet.models.text import canonical_text
from decnet.shell import EMPTY
from decnet.ttp.engine import RuleEngine
from decnet.ttp.store.filesystem import load_pack
from tests.shell.hostile import hostile_texts

MARGIN = 10
GOALS_MS = {2_000: 5, 65_536: 50}


@pytest.fixture(scope="module")
def engine() -> RuleEngine:
    return RuleEngine(load_pack(), remembered=0)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", GOALS_MS)
def test_hostile_text_is_read_in_bounded_time(engine: RuleEngine, size: int) -> None:
    texts = {piece: canonical_text(text)[:size] for piece, text in hostile_texts(size).items()}
    slowest, piece = max((_best_of_three(engine, text), piece) for piece, text in texts.items())
    assert slowest < GOALS_MS[size] * MARGIN, piece


def test_a_state_grown_by_a_hostile_session_stays_bounded(engine: RuleEngine) -> None:
    state = EMPTY
    for number in range(2_000):
        state = engine.read(
            f"v{number}=$v{number - 1}$v{number - 1}x; f{number}() {{ id; }}; cd {'a' * 200}", state
        ).state
    assert sum(len(name) + len(value) for name, value in (*state.variables, *state.functions)) < 400_000
    assert len(state.cwd) <= 4_096


def _best_of_three(engine: RuleEngine, text: str) -> float:
    """Milliseconds of the quickest of three readings."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        engine.read(text)
        times.append((time.perf_counter() - begun) * 1_000)
    return min(times)
