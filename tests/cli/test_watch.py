"""``decnet ttp watch`` as people run it: a growing log, and rules that change meanwhile."""

from __future__ import annotations

import gzip
import json
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_tag import cowrie_line, rows
from tests.ttp.store.rule_texts import rule_text, save

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import CommandLine

PATIENCE_S = 30
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


class Watch:
    """A running ``decnet ttp watch --json``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def next_with(self, key: str) -> dict[str, Any]:
        """The next line that has ``key``; others are passed over."""
        while key not in (line := self._lines.get(timeout=PATIENCE_S)):
            pass
        return line

    def next_technique(self) -> str:
        """Of the next tag."""
        tag = self.next_with("tag")
        return str(tag["sub_technique_id"] or tag["technique_id"])

    def stop(self) -> dict[str, Any]:
        """End it politely; what it says of its (last) file."""
        self._process.terminate()
        end = self.next_with("file")
        assert self._process.wait(PATIENCE_S) == 0
        return end


@contextmanager
def watching(decnet: CommandLine, *logs: Path) -> Iterator[Watch]:
    command = [sys.executable, "-m", "decnet", "ttp", "watch", "--json", *map(str, logs)]
    process = subprocess.Popen(command, env=decnet.environment, stdout=subprocess.PIPE, text=True)
    with process:
        watch = Watch(process)
        watch.next_with("watching")
        yield watch
        process.kill()


def append(log: Path, *commands: str, first_second: int) -> None:
    with log.open("a") as file:
        for number, command in enumerate(commands):
            file.write(cowrie_line(command, second=first_second + number) + "\n")


def test_new_lines_are_tagged_as_they_come_and_the_end_is_polite(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    append(log, "uname -a", first_second=0)
    with watching(decnet, log) as watch:
        assert watch.next_technique() == "T1082"
        append(log, "cat /etc/shadow", first_second=1)
        assert watch.next_technique() == "T1003.008"
        assert watch.stop()["new_tags"] == 2


def test_a_log_that_is_not_there_yet_is_awaited(decnet: CommandLine) -> None:
    log = decnet.folder / "later.json"
    with watching(decnet, log) as watch:
        append(log, "uname -a", first_second=0)
        assert watch.next_technique() == "T1082"
        watch.stop()


def test_nothing_is_lost_or_read_twice_through_rotation_truncation_and_restarts(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    append(log, "uname -a", first_second=0)
    with watching(decnet, log) as watch:
        watch.next_with("tag")
        log.rename(log.with_name("cowrie.json.1"))
        append(log, "cat /etc/shadow", first_second=1)
        assert watch.next_technique() == "T1003.008"
        log.write_text("")
        append(log, "nproc", first_second=2)
        assert watch.next_technique() == "T1082"
        watch.stop()
    append(log, "cat /etc/gshadow", first_second=3)  # nobody watches, and the log is rotated and packed
    packed = log.with_name("cowrie.json.2026-11-19.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    append(log, "crontab -r", first_second=4)
    with watching(decnet, log) as watch:
        assert watch.next_technique() == "T1003.008"
        watch.next_with("tag")
        watch.stop()
    commands = rows(decnet, "SELECT payload FROM event WHERE source_kind = 'command' ORDER BY observed_at")
    texts = [json.loads(payload)["command_text"] for (payload,) in commands]
    assert texts == ["uname -a", "cat /etc/shadow", "nproc", "cat /etc/gshadow", "crontab -r"]


def test_a_saved_rule_is_in_force_without_a_restart_and_a_disabled_one_comes_back(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    append(log, "uname -a", first_second=0)
    with watching(decnet, log) as watch:
        watch.next_with("tag")
        save(decnet.folder / "data" / "rules", rule_text("R9000", word="frobnicate"))
        assert watch.next_with("rule_version")["rule_id"] == "R9000"
        append(log, "frobnicate now", first_second=1)
        assert watch.next_with("tag")["rule_id"] == "R9000"

        decnet.run("ttp", "rules", "disable", "R9000", "--for", "8s", "--reason", "noisy")
        assert watch.next_with("state")["state"] == "disabled"
        append(log, "frobnicate again", "cat /etc/shadow", first_second=2)
        assert watch.next_technique() == "T1003.008"
        assert watch.next_with("state")["state"] == "enabled"
        append(log, "frobnicate at last", first_second=4)
        assert watch.next_with("tag")["rule_id"] == "R9000"
        assert watch.stop()["new_tags"] == 4


def test_a_disabled_rule_stays_silent_in_a_later_run_too(decnet: CommandLine) -> None:
    log = decnet.folder / "cowrie.json"
    append(log, "cat /etc/shadow", first_second=0)
    assert decnet.run("ttp", "rules", "disable", "R0014").returncode == 0
    result = json.loads(decnet.run("ttp", "tag", str(log), "--json").stdout)
    assert [row["technique_id"] for row in result["techniques"] if row["sub_technique_id"] == "T1003.008"] == []
