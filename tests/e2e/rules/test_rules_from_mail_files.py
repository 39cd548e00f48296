"""Rules from files that a mail honeypot kept to stored tags, through the direct mode."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from decnet.db.artifacts import FileArtifacts
from decnet.db.engine import open_database
from decnet.models.actor import attacker_uuid
from decnet.models.network import Network
from decnet.models.secret import secret_digest
from decnet.ttp.lifters.base import Joins
from decnet.ttp.live import LiveRules
from decnet.ttp.store.filesystem import FilesystemRuleStore, default_rules_folder
from decnet.workers.direct import DirectRun
from decnet.workers.mails import StoredBodies, StoredMails
from tests.databases import rows
from tests.e2e.rules.mails import EXAMPLES, FROM, Example
from tests.sources.mail.messages import attachment, message, multipart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
MALWARE = b"\x7fELF and the rest of it"
_TAGS = """
SELECT ttp.tactic, ttp.technique_id, ttp.sub_technique_id, tag.confidence, tag.evidence, tag.source_kind FROM tag
JOIN ttp ON ttp.id = tag.ttp_id JOIN attacker ON attacker.id = tag.attacker_id
WHERE tag.rule_id = :rule AND attacker.uuid = :owner"""


_IDENTITY_TAGS = """
SELECT ttp.tactic, ttp.technique_id, ttp.sub_technique_id, tag.confidence, tag.evidence, tag.source_kind FROM tag
JOIN ttp ON ttp.id = tag.ttp_id JOIN attacker ON attacker.identity_id = tag.identity_id
WHERE tag.attacker_id IS NULL AND tag.rule_id = :rule AND attacker.uuid = :owner"""


class Scanners:
    """Two addresses are a scanner's."""

    def network_of(self, address: str) -> Network | None:
        """See :class:`~decnet.models.network.Networks`."""
        return Network(398_324, "CENSYS", "US") if address.startswith("192.0.2.") else None


class OneFile:
    """One file is known to be malware."""

    def holds(self, digest: bytes) -> bool:
        """See :class:`~decnet.models.intel.KnownDigests`."""
        return digest == sha256(MALWARE).digest()


class Tag(NamedTuple):
    shown: tuple[str, str, float]
    evidence: dict[str, Any]
    kind: str


class Mailbox:
    """Files of messages, tagged in the direct mode; each test has an address of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._database = open_database(f"sqlite:///{folder / 'decnet.sqlite'}")
        artifacts, digest = FileArtifacts(folder / "artifacts"), secret_digest(b"k" * 32)
        bodies = StoredBodies(self._database)
        joins = Joins(
            secrets=digest, networks=Scanners(), known_bad=OneFile(), mails=StoredMails(artifacts), bodies=bodies
        )
        store = FilesystemRuleStore(default_rules_folder(), None, folder)
        rules = LiveRules(asyncio.run(store.load_compiled()), joins=joins)
        self._run = DirectRun(self._database, rules, rules, digest, artifacts=artifacts, bodies=bodies)

    def close(self) -> None:
        self._database.close()

    def tag(self, name: str, content: bytes) -> None:
        """Read a file with this content."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        assert not self._run.read(str(path)).refused

    def finish(self) -> None:
        """All that there is was read."""
        self._run.finish()

    def identity_tags(self, rule: str, source: str) -> list[Tag]:
        found = rows(self._database, _IDENTITY_TAGS, rule=rule, owner=attacker_uuid(source))
        return [
            Tag((tactic, sub or technique, confidence), json.loads(evidence), kind)
            for tactic, technique, sub, confidence, evidence, kind in found
        ]

    def tags(self, rule: str, source: str) -> list[Tag]:
        found = rows(self._database, _TAGS, rule=rule, owner=attacker_uuid(source))
        return [
            Tag((tactic, sub or technique, confidence), json.loads(evidence), kind)
            for tactic, technique, sub, confidence, evidence, kind in found
        ]


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    made = Mailbox(tmp_path_factory.mktemp("mailbox"))
    yield made
    made.close()


def source_of(rule_id: str) -> str:
    """An address for each rule."""
    return f"198.51.100.{int(rule_id[1:])}"


def received(source: str, example: Example, second: int = 0) -> bytes:
    """The message as the honeypot kept it."""
    when = format_datetime(datetime(2026, 11, 23, 1, 36, 18 + second, tzinfo=UTC))
    to = ", ".join(f"user{number}@r.example" for number in range(example.recipients))
    top = (
        f"Return-Path: <{example.sender}>\r\nDelivered-To: {to}\r\n"
        f"Received: from pc.example (pc.example [{source}]) by mx.decoy.example with ESMTP id 4F{second}; {when}\r\n"
    )
    return top.encode() + example.content


def mbox(*messages: bytes) -> bytes:
    line = b"From bounce@x.example Mon Nov 23 01:36:18 2026\n"
    return b"".join(line + each.replace(b"\r\n", b"\n") + b"\n\n" for each in messages)


@pytest.mark.parametrize(
    "rule_id", [pytest.param(rule_id, marks=pytest.mark.rule(rule_id), id=rule_id) for rule_id in EXAMPLES]
)
def test_a_message_in_an_mbox_shows_what_its_rule_says(rule_id: str, mailbox: Mailbox) -> None:
    example, source = EXAMPLES[rule_id], source_of(rule_id)
    mailbox.tag(f"{rule_id}.mbox", mbox(*(received(source, example, number) for number in range(example.times))))
    tags = mailbox.tags(rule_id, source)
    assert {tag.shown for tag in tags} == example.shown
    assert len(tags) == len(example.shown)
    for tag in tags:
        assert tag.kind == example.kind
        assert example.evidence.items() <= tag.evidence.items()


@pytest.mark.rule("R0081")
def test_hops_in_networks_of_scanners_are_a_relay_chain(mailbox: Mailbox) -> None:
    hops = [f"Received: from h{n}.example (h{n} [192.0.2.{n}]) by h; Mon, 23 Nov 2026 01:00:00 +0000" for n in (1, 2)]
    mailbox.tag("hops.eml", received(source_of("R0081"), Example(message(*hops, FROM), set(), "", {})))
    (tag,) = mailbox.tags("R0081", source_of("R0081"))
    assert tag.shown == ("TA0011", "T1090", 0.7)
    assert tag.evidence["counts"] == {"hops": 3, "listed_hops": 2}
    assert tag.kind == "email_header"


@pytest.mark.rule("R0046")
def test_a_file_that_is_known_to_be_malware_is_a_capability_that_was_obtained(mailbox: Mailbox) -> None:
    content = multipart(attachment("x", MALWARE), headers=(FROM,))
    mailbox.tag("new/1.malware", received("198.51.100.99", Example(content, set(), "", {})))
    (mailbox.folder / "cur").mkdir()
    assert not mailbox._run.read(str(mailbox.folder)).refused
    shown = {tag.shown for tag in mailbox.tags("R0046", "198.51.100.99")}
    assert ("TA0042", "T1588.001", 0.9) in shown
    assert {tag.evidence["digests"][0] for tag in mailbox.tags("R0046", "198.51.100.99")} == {
        sha256(MALWARE).hexdigest()
    }


@pytest.mark.rule("R0085")
def test_one_text_from_two_identities_is_a_tag_of_each(mailbox: Mailbox) -> None:
    sources = ("203.0.113.85", "203.0.113.86")
    letter = Example(message(FROM, body="You have won, dear customer of our bank.\r\n"), set(), "", {})
    for number, source in enumerate(sources):
        mailbox.tag(f"shared{number}.eml", received(source, letter, number))
    mailbox.finish()
    for source in sources:
        (tag,) = mailbox.identity_tags("R0085", source)
        assert tag.shown == ("TA0042", "T1583.006", 0.85)
        assert tag.kind == "identity_rollup"
        assert tag.evidence["threshold"] == {"identities_gte": 2}
