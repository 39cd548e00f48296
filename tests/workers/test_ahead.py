"""A copy of the process that reads ahead: the same rows as one process, and a clean end of either."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.cowrie_log import lines
from decnet.cli.tagging import open_direct
from decnet.errors import WorkerEnded
from decnet.workers import direct
from decnet.workers.logs import UNREADABLE
from tests.databases import rows
from tests.workers.test_direct import SETTING, USING, techniques

if TYPE_CHECKING:
    from decnet.db.engine import Database
    from decnet.workers.direct import DirectRun

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies processes well")
NEVER = 1_000_000
TABLES = (
    *("event", "session", "attacker", "tag", "rollup_attacker", "rollup_session", "rollup_fleet_day"),
    *("finding", "session_traits", "sensor_clock"),
)


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    """A log of several batches and its next part, cut within sessions."""
    whole = [line + "\n" for line in lines(9_000)]
    names = [str(tmp_path / "cowrie.json.1"), str(tmp_path / "cowrie.json")]
    for name, part in zip(names, (whole[:5_000], whole[5_000:]), strict=True):
        Path(name).write_text("".join(part))
    return names


def content(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What is stored, but for the times at which it was."""
    found = {table: rows(database, f"SELECT * FROM {table}") for table in TABLES}
    found["tag"] = [row[:14] for row in found["tag"]]  # all but created_at
    return found


def copies(direct: DirectRun) -> int | None:
    return direct._copy._process if direct._copy else None


def tagged(folder: Path, logs: list[str], copy_after: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(direct, "COPY_AFTER", copy_after)
    folder.mkdir()
    (folder / "secret.key").write_text("ab" * 32)
    with open_direct(data_dir=folder) as run:
        run._may_copy = lambda: True  # whatever this machine has, and is at
        reports = [run.read(path) for path in logs]
        assert (copies(run) is not None) == (copy_after < NEVER)
        assert [report.lines for report in reports] == [5_000, 4_000]
        return content(run.database)


@pytest.mark.timeout(60)
def test_a_copy_reads_what_one_process_reads(tmp_path: Path, logs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = tagged(tmp_path / "alone", logs, NEVER, monkeypatch)
    assert len(alone["event"]) == 9_000
    assert tagged(tmp_path / "ahead", logs, 1, monkeypatch) == alone


def disturbed(log: Path) -> int:
    """Make lines of ``log`` late, up to hours, and some of them come twice; returns how many there are."""
    rng = random.Random(3)  # noqa: S311 - lines change places, nothing is secret
    found = log.read_text().splitlines()
    for _ in range(60):
        place = rng.randrange(len(found) - 1)
        found.insert(place + rng.choice((2, 400, 3_000)), found.pop(place))
    for place in (800, 3_500):
        found.insert(place + 600, found[place])
    log.write_text("\n".join(found) + "\n")
    return len(found)


@pytest.mark.timeout(120)
def test_what_is_foreseen_is_what_is_stored_also_where_events_are_late_or_come_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct.DirectRun, "chunk_bytes", 64 << 10)
    log = tmp_path / "cowrie.json"
    log.write_text("\n".join(lines(6_000)) + "\n")
    count = disturbed(log)
    stored = []
    for copy_after in (NEVER, 1):
        monkeypatch.setattr(direct, "COPY_AFTER", copy_after)
        folder = tmp_path / str(copy_after)
        folder.mkdir()
        (folder / "secret.key").write_text("ab" * 32)
        with open_direct(data_dir=folder) as run:
            run._may_copy = lambda: True
            assert run.read(str(log)).known_events == 2
            assert copies(run) is None or 1 <= run._alone < count // 2 // 200, "most batches are foreseen"
            run.finish()
            stored.append(content(run.database))
    assert stored[0] == stored[1]


@pytest.mark.timeout(60)
def test_a_copy_foresees_again_after_the_sessions_of_a_log_were_ended(
    tmp_path: Path, logs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct.DirectRun, "chunk_bytes", 64 << 10)
    stored = []
    for copy_after in (NEVER, 1):
        monkeypatch.setattr(direct, "COPY_AFTER", copy_after)
        folder = tmp_path / str(copy_after)
        folder.mkdir()
        (folder / "secret.key").write_text("ab" * 32)
        with open_direct(data_dir=folder) as run:
            run._may_copy = lambda: True
            run.read(logs[0])
            run.finish()
            before = run._alone
            run.read(logs[1])
            assert copies(run) is None or before < run._alone < before + 8
            run.finish()
            stored.append(content(run.database))
    assert stored[0] == stored[1]


class TestCopy:
    """One that was made after the first batch."""

    @pytest.fixture
    def run(self, tmp_path: Path, logs: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(direct, "COPY_AFTER", 1)
        with open_direct(data_dir=tmp_path / "data") as run:
            run._may_copy = lambda: True
            run.read(logs[0])
            yield run

    def test_it_knows_the_commands_that_an_earlier_run_stored(self, run: DirectRun, tmp_path: Path) -> None:
        other = tmp_path / "other.json"
        other.write_text(SETTING)
        with open_direct(data_dir=tmp_path / "data") as before:
            before.read(str(other))
        other.write_text(SETTING + USING)
        run.read(str(other))
        assert ("command", "T1105") in techniques(run)

    def test_a_log_that_cannot_be_read_is_a_refusal_and_the_next_one_is_read(
        self, run: DirectRun, tmp_path: Path, logs: list[str]
    ) -> None:
        report = run.read(str(tmp_path / "missing.json"))
        assert report.refused[UNREADABLE] == 1
        assert run.read(logs[1]).new_events == 4_000

    def test_when_it_is_killed_the_run_says_so_and_another_goes_on(
        self, run: DirectRun, tmp_path: Path, logs: list[str]
    ) -> None:
        process = copies(run)
        assert process is not None
        os.kill(process, signal.SIGKILL)
        with pytest.raises(WorkerEnded, match="run again"):
            run.read(logs[1])
        with open_direct(data_dir=tmp_path / "data") as again:
            again.read(logs[1])
            assert rows(again.database, "SELECT count(*) FROM event") == [(9_000,)]

    def test_it_ends_with_its_run(self, run: DirectRun) -> None:
        process = copies(run)
        assert process is not None
        run.close()
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
