"""Each record of Cowrie 3.1 becomes what docs/reference/cowrie.md says, and no record can do harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decnet.models.event import (
    AuthPayload,
    CommandPayload,
    FilePayload,
    FingerprintPayload,
    IntelPayload,
    Payload,
    ScanPayload,
    SessionPayload,
)
from decnet.models.text import original_text
from decnet.sources.base import Reason, Refusal
from decnet.sources.cowrie_events import MAPPINGS
from tests.sources.cowrie_lines import EVERY_EVENT, event, events, line, refusal, source

SHA256 = "31de71cafc0af07cda3079f7bf07dfbef05bd736e4eaffd2aecbd66414103a94"


@pytest.mark.parametrize("raw", EVERY_EVENT, ids=lambda raw: json.loads(raw)["eventid"])
def test_every_event_id_gives_the_kinds_of_the_table(raw: bytes) -> None:
    mapping = MAPPINGS[json.loads(raw)["eventid"]]
    adapter = source()
    assert tuple(found.source_kind for found in events(raw, adapter)) == mapping.kinds
    assert bool(adapter.notes) == (not mapping.kinds)


@pytest.mark.parametrize(
    ("eventid", "fields", "payload"),
    [
        ("session.connect", {}, SessionPayload("started", dst_ip="192.0.2.10", dst_port=2222)),
        ("session.closed", {"duration_ms": 1500}, SessionPayload("ended", duration_ms=1500)),
        ("session.params", {"arch": "linux-x64-lsb"}, SessionPayload("params", text="linux-x64-lsb")),
        ("log.closed", {"ttylog": "t", "size": 9}, SessionPayload("log_closed", text="t", size_bytes=9)),
        ("login.success", {"username": "root", "password": "x"}, AuthPayload("root", success=True, secret="HMAC(x)")),
        ("login.failed", {"username": "root", "password": ""}, AuthPayload("root", success=False, secret="HMAC()")),
        ("login.success", {"username": "root"}, AuthPayload("root", success=True)),
        (
            "login.failed",
            {"username": "root", "fingerprint": "01:71", "type": "ssh-rsa", "key": "ssh-rsa AAAA"},
            AuthPayload("root", success=False, method="publickey", key_fingerprint="01:71", key_type="ssh-rsa"),
        ),
        ("command.input", {"input": "uname -a; id"}, CommandPayload("uname -a; id")),
        ("command.input", {"input": "x=1", "realm": "perl"}, CommandPayload("x=1", "perl", stdin=True)),
        ("session.input", {"input": "a", "realm": "cat"}, CommandPayload("a", "cat", stdin=True)),
        ("command.failed", {"input": "enable "}, SessionPayload("command_failed", text="enable ")),
        ("command.success", {"input": "ps"}, SessionPayload("command_success", text="ps")),
        (
            "command.chpasswd",
            {"realm": "chpasswd", "username": "ubuntu"},
            CommandPayload("chpasswd", "chpasswd", account="ubuntu"),
        ),
        ("client.version", {"version": "SSH-2.0-Go"}, FingerprintPayload("ssh_client_version", "SSH-2.0-Go")),
        ("client.kex", {"hassh": "c7", "hasshAlgorithms": "a;b"}, FingerprintPayload("hassh", "c7", "a;b")),
        ("client.size", {"width": 80, "height": 24}, FingerprintPayload("terminal_size", "80x24")),
        ("client.var", {"name": "LANG", "value": "C"}, FingerprintPayload("client_var", "LANG=C")),
        (
            "client.malformed_packet",
            {"data": "ffff", "datalen": 900},
            FilePayload("malformed", text="ffff", size_bytes=900),
        ),
        (
            "session.file_download",
            {"url": "http://h/x", "shasum": SHA256},
            FilePayload("downloaded", url="http://h/x", sha256=SHA256),
        ),
        (
            "session.file_download",
            {"destfile": "/root/.ssh/authorized_keys", "shasum": SHA256},
            FilePayload("captured", destination="/root/.ssh/authorized_keys", sha256=SHA256),
        ),
        (
            "session.file_download.failed",
            {"url": "ftp://h/x", "error": "refused"},
            FilePayload("failed", url="ftp://h/x", text="refused"),
        ),
        (
            "session.file_upload",
            {"filename": "i.sh", "destfile": "/tmp/i.sh", "url": "/tmp/i.sh", "shasum": SHA256},
            FilePayload("uploaded", filename="i.sh", destination="/tmp/i.sh", sha256=SHA256),
        ),
        (
            "direct-tcpip.request",
            {"dst_ip": "mail.example.org", "dst_port": 4294967295},
            SessionPayload("forward_request", dst_ip="mail.example.org", dst_port=4294967295),
        ),
        (
            "direct-tcpip.redirect",
            {"new_ip": "192.0.2.9", "new_port": 25},
            SessionPayload("forward_redirect", text="192.0.2.9:25", dst_ip="192.0.2.10", dst_port=2222),
        ),
        ("direct-tcpip.ja4", {"ja4": "t13d"}, FingerprintPayload("ja4", "t13d", "192.0.2.10:2222")),
        ("tunnelproxy-tcpip.data", {"data": "b'x'"}, FilePayload("sent", text="b'x'")),
        ("telnet.option", {"command": "DO", "option_name": "ECHO"}, FingerprintPayload("telnet_option", "DO ECHO")),
        ("telnet.error", {"error": "Stumped"}, ScanPayload("telnet_protocol_error", "Stumped")),
        (
            "telnet.exploit_attempt",
            {"cve": "CVE-2026-24061", "name": "USER", "value": "-f root"},
            FilePayload("sent", text="CVE-2026-24061 USER=-f root"),
        ),
        (
            "virustotal.scanfile",
            {"sha256": SHA256, "positives": 3, "total": 60, "is_new": "false"},
            IntelPayload("virustotal", SHA256, "malicious", 3, 60),
        ),
        ("virustotal.scanurl", {"url": "http://h", "is_new": "true"}, IntelPayload("virustotal", "http://h", "new")),
        ("reversedns.connect", {"ptr": "a.example"}, IntelPayload("reversedns", "198.51.100.14", "a.example")),
        ("urlhaus.submitted", {"url": "http://h", "result": "ok"}, IntelPayload("urlhaus", "http://h", "ok")),
        (
            "greynoise.result",
            {"message": "GreyNoise: 1.2.3.4 belongs to a benign service or provider. The owner is X."},
            IntelPayload("greynoise", "198.51.100.14", "benign"),
        ),
        (
            "greynoise.result",
            {"message": "GreyNoise classification is malicious and its owner classification is benign"},
            IntelPayload("greynoise", "198.51.100.14", "malicious"),
        ),
    ],
)
def test_record_becomes_this_payload(eventid: str, fields: dict[str, Any], payload: Payload) -> None:
    assert event(line(f"cowrie.{eventid}", **fields)).payload == payload


def test_offered_key_is_a_fingerprint_and_its_login_the_only_attempt() -> None:
    key = {"username": "root", "fingerprint": "01:71", "type": "ssh-rsa"}
    assert event(line("cowrie.client.fingerprint", **key)).payload == FingerprintPayload(
        "ssh_public_key", "01:71", "ssh-rsa"
    )
    assert event(line("cowrie.login.failed", **key)).payload == AuthPayload(
        "root", success=False, method="publickey", key_fingerprint="01:71", key_type="ssh-rsa"
    )


def test_event_carries_time_place_and_session_of_the_record() -> None:
    found = event(line("cowrie.session.connect"))
    assert (found.observed_at, found.src_ip, found.src_port) == (1_795_397_778_612_765, "198.51.100.14", 44163)
    assert (found.sensor, found.decky_id, found.protocol) == ("decoy-ssh-01", "decoy-ssh-01", "ssh")
    assert found.native_session == "78e25f00256e"


def test_operators_sensor_name_wins() -> None:
    found = event(line("cowrie.session.connect"), source(sensor="dmz-1"))
    assert (found.sensor, found.decky_id) == ("dmz-1", "dmz-1")
    assert found.session_id != event(line("cowrie.session.connect")).session_id


def test_mapped_address_is_its_ipv4_address() -> None:
    assert event(line("cowrie.session.connect", src_ip="::ffff:198.51.100.14")).src_ip == "198.51.100.14"


# --- identity


@pytest.mark.parametrize("raw", EVERY_EVENT, ids=lambda raw: json.loads(raw)["eventid"])
def test_same_line_has_the_same_ids_wherever_it_stands(raw: bytes) -> None:
    spaced = json.dumps(dict(reversed(json.loads(raw).items())), indent=1).replace("\n", " ").encode()
    ids = [[found.id for found in events(text, number=number)] for text, number in ((raw, 1), (raw, 900), (spaced, 5))]
    assert ids[0] == ids[1] == ids[2]


def test_id_of_a_login_depends_on_the_password_and_not_on_its_digest() -> None:
    first, second = (line("cowrie.login.failed", username="root", password=text) for text in ("a", "b"))
    assert event(first).id != event(second).id


def test_source_address_and_ports_are_no_part_of_the_id() -> None:
    ids = {event(line("cowrie.session.connect", src_ip=ip, src_port=port)).id for ip, port in (("::1", 1), ("::2", 2))}
    assert len(ids) == 1


# --- spoofing


@pytest.mark.parametrize(
    ("eventid", "fields"),
    [
        ("login.failed", {"username": "203.0.113.66", "password": "203.0.113.66"}),
        ("command.input", {"input": '{"src_ip":"203.0.113.66"} src_ip=203.0.113.66'}),
        ("direct-tcpip.request", {"dst_ip": "203.0.113.66", "orig_ip": "203.0.113.66", "IP": "203.0.113.66"}),
        ("direct-tcpip.data", {"dst_ip": "203.0.113.66", "data": "X-Forwarded-For: 203.0.113.66"}),
        ("client.version", {"version": "SSH-2.0-203.0.113.66"}),
        ("session.file_download", {"url": "http://203.0.113.66/"}),
    ],
)
@pytest.mark.parametrize("src_ip", ["198.51.100.14", None])
def test_no_text_of_the_attacker_becomes_the_source_address(
    eventid: str, fields: dict[str, Any], src_ip: str | None
) -> None:
    adapter = source()
    events(line("cowrie.session.connect"), adapter)
    for found in events(line(f"cowrie.{eventid}", **{**fields, "src_ip": src_ip}), adapter):
        assert found.src_ip == "198.51.100.14"


def test_forwarding_target_is_not_learnt_as_the_address_of_its_session() -> None:
    adapter = source()
    refusal(line("cowrie.direct-tcpip.request", "src_ip", dst_ip="203.0.113.66"), adapter)
    assert refusal(line("cowrie.command.input", "src_ip", input="id"), adapter).reason == Reason.NO_ADDRESS


# --- secrets


def test_no_password_is_in_any_event() -> None:
    secret = "Br4nd-new-Secret"
    for raw in (
        line("cowrie.login.success", username="root", password=secret),
        line("cowrie.command.success", input=secret, realm="passwd"),
        line("cowrie.command.input", input=f"root:{secret}", realm="chpasswd"),
        line("cowrie.telnet.exploit_success", username="root", original_username="x", attempted_command=secret),
    ):
        kept = repr(event(raw).payload).replace(f"HMAC({secret})", "")
        assert secret not in kept


def test_message_is_not_kept() -> None:
    assert "unescaped" not in repr(event(line("cowrie.command.input", input="id", message="unescaped")))


# --- bad input


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (line("cowrie.session.connect")[:-40], Reason.TRUNCATED),
        (line("cowrie.session.connect")[:-1], Reason.TRUNCATED),
        (b"Nov 23 sshd[1]: Accepted", Reason.NOT_JSON),
        (b"\x89PNG\r\n\x1a\n\x00\xff", Reason.NOT_JSON),
        (line("cowrie.session.connect").decode().encode("utf-16"), Reason.NOT_JSON),
        (b"[" * 200_000, Reason.NOT_JSON),
        (b'{"eventid":' + b"[" * 200_000, Reason.NOT_JSON),
        (b'{"src_port":' + b"9" * 10_000 + b', "a":"\\udcff"}', Reason.NOT_JSON),
        (b"[1]", Reason.NOT_OBJECT),
        (b'"cowrie.session.connect"', Reason.NOT_OBJECT),
        (b"null", Reason.NOT_OBJECT),
        (b"{}", Reason.NO_EVENT_ID),
        (line("cowrie.session.invented"), Reason.UNKNOWN_EVENT_ID),
        (line("cowrie.session.connect", "timestamp"), Reason.NO_TIME),
        (line("cowrie.session.connect", timestamp="yesterday"), Reason.NO_TIME),
        (line("cowrie.session.connect", timestamp="2026-13-99T99:99:99.000000Z"), Reason.NO_TIME),
        (line("cowrie.session.connect", "session"), Reason.NO_SESSION),
        (line("cowrie.session.connect", session="s" * 500), Reason.NAME_TOO_LONG),
        (line("cowrie.session.connect", sensor="s" * 500), Reason.NAME_TOO_LONG),
        (line("cowrie.session.connect", "src_ip"), Reason.NO_ADDRESS),
        (line("cowrie.session.connect", src_ip="attacker.example"), Reason.BAD_ADDRESS),
    ],
)
def test_line_without_an_event_is_refused_with_its_reason(raw: bytes, reason: Reason) -> None:
    found = refusal(raw)
    assert (found.reason, found.file, found.line) == (reason, "cowrie.json", 7)


def test_refusal_quotes_the_attacker_short_and_escaped() -> None:
    found = refusal(line("cowrie.\x1b[2J\u202e" + "x" * 5000))
    assert str(found).startswith("cowrie.json:7: unknown event id: 'cowrie.\\x1b[2J\\u202exxx")
    assert str(found).isprintable()
    assert len(str(found)) < 200


@pytest.mark.parametrize("raw", [b"", b"  ", b"\r"])
def test_blank_line_is_no_event_and_no_refusal(raw: bytes) -> None:
    assert events(raw) == []


def test_ignored_event_ids_are_counted() -> None:
    adapter = source()
    for number in (3, 4):
        assert adapter.read(line("cowrie.proxy.ssh"), number) == ()
    assert (note := adapter.notes["ignored cowrie.proxy.ssh"]).count == 2
    assert note.first_line == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [("src_port", [1]), ("src_port", "NaN"), ("width", {"a": 1}), ("dst_ip", ["x"]), ("version", {}), ("size", 10**40)],
)
def test_field_of_a_wrong_type_is_left_out_and_noted(field: str, value: object) -> None:
    adapter = source()
    assert events(line("cowrie.client.version", **{field: value, "late": "\udcff"}), adapter)
    assert list(adapter.notes) == [f"unusable value in '{field}'"]


@pytest.mark.parametrize("number", ["44163", 44163.0])
def test_number_written_as_text_is_read(number: object) -> None:
    adapter = source()
    assert event(line("cowrie.session.connect", src_port=number), adapter).src_port == 44163
    assert not adapter.notes


@pytest.mark.parametrize("port", [-1, 65536, 10**30])
def test_port_that_cannot_be_is_left_out(port: int) -> None:
    assert event(line("cowrie.session.connect", src_port=port)).src_port is None


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        (b'"a\\u0000b"', "a\0b"),
        (b'"a\\udce9b"', "a\udce9b"),
        (b'"a\xe9b"', "a\udce9b"),
        (b'"a\x01b"', "a\x01b"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\u241b0"', "␛0"),
    ],
)
def test_what_is_no_text_is_kept_reversibly(written: bytes, recorded: str) -> None:
    raw = line("cowrie.command.input", input="MARK").replace(b'"MARK"', written)
    payload = event(raw).payload
    assert isinstance(payload, CommandPayload)
    payload.command_text.encode()
    assert "\0" not in payload.command_text
    assert original_text(payload.command_text) == recorded


def test_invalid_bytes_in_an_unread_field_do_no_harm() -> None:
    raw = line("cowrie.greynoise.result", message="MARK").replace(b"MARK", b"classification is \xff malicious")
    assert event(raw).payload == IntelPayload("greynoise", "198.51.100.14")


def test_sessions_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decnet.sources.cowrie._REMEMBERED_SESSIONS", 10)
    adapter = source()
    for number in range(50):
        events(line("cowrie.session.connect", session=f"s{number}"), adapter)
    assert len(adapter._sessions) == 10
    assert event(line("cowrie.session.closed", "src_ip", session="s49"), adapter).src_ip == "198.51.100.14"
    assert refusal(line("cowrie.session.closed", "src_ip", session="s1"), adapter).reason == Reason.NO_ADDRESS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({field for mapping in MAPPINGS.values() for field in mapping.fields})
COMMON = ["session", "src_ip", "timestamp", "sensor", "protocol", "src_port", "system", "epoch", "message"]
RECORDS = st.builds(
    lambda eventid, fields, strange: json.dumps(json.loads(line(eventid, **fields)) | strange).encode(),
    st.sampled_from(sorted(MAPPINGS)),
    st.dictionaries(st.sampled_from([*FIELDS, *COMMON]), JSON, max_size=6),
    st.dictionaries(st.text(max_size=8), JSON, max_size=2),
)


def read_without_raising(raw: bytes) -> None:
    found = source().read(raw, 1)
    if isinstance(found, Refusal):
        assert str(found).isprintable()
    else:
        assert all(len(item.id) == 16 for item in found)


@given(RECORDS)
def test_no_record_raises(raw: bytes) -> None:
    read_without_raising(raw)


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf{}")
@example(b'{"eventid":"cowrie.session.connect","timestamp":1e400}')
def test_no_bytes_raise(raw: bytes) -> None:
    read_without_raising(raw)


@given(st.sampled_from(EVERY_EVENT), st.data())
def test_no_damaged_line_raises(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw) - 1))
    junk = data.draw(st.binary(max_size=4))
    read_without_raising(raw[:at] + junk + raw[at + data.draw(st.integers(0, 4)) :])
