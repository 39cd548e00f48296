"""Sigma rules in our terms. All of them are written for these tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.attack import catalog
from decnet.errors import RuleError
from decnet.models.event import HTTP_REQUEST, HttpPayload
from decnet.ttp.engine import RuleEngine
from decnet.ttp.sigma.importer import import_folder
from decnet.ttp.store.filesystem import default_rules_folder, load_pack
from tests.events import a_command, an_event

if TYPE_CHECKING:
    from decnet.ttp.sigma.importer import Imported

THREE = Path(__file__).parent / "rules"
RULE = """\
title: A Rule
id: 0b7d7a2f-5a52-4a83-9a4e-6f8d5a0c1b{number:02x}
status: stable
tags: [{tags}]
logsource: {{{source}}}
detection:
{detection}
level: {level}
"""
PROCESS = "product: linux, category: process_creation"
FILE = "product: linux, category: file_event"
AUDITD = "product: linux, service: auditd"
WEB = "category: webserver"


def sigma(
    detection: str, *, source: str = PROCESS, tags: str = "attack.t1105", level: str = "high", number: int = 1
) -> str:
    lines = "\n".join(f"  {line}" for line in detection.split("\n"))
    return RULE.format(number=number, tags=tags, source=source, detection=lines, level=level)


def imported(tmp_path: Path, text: str) -> tuple[Imported, RuleEngine | None]:
    (tmp_path / "sigma").mkdir(exist_ok=True)
    (tmp_path / "sigma" / "rule.yml").write_text(text, "utf-8")
    (result,) = import_folder(tmp_path / "sigma", tmp_path / "own", catalog.load())
    if not result.rule_id:
        return result, None
    load_pack.cache_clear()
    return result, RuleEngine(load_pack(tmp_path / "own"))


def engine_of(tmp_path: Path, text: str) -> RuleEngine:
    result, engine = imported(tmp_path, text)
    assert engine is not None, result.reason
    return engine


@pytest.mark.parametrize(
    ("detection", "hits", "misses"),
    [
        (
            "sel: {Image|endswith: [/wget, /curl]}\ncondition: sel",
            ["wget x", "/usr/bin/curl x", "sudo curl x", 'w"g"et x'],
            ["fetch x", "echo wget x"],
        ),
        ("sel: {Image: /usr/bin/python3}\ncondition: sel", ["python3.11 x", "python x"], ["perl x"]),
        ("sel: {Image|contains: /tmp/}\ncondition: sel", ["/tmp/x", "sh -c /var/tmp/y"], ["ls /tmp/"]),
        (
            "sel: {Image|endswith: /tar, CommandLine|contains: ' -x'}\ncondition: sel",
            ["tar -xzf a", "tar f -x"],
            ["tar -c a", "unzip -x a"],
        ),
        (
            "sel: {CommandLine|contains: 'crontab -r'}\ncondition: sel",
            ["crontab -r", "/usr/bin/crontab -r -u x", "sh -c 'crontab  -r'"],
            ["crontab -l", "crontab; ls -r"],
        ),
        (
            "sel: {CommandLine|contains|all: [' --pool ', ' -u ']}\ncondition: sel",
            ["x -u a --pool b", "x --pool b -u a"],
            ["x --pool b", "x -u a; y --pool b"],
        ),
        (
            "sel: {Image|endswith: /scp}\nfilter: {CommandLine|contains: backup}\ncondition: sel and not filter",
            ["scp a b"],
            ["scp a backup"],
        ),
        (
            "sel: {Image|endswith: [/scp, /rsync]}\nfilter: {Image|endswith: /scp}\ncondition: sel and not filter",
            ["rsync a b"],
            ["scp a b"],
        ),
        ("sel: {CommandLine|re: 'nc\\s+-[a-z]*e'}\ncondition: sel", ["nc -lve sh"], ["nc -l"]),
        ("sel: {CommandLine: 'uname -?'}\ncondition: sel", ["uname -a", "/bin/uname -r"], ["uname -ar", "uname"]),
        ("sel: {ParentImage|endswith: /bash, Image|endswith: /id}\ncondition: sel", ["id"], ["w"]),
        ("sel: {ParentImage|endswith: /sudo, Image|endswith: /id}\ncondition: sel", ["sudo id"], ["id"]),
        ("words: [evil.sh]\ncondition: words", ["./evil.sh", "sh /x/evil.sh"], ["./good.sh"]),
        ("a: {Image|endswith: /aa}\nb: {Image|endswith: /bb}\ncondition: 1 of them", ["aa", "bb"], ["cc"]),
        ("sel: {CommandLine|contains: WGET}\ncondition: sel", ["wget x", "busybox wget x"], ["get x"]),
    ],
)
def test_process_rules_see_what_would_run(tmp_path: Path, detection: str, hits: list[str], misses: list[str]) -> None:
    engine = engine_of(tmp_path, sigma(detection))
    assert [line for line in hits if not engine.tag(a_command(line))] == []
    assert [line for line in misses if engine.tag(a_command(line))] == []


def test_a_file_rule_sees_redirections_and_programs_that_write(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, sigma("sel: {TargetFilename|startswith: /etc/cron.d/}\ncondition: sel", source=FILE))
    assert engine.tag(a_command("echo x > /etc/cron.d/y"))
    assert engine.tag(a_command("cp y /etc/cron.d/y"))
    assert not engine.tag(a_command("cat /etc/cron.d/y"))


def test_an_auditd_rule_sees_program_and_arguments(tmp_path: Path) -> None:
    detection = "sel: {type: EXECVE, a0: chattr, a1|contains: '+i'}\ncondition: sel"
    engine = engine_of(tmp_path, sigma(detection, source=AUDITD))
    assert engine.tag(a_command("chattr +i /x"))
    assert not engine.tag(a_command("lsattr +i /x"))


def test_a_web_rule_sees_requests(tmp_path: Path) -> None:
    detection = "sel: {cs-uri-query|contains: [/a.ini, /b.ini], cs-method: GET}\nfilter: {cs-user-agent: own}\n"
    engine = engine_of(tmp_path, sigma(detection + "condition: sel and not filter", source=WEB))
    assert engine.tag(an_event(HTTP_REQUEST, HttpPayload("GET", "/x/A.INI?y")))
    assert not engine.tag(an_event(HTTP_REQUEST, HttpPayload("POST", "/x/a.ini")))
    assert not engine.tag(an_event(HTTP_REQUEST, HttpPayload("GET", "/x/a.ini", user_agent="own")))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (sigma("sel: {User: root}\ncondition: sel"), "the field User is not known"),
        (
            sigma("sel: {Image: x}\ncondition: sel", source="product: windows, category: process_creation"),
            "about logs of windows",
        ),
        (
            sigma("sel: {Image: x}\ncondition: sel", source="product: linux, category: dns_query"),
            "no event here is like",
        ),
        (sigma("sel: {type: PATH, name: x}\ncondition: sel", source=AUDITD), "another type than EXECVE"),
        (sigma("sel: {sc-status: 200}\ncondition: sel", source=WEB), "the field sc-status is not known"),
        (sigma("sel: {Image: x}\ncondition: sel", tags="attack.execution"), "no technique among its tags"),
        (sigma("sel: {Image: x}\ncondition: sel", tags="attack.t9999"), "T9999"),
        (sigma("sel: {CommandLine|re: '(?!a)b'}\ncondition: sel"), "invalid perl operator"),
        (sigma("sel: {Image: x}\ncondition: not sel"), "no other one named"),
        (sigma("sel: {CommandLine|contains: x}\ncondition: not sel"), "only says what is not there"),
        (sigma("sel: {CommandLine|contains: '*'}\ncondition: sel"), "says nothing"),
        (sigma("sel: {CommandLine|contains|all: [a, b, c, d, e]}\ncondition: sel"), "in any order"),
        (sigma("sel: {CommandLine|cidr: 10.0.0.0/8}\ncondition: sel"), "type CIDRExpression"),
        (sigma("sel: {Image: x}\ncondition: sel").replace("stable", "deprecated"), "its status is deprecated"),
        ("title: [", "cannot be read"),
        ("a: &a [x]\nb: [*a]\n", "Sigma"),
    ],
)
def test_what_cannot_be_said_is_listed_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    result, _ = imported(tmp_path, text)
    assert result.outcome == "not taken"
    assert reason in result.reason


def test_tactics_are_looked_up_and_revoked_techniques_followed(tmp_path: Path) -> None:
    tags = "attack.persistence, attack.t1078, attack.t1562.001"
    result, _ = imported(tmp_path, sigma("sel: {Image: x}\ncondition: sel", tags=tags, level="critical"))
    load_pack.cache_clear()
    (rule,) = load_pack(tmp_path / "own").rules
    emits = [(emit.tactic, emit.technique_id, emit.confidence) for emit in rule.rule.emits]
    assert emits[0] == ("TA0003", "T1078", 0.9)
    assert emits[1][1] == catalog.load().migrate("T1562.001").partition(".")[0]
    assert result.rule_id == rule.rule_id


def test_importing_again_changes_only_what_has_changed(tmp_path: Path) -> None:
    text = sigma("sel: {Image|endswith: /wget}\ncondition: sel")
    first, _ = imported(tmp_path, text)
    again, _ = imported(tmp_path, text)
    changed, _ = imported(tmp_path, text.replace("/wget", "/curl"))
    assert [first.outcome, again.outcome, changed.outcome] == ["new", "unchanged", "changed"]
    assert first.rule_id == changed.rule_id
    load_pack.cache_clear()
    assert load_pack(tmp_path / "own").rules[0].rule.rule_version == 2


def test_the_author_of_a_sigma_rule_is_named(tmp_path: Path) -> None:
    list(import_folder(THREE, tmp_path / "own", catalog.load()))
    load_pack.cache_clear()
    for rule in load_pack(tmp_path / "own").rules:
        assert "by The DECNET TTP authors" in rule.rule.references[0]


def test_three_rules_run_beside_the_shipped_ones(tmp_path: Path) -> None:
    results = list(import_folder(THREE, tmp_path / "own", catalog.load()))
    assert [result.outcome for result in results] == ["new"] * 3
    load_pack.cache_clear()
    engine = RuleEngine(load_pack(default_rules_folder(), tmp_path / "own"))
    ids = {result.title: result.rule_id for result in results}
    assert ids["Kernel Messages Cleared"] in {tag.rule_id for tag in engine.tag(a_command("sudo dmesg --clear"))}
    assert ids["Login Banner Replaced"] in {tag.rule_id for tag in engine.tag(a_command("echo pay >/etc/motd"))}
    request = an_event(HTTP_REQUEST, HttpPayload("GET", "/camera/config.ini"))
    assert ids["Configuration File of a Camera Asked For"] in {tag.rule_id for tag in engine.tag(request)}


def test_a_folder_without_sigma_rules_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no Sigma rules here"):
        list(import_folder(tmp_path, tmp_path / "own", catalog.load()))
