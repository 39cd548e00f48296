"""Rules from lines of our own event format to stored tags."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.rules.served import Served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
START = datetime(2026, 11, 18, 12, tzinfo=UTC)
LOG = "events.jsonl"
_numbers = count(1)


class Sender:
    """An attacker at a decoy of its own."""

    def __init__(self, source: str, served: Served) -> None:
        self.source = source
        self._served = served

    def line(self, source_kind: str, payload: dict[str, Any], at: float = 0, *, protocol: str = "ssh") -> bytes:
        """One record, so many seconds after the start."""
        return json.dumps(
            {
                "decnet": 1,
                "observed_at": (START + timedelta(seconds=at)).isoformat(),
                "source_kind": source_kind,
                "src_ip": self.source,
                "sensor": f"own-{self.source}",
                "protocol": protocol,
                "native_session": f"{protocol}-{self.source}",
                "payload": payload,
            }
        ).encode()

    def does(self, *lines: bytes) -> None:
        """The honeypot writes these lines."""
        self._served.log(LOG, lines)


@pytest.fixture
def sender(served: Served) -> Sender:
    return Sender(f"198.19.0.{next(_numbers)}", served)


@pytest.mark.rule("R0030")
def test_a_listed_fingerprint_is_command_and_control(sender: Sender, served: Served) -> None:
    sender.does(
        sender.line("fingerprint", {"metric": "ja3", "value": "6734f37431670b3ab4292b8f60f29984"}, protocol="https")
    )
    tags = served.tags("R0030", sender.source, count=2)
    assert {tag.shown for tag in tags} == {("TA0011", "T1071", 0.85), ("TA0011", "T1071.001", 0.9)}
    assert tags[0].evidence == {"table": "data/c2_fingerprints.yaml", "entry": "trickbot", "metric": "ja3"}


@pytest.mark.rule("R0035")
@pytest.mark.parametrize(
    ("given", "measure"), [({"rows": 4_000}, "rows_read"), ({"size_bytes": 2_000_000}, "bytes_read")]
)
def test_a_database_that_is_read_in_bulk_is_collected(
    given: dict[str, int], measure: str, sender: Sender, served: Served
) -> None:
    reads = [{"action": "read", "text": f"customers {number}", **given} for number in range(3)]
    sender.does(*(sender.line("session", read, at, protocol="mysql") for at, read in enumerate(reads)))
    (tag,) = served.tags("R0035", sender.source)
    assert tag.shown == ("TA0009", "T1213", 0.85)
    assert tag.evidence["measure"] == measure
    assert tag.source_id.endswith(measure)


@pytest.mark.rule("R0063")
def test_a_program_is_known_by_its_bytes_where_its_name_says_nothing(sender: Sender, served: Served) -> None:
    files = [{"action": "captured", "filename": name, "sha256": "b" * 64} for name in ("x1", "x2")]
    sender.does(
        sender.line("payload", {**files[0], "file_type": "jpeg"}, 1),
        sender.line("payload", {**files[1], "file_type": "elf"}, 2),
    )
    served.settle()
    (tag,) = served.tags("R0063", sender.source)
    assert tag.shown == ("TA0011", "T1105", 0.9)
    assert tag.evidence == {"type": "elf", "action": "captured", "sha256": "b" * 64}


@pytest.mark.rule("R0059")
def test_an_address_that_slipped_out_is_a_proxy(sender: Sender, served: Served) -> None:
    sender.does(sender.line("fingerprint", {"metric": "address", "value": "fe80::a00:27ff:fe4e:66a1%eth0"}))
    (tag,) = served.tags("R0059", sender.source)
    assert tag.shown == ("TA0011", "T1090", 0.85)


@pytest.mark.rule("R0088")
def test_a_machine_types_evenly(sender: Sender, served: Served) -> None:
    figures = {"keys": 120, "median_interval_ms": 4.0, "interval_variation": 0.05}
    person = {"keys": 300, "median_interval_ms": 140.0, "interval_variation": 0.8}
    sender.does(
        sender.line("session", {"action": "typed", "keystrokes": person}, 1),
        sender.line("session", {"action": "typed", "keystrokes": figures}, 2),
    )
    served.settle()
    (tag,) = served.tags("R0088", sender.source)
    assert tag.shown == ("TA0002", "T1059", 0.7)
    assert tag.evidence["sign"] == "keystrokes"


SMTP = {
    "R0072": ({"asked": {"RCPT": 20}, "refused": {"RCPT": 18}}, ("TA0007", "T1087", 0.85), "RCPT"),
    "R0073": (
        {
            "asked": {"MAIL": 1, "RCPT": 1},
            "messages": 1,
            "recipients": 1,
            "foreign_sender": True,
            "foreign_recipient": True,
        },
        ("TA0043", "T1595", 0.85),
        "relay_probe",
    ),
    "R0074": (
        {"starttls_offered": True, "starttls_sign": "aborted"},
        ("TA0112", "T1689", 0.7),
        "aborted",
    ),
    "R0075": (
        {
            "messages": 12,
            "recipients": 36,
            "login_ms": 900,
            "deliveries": [[1_000 * number, 3] for number in range(1, 13)],
        },
        ("TA0042", "T1586.002", 0.85),
        "mail_burst",
    ),
}


@pytest.mark.parametrize(
    "rule_id", [pytest.param(rule_id, marks=pytest.mark.rule(rule_id), id=rule_id) for rule_id in SMTP]
)
def test_a_dialogue_with_a_mail_server_shows_what_its_rule_says(rule_id: str, sender: Sender, served: Served) -> None:
    figures, shown, sign = SMTP[rule_id]
    sender.does(sender.line("session", {"action": "ended", "smtp": figures}, 60, protocol="smtp"))
    (tag,) = served.tags(rule_id, sender.source)
    assert tag.shown == shown
    assert tag.evidence["sign"] == sign
