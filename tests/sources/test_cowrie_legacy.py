"""Lines as releases from 2017 on wrote them."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any

import pytest

from decnet.models.event import CommandPayload, FilePayload, FingerprintPayload, SessionPayload
from decnet.sources.base import Reason
from tests.sources.cowrie_lines import event, events, line, refusal, source

ONE_SECOND_PAST = 1_499_422_953_000_000


def legacy(**fields: object) -> bytes:
    """A record of 2017: no protocol, a number as session id, ``system``, ``isError`` and a list in ``message``."""
    record = {
        "eventid": "cowrie.session.connect",
        "system": "CowrieTelnetTransport,3,198.51.100.7",
        "isError": 0,
        "session": 4711,
        "sensor": "old",
        "src_ip": "198.51.100.7",
        "timestamp": "2017-07-07T10:22:33.000000Z",
        "message": ["New connection: ", "198.51.100.7"],
    }
    return json.dumps(record | fields).encode()


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        ({"duration": 12.5}, 12_500),
        ({"duration": "12.5"}, 12_500),
        ({"duration": 12}, 12_000),
        ({"duration_ms": 12_500}, 12_500),
        ({"duration_ms": "12500"}, 12_500),
        ({"duration": "12.5s"}, None),
        ({"duration": -1}, None),
        ({"duration": "nan"}, None),
        ({"duration": "inf"}, None),
        ({"duration": [1]}, None),
        ({}, None),
    ],
)
def test_duration_is_read_in_every_spelling(duration: dict[str, Any], milliseconds: int | None) -> None:
    found = event(line("cowrie.session.closed", **duration))
    assert found.payload == SessionPayload("ended", duration_ms=milliseconds)


@pytest.mark.parametrize(
    "timestamp",
    [
        "2017-07-07T10:22:33.000000Z",
        "2017-07-07T10:22:33Z",
        "2017-07-07T10:22:33",
        "2017-07-07 10:22:33.000000",
        "2017-07-07T12:22:33.000000+0200",
        "2017-07-07T05:52:33.000000-04:30",
        1499422953,
        1499422953.0,
        1499422953000,
        "1499422953",
        1499422953000000,
        1499422953000000000,
    ],
)
def test_time_is_read_in_every_spelling(timestamp: object) -> None:
    assert event(line("cowrie.session.connect", timestamp=timestamp)).observed_at == ONE_SECOND_PAST


def test_time_is_taken_from_epoch_when_there_is_no_timestamp() -> None:
    raw = line("cowrie.session.connect", "timestamp", epoch=1499422953000)
    assert event(raw).observed_at == ONE_SECOND_PAST


def test_record_of_2017_is_read_whole() -> None:
    adapter = source()
    found = event(legacy(), adapter)
    assert (found.native_session, found.protocol, found.observed_at) == ("4711", "telnet", ONE_SECOND_PAST)
    assert not adapter.notes


@pytest.mark.parametrize(
    ("system", "protocol"),
    [
        ("CowrieTelnetTransport,3,198.51.100.7", "telnet"),
        ("SSHService b'ssh-userauth' on HoneyPotSSHTransport,7,198.51.100.7", "ssh"),
        ("cowrie.ssh.factory.CowrieSSHFactory", "ssh"),
        ("-", "ssh"),
    ],
)
def test_protocol_is_derived_when_missing(system: str, protocol: str) -> None:
    assert event(legacy(system=system)).protocol == protocol


def test_protocol_and_address_are_those_of_the_session_when_missing() -> None:
    adapter = source()
    events(line("cowrie.session.connect", protocol="telnet"), adapter)
    found = event(line("cowrie.command.input", "protocol", "src_ip", input="id"), adapter)
    assert (found.protocol, found.src_ip) == ("telnet", "198.51.100.14")


def test_session_of_another_sensor_is_another_session() -> None:
    adapter = source()
    events(line("cowrie.session.connect", sensor="a"), adapter)
    assert refusal(line("cowrie.session.closed", "src_ip", sensor="b"), adapter).reason == Reason.NO_ADDRESS


@pytest.mark.parametrize("version", ["SSH-2.0-libssh2_1.4.3", "b'SSH-2.0-libssh2_1.4.3'", "'SSH-2.0-libssh2_1.4.3'"])
def test_quoted_version_is_the_version(version: str) -> None:
    found = event(line("cowrie.client.version", version=version))
    assert found.payload == FingerprintPayload("ssh_client_version", "SSH-2.0-libssh2_1.4.3")
    assert found.id == event(line("cowrie.client.version", version="SSH-2.0-libssh2_1.4.3")).id


def test_algorithms_beside_the_version_give_a_hassh() -> None:
    raw = line(
        "cowrie.client.version",
        version="b'SSH-2.0-Go'",
        kexAlgs=["b'curve25519-sha256'", "ecdh-sha2-nistp256"],
        keyAlgs=["ssh-rsa"],
        encCS=["aes128-ctr"],
        macCS=["hmac-sha1"],
        compCS=["none"],
    )
    algorithms = "curve25519-sha256,ecdh-sha2-nistp256;aes128-ctr;hmac-sha1;none"
    hassh = md5(algorithms.encode(), usedforsecurity=False).hexdigest()
    version, kex = events(raw)
    assert version.payload == FingerprintPayload("ssh_client_version", "SSH-2.0-Go")
    assert kex.payload == FingerprintPayload("hassh", hassh, algorithms)


@pytest.mark.parametrize("names", ["aes128-ctr", 7, {"a": 1}, None])
def test_algorithms_that_are_no_list_give_no_hassh(names: object) -> None:
    assert len(events(line("cowrie.client.version", version="SSH-2.0-Go", kexAlgs=names))) == 1


@pytest.mark.parametrize(
    ("fields", "payload"),
    [
        ({"url": "/dev/null"}, FilePayload("captured")),
        ({"url": "stdin"}, FilePayload("captured")),
        ({"url": "/tmp/x"}, FilePayload("captured", destination="/tmp/x")),
        ({"url": "http://h/x", "unique": 1}, FilePayload("downloaded", url="http://h/x")),
    ],
)
def test_file_that_the_attacker_wrote_is_captured(fields: dict[str, Any], payload: FilePayload) -> None:
    assert event(line("cowrie.session.file_download", **fields)).payload == payload


def test_abuseipdb_of_older_releases_has_an_address_without_a_session() -> None:
    raw = line("cowrie.abuseipdb.reportedip", "session", "src_ip", IP="198.51.100.9", confidence=80)
    assert event(raw).src_ip == "198.51.100.9"


def test_byte_order_mark_in_front_of_the_file_is_tolerated() -> None:
    assert event(b"\xef\xbb\xbf" + line("cowrie.command.input", input="id")).payload == CommandPayload("id")
