"""``lock.json``: which content each version of each rule had.

The id of a tag is made of the rule's version, and a tag that is there is not written again: a rule that changes without
a new version would leave old tags standing as if they were its own. The lock makes that visible.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from decnet.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from decnet.models.rule import Rule

LOCK_NAME = "lock.json"
MEANING = frozenset({"applies_to", "phase", "match", "emits", "attack_release", "maturity"})
"""What of a rule decides about tags; words for people may change without a new version."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A version of a rule and the digest of what it meant."""

    version: int
    sha256: str


def content_digest(rule: Rule) -> str:
    """A digest of what ``rule`` tags, whatever its spelling, comments and descriptions."""
    meaning = rule.model_dump(mode="json", by_alias=True, include=set(MEANING), exclude_defaults=True)
    return sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def lock_fault(rule: Rule, lock: Mapping[str, Locked]) -> str | None:
    """What is wrong with the version of ``rule`` and the way out, or None."""
    known = lock.get(rule.rule_id)
    if known is None:
        return "not in lock.json yet; 'decnet ttp rules lint --update-lock' adds it"
    if rule.rule_version < known.version:
        return f"rule_version {rule.rule_version} is lower than {known.version} in lock.json; versions only go up"
    if known.sha256 == content_digest(rule):
        return None if rule.rule_version == known.version else _unlocked(rule, known)
    if rule.rule_version == known.version:
        return f"the rule changed, and rule_version is still {known.version}; raise it to {known.version + 1}"
    return _unlocked(rule, known)


def _unlocked(rule: Rule, known: Locked) -> str:
    return (
        f"rule_version {rule.rule_version} is not in lock.json, which has {known.version}; "
        "'decnet ttp rules lint --update-lock' takes it in"
    )


def updated_lock(rules: Iterable[Rule], lock: Mapping[str, Locked]) -> dict[str, Locked]:
    """``lock`` with new rules and raised versions; a rule that changed under its old version stays as it was locked.

    Rules that are gone stay too: whoever uses the id again goes on with higher versions.
    """
    raised = {
        rule.rule_id: Locked(rule.rule_version, content_digest(rule))
        for rule in rules
        if (known := lock.get(rule.rule_id)) is None or rule.rule_version > known.version
    }
    return dict(sorted(({**lock, **raised}).items()))


def read_lock(path: Path) -> dict[str, Locked]:
    """What ``path`` holds; empty where there is no such file.

    :raises RuleError: it cannot be read, or is no lock.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Locked])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise RuleError([f"{path}:1: {error}; restore the file from version control"]) from None


def write_lock(path: Path, lock: Mapping[str, Locked]) -> None:
    """Write ``lock``, one line per rule, always the same for the same rules."""
    lines = (f"  {json.dumps(rule_id)}: {msgspec.json.encode(lock[rule_id]).decode()}" for rule_id in sorted(lock))
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
