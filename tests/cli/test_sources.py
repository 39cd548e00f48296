from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sources import jsonl_lines, opencanary_lines
from tests.sources.cowrie_lines import EVERY_EVENT

if TYPE_CHECKING:
    import subprocess

    from tests.cli.conftest import CommandLine

OF_ADAPTER = {
    "cowrie": EVERY_EVENT,
    "opencanary": opencanary_lines.EVERY_LOGTYPE,
    "jsonl": jsonl_lines.EVERY_KIND,
}
FORMATS = [*OF_ADAPTER, "mail"]
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e"


def as_json(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def write(decnet: CommandLine, name: str, *lines: bytes) -> str:
    path = decnet.folder / name
    path.write_bytes(b"\n".join([*lines, b""]))
    return str(path)


def test_list_tells_what_is_read_and_how_it_is_recognised(decnet: CommandLine) -> None:
    text = decnet.run("sources", "list").stdout
    rows = as_json(decnet.run("sources", "list", "--json"))
    assert [row["name"] for row in rows] == FORMATS
    for row in rows:
        assert row["recognised_by"] in text
        assert (Path(__file__).parents[2] / row["page"]).is_file()
    assert json.loads(Path(rows[2]["schema"]).read_text("utf-8"))["title"] == "DECNET TTP event"


@pytest.mark.parametrize("name", OF_ADAPTER)
def test_detect_tells_the_adapter_why_and_what_is_in_the_file(decnet: CommandLine, name: str) -> None:
    lines = OF_ADAPTER[name]
    result = decnet.run("sources", "detect", write(decnet, "log", *lines), "--json")
    (found,) = as_json(result)
    assert (result.returncode, found["adapter"], found["lines"], found["whole_file"]) == (0, name, len(lines), True)
    assert found["reason"].startswith(f"{min(50, len(lines))} of the first {min(50, len(lines))} lines have")
    assert found["scores"][name] == 1.0
    assert found["refused"] == []
    assert sum(found["events"].values()) > 0


def test_detect_counts_by_kind_and_shows_the_first_refusal_of_each_reason(decnet: CommandLine) -> None:
    good = jsonl_lines.line("command", {"command_text": "id"})
    bad = jsonl_lines.line("keystroke", {})
    file = write(decnet, "log", good, bad, good, bad, b"not json", jsonl_lines.line("scan", {"signature": "x", "y": 1}))
    result = decnet.run("sources", "detect", file, "--json")
    (found,) = as_json(result)
    assert result.returncode == 1
    assert found["events"] == {"command": 2, "scan": 1}
    assert found["refused"] == [
        {"reason": "unknown source kind", "count": 2, "first": f"{file}:2: unknown source kind: 'keystroke'"},
        {"reason": "not JSON", "count": 1, "first": f"{file}:5: not JSON: 'not json'"},
    ]
    assert found["notes"] == [{"note": "unknown field in 'payload'", "count": 1, "first_line": 6}]
    told = decnet.run("sources", "detect", file).stdout
    for part in ("jsonl", "2 command, 1 scan", "2 refused: unknown source kind", ":5: not JSON", "first in line 6"):
        assert part in told


def test_detect_says_that_a_log_is_mixed(decnet: CommandLine) -> None:
    file = write(decnet, "log", EVERY_EVENT[0], *opencanary_lines.EVERY_LOGTYPE[10:13])
    (found,) = as_json(decnet.run("sources", "detect", file, "--json"))
    assert found["adapter"] == "opencanary"
    assert "3 of the first 4 lines" in found["reason"]
    assert "also cowrie 25%" in found["reason"]
    assert sum(refused["count"] for refused in found["refused"]) == 1


def test_detect_looks_at_as_many_lines_as_it_is_told(decnet: CommandLine) -> None:
    file = write(decnet, "log", *([jsonl_lines.line("command", {"command_text": "id"})] * 30))
    (found,) = as_json(decnet.run("sources", "detect", file, "--lines", "7", "--json"))
    assert (found["lines"], found["whole_file"], found["events"]) == (7, False, {"command": 7})


def test_detect_goes_on_after_a_file_that_nobody_reads(decnet: CommandLine) -> None:
    known = write(decnet, "log", *EVERY_EVENT)
    unknown = write(decnet, "notes.txt", b"Nov 23 10:00:00 host sshd[1]: Accepted")
    result = decnet.run("sources", "detect", "missing.json", unknown, write(decnet, "empty"), known)
    assert result.returncode == 1
    for part in ("no such file", "plain text or CSV", "is empty", "cowrie.'"):
        assert part in result.stdout


def test_detect_reads_packed_files_and_standard_input(decnet: CommandLine) -> None:
    packed = decnet.folder / "log.gz"
    packed.write_bytes(gzip.compress(b"\n".join(opencanary_lines.EVERY_LOGTYPE)))
    text = "\n".join(raw.decode() for raw in jsonl_lines.EVERY_KIND)
    found = as_json(decnet.run("sources", "detect", str(packed), "-", "--json", stdin=text))
    assert [each["adapter"] for each in found] == ["opencanary", "jsonl"]


def test_attacker_text_reaches_the_terminal_escaped(decnet: CommandLine) -> None:
    known = write(decnet, f"{HOSTILE}log", jsonl_lines.line(HOSTILE, {}), jsonl_lines.EVERY_KIND[0])
    unknown = write(decnet, f"{HOSTILE}other", json.dumps({HOSTILE: 1}).encode())
    for arguments in (["sources", "detect", known, unknown], ["sources", "detect", known, unknown, "--json"]):
        result = decnet.run(*arguments)
        assert result.returncode == 1
        assert not set(result.stdout + result.stderr) & set("\x1b\x07\u202e")


def test_detect_stores_nothing(decnet: CommandLine) -> None:
    decnet.run("sources", "detect", write(decnet, "log", *EVERY_EVENT))
    assert not (decnet.folder / "data").exists()
