from __future__ import annotations

import random
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from decnet.errors import RuleError
from decnet.models.rule_state import RuleState
from decnet.ttp.store.state_file import AUDIT_NAME, STATE_NAME, StateFile
from tests.ttp.store.rule_texts import NOON

if TYPE_CHECKING:
    from pathlib import Path

OFF = RuleState("disabled", reason="noisy", set_by="ann", set_at=NOON)
WRITE_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from decnet.models.rule_state import RuleState
from decnet.ttp.store.state_file import StateFile
file = StateFile(Path(sys.argv[1]))
print("ready", flush=True)
for number in count(1):
    file.write("R0900", RuleState("clipped", 0.5, reason=str(number)))
"""


def test_a_folder_without_states_has_none(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "none").read() == {}
    assert StateFile(tmp_path / "none").history() == []


def test_states_are_for_the_owner_alone(tmp_path: Path) -> None:
    StateFile(tmp_path / "data").write("R0900", OFF)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert modes[STATE_NAME] == modes[AUDIT_NAME] == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["{", '{"R0900": {"mode": "of"}}', '{"R0900": {"mode": "clipped"}}', "[]", "\xff"])
def test_a_broken_file_refuses_instead_of_enabling_everything(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE_NAME).write_text(text, "latin-1")
    with pytest.raises(RuleError, match=r"rule_state\.json:1: states of rules cannot be read: .*mend the file"):
        StateFile(tmp_path).read()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RuleError, match="file/data:1: states of rules cannot be kept here"):
        StateFile(tmp_path / "file" / "data").write("R0900", OFF)


def test_what_has_expired_is_written_down_once(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.write("R0900", RuleState("disabled", expires_at=NOON + 1, set_at=NOON))
    file.settle(NOON)
    file.settle(NOON + 1)
    file.settle(NOON + 2)
    assert [record.state.mode for record in file.history()] == ["disabled", "enabled"]
    assert file.read()["R0900"].set_by == "expiry"


def test_a_line_that_a_crash_cut_short_costs_only_itself(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.write("R0900", OFF)
    with (tmp_path / AUDIT_NAME).open("ab") as audit:
        audit.write(b'{"rule_id":"R09')
    file.write("R0901", OFF)
    assert [record.rule_id for record in file.history()] == ["R0900", "R0901"]


def test_two_writers_lose_nothing_of_each_other(tmp_path: Path) -> None:
    script = WRITE_FOR_EVER.replace("count(1)", "range(20)").replace('"R0900"', "sys.argv[2] + str(number)")
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name], stdout=subprocess.DEVNULL)
        for name in ("A", "B")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert StateFile(tmp_path).read().keys() == {f"{name}{number}" for name in "AB" for number in range(20)}
    assert len(StateFile(tmp_path).history()) == 40


@pytest.mark.e2e
@pytest.mark.timeout(60)
def test_kill_9_in_the_middle_of_a_change_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - moments to kill at
    known: list[int] = []
    in_force: set[int] = set()
    for _ in range(12):
        with subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(chance.uniform(0.01, 0.12))
            writer.kill()
        told = [int(record.state.reason) for record in StateFile(tmp_path).history("R0900")]
        new, known = told[len(known) :], told
        states = StateFile(tmp_path).read()
        if states:  # the trail is written first: its last line may be ahead of the state
            now = int(states["R0900"].reason)
            assert now in ({new[-1], new[-2]} if len(new) > 1 else {*new, *in_force})
            in_force = {now}
    assert known
