"""Each record of OpenCanary becomes what docs/reference/opencanary.md says, and no record can do harm."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.models.event import (
    AUTH_ATTEMPT,
    HTTP_REQUEST,
    SESSION,
    AuthPayload,
    CommandPayload,
    FilePayload,
    FingerprintPayload,
    HttpPayload,
    Payload,
    ScanPayload,
    SessionPayload,
)
from decnet.models.text import original_text
from decnet.sources.base import Reason, Refusal
from decnet.sources.opencanary_events import MAPPINGS
from tests.sources.json_values import JSON_VALUES
from tests.sources.opencanary_lines import EVERY_LOGTYPE, event, events, line, refusal, source


def attempt(username: str, password: str = "") -> AuthPayload:
    return AuthPayload(username, success=False, secret=f"HMAC({password})")


@pytest.mark.parametrize("raw", EVERY_LOGTYPE, ids=lambda raw: str(json.loads(raw)["logtype"]))
def test_every_sample_is_read_as_the_table_says(raw: bytes) -> None:
    record = json.loads(raw)
    mapping = MAPPINGS[record["logtype"]]
    adapter = source()
    kinds = {found.source_kind for found in events(raw, adapter)}
    assert kinds <= {*mapping.kinds, *([SESSION] if record.get("honeycred") else [])}
    assert bool(kinds) == bool(mapping.kinds)
    assert list(adapter.notes) == ([] if mapping.kinds else [f"ignored {mapping.name}"])


@pytest.mark.parametrize(
    ("logtype", "logdata", "payload"),
    [
        (2000, {"USERNAME": "root", "PASSWORD": "x"}, attempt("root", "x")),
        (2001, {}, SessionPayload("login_begun")),
        (
            3003,
            {"HOSTNAME": "h", "PATH": "/", "USERAGENT": "zgrab"},
            HttpPayload("", "/", host="h", user_agent="zgrab"),
        ),
        (3002, {"PATH": "/index.html/x.php", "REQUEST_TYPE": "PUT"}, HttpPayload("PUT", "/index.html/x.php")),
        (4000, {"SESSION": "7"}, SessionPayload("started", dst_ip="192.0.2.10", dst_port=21)),
        (4001, {"REMOTEVERSION": "SSH-2.0-Go"}, FingerprintPayload("ssh_client_version", "SSH-2.0-Go")),
        (6001, {"ERROR": "limit"}, ScanPayload("telnet_protocol_error", "limit")),
        (7001, {"USERNAME": "Invalid auth-token submitted", "PASSWORD": ""}, attempt("")),
        (8001, {"USERNAME": "root", "PASSWORD": "9fc7"}, AuthPayload("root", success=False)),
        (9002, {"USERNAME": "sa", "DOMAINNAME": "CORP"}, attempt("CORP\\sa")),
        (10001, {"FILENAME": "router-confg", "OPCODE": "READ"}, SessionPayload("file_read", "router-confg")),
        (10001, {"FILENAME": "x", "OPCODE": "WRITE"}, SessionPayload("file_write", "x")),
        (12001, {"VNC Password": "123456", "VNC Client Response": "00"}, attempt("", "123456")),
        (12001, {"VNC Password": "<Password was not in the common list>"}, attempt("")),
        (14001, {"USERNAME": None}, SessionPayload("data_received")),
        (16001, {"REPO": "a.git", "HOST": "h"}, SessionPayload("git_clone", "h a.git")),
        (17001, {"CMD": "FLUSHALL", "ARGS": ""}, CommandPayload("FLUSHALL", "redis", stdin=True)),
        (18005, {"DATA": "GET /"}, FilePayload("sent", text="GET /")),
        (15001, {"HEADERS": {"cseq": ["1 REGISTER"]}}, ScanPayload("sip_register")),
        (15001, {"HEADERS": {"cseq": ["1 \x1b[2J"]}}, ScanPayload("sip_request")),
        (20001, {"action": "mongodb.disconnect"}, SessionPayload("ended")),
        (99004, {"USERNAME": "u", "PASSWORD": "p"}, attempt("u", "p")),
        (99004, {"something": ["else"]}, SessionPayload("user_module")),
    ],
)
def test_record_becomes_this_payload(logtype: int, logdata: dict[str, Any], payload: Payload) -> None:
    assert event(line(logtype, logdata)).payload == payload


def test_login_page_gives_the_request_and_the_attempt() -> None:
    form = {"PATH": "/index.html", "USERAGENT": "<not supplied>", "USERNAME": "admin", "PASSWORD": "x"}
    request, login = events(line(3001, form))
    assert (request.source_kind, request.payload) == (HTTP_REQUEST, HttpPayload("POST", "/index.html"))
    assert (login.source_kind, login.payload) == (AUTH_ATTEMPT, attempt("admin", "x"))


def test_post_without_a_form_is_no_attempt() -> None:
    form = {"PATH": "/index.html", "USERNAME": "<not supplied>", "PASSWORD": "<not supplied>"}
    assert event(line(3001, form)).source_kind == HTTP_REQUEST


def test_planted_login_is_told_beside_the_attempt() -> None:
    login, planted = events(line(2000, {"USERNAME": "backup", "PASSWORD": "x"}, honeycred=True))
    assert (login.payload, planted.payload) == (attempt("backup", "x"), SessionPayload("honeycred", "backup"))


@pytest.mark.parametrize(
    ("action", "status", "told"),
    [
        ("pread_send", "ok", "file_read"),
        ("pwrite", "ok", "file_write"),
        ("openat", "ok", "file_open"),
        ("pread", "fail (Permission denied)", "file_denied"),
    ],
)
def test_access_to_a_share_tells_what_was_done(action: str, status: str, told: str) -> None:
    logdata = {"AUDITACTION": action, "STATUS": status, "SHARENAME": "s", "FILENAME": "f", "USER": "anonymous"}
    access, client = events(line(5000, logdata, src_port="-1", dst_port=445))
    assert access.payload == SessionPayload(told, "s/f")
    assert client.payload == FingerprintPayload("smb_client", "", "anonymous")
    assert access.src_port is None


@pytest.mark.parametrize(
    ("logtype", "signature"),
    [(5001, "port_syn"), (5002, "nmap_os"), (5003, "nmap_null"), (5004, "nmap_xmas"), (5005, "nmap_fin")],
)
def test_probe_tells_the_port_that_was_probed(logtype: int, signature: str) -> None:
    found = event(line(logtype, {"PROTO": "TCP"}, src_port="61000", dst_port="3389"))
    assert (found.payload, found.src_port) == (ScanPayload(signature, "3389/tcp"), 61000)


def test_event_carries_time_and_place_of_the_record() -> None:
    found = event(line(2000, {"USERNAME": "u"}))
    assert (found.observed_at, found.src_ip, found.src_port) == (1_795_397_778_612_765, "198.51.100.14", 40222)
    assert (found.sensor, found.decky_id, found.protocol) == ("decoy-1", "decoy-1", "ftp")


def test_old_records_have_their_time_in_local_time_alone() -> None:
    old = event(line(2000, {}, "utc_time", "local_time_adjusted"))
    assert old.observed_at == 1_795_397_778_612_760


def test_operators_sensor_name_wins() -> None:
    found = event(line(4000), source(sensor="dmz-1"))
    assert (found.sensor, found.decky_id) == ("dmz-1", "dmz-1")
    assert found.session_id != event(line(4000)).session_id


def test_mapped_address_is_its_ipv4_address() -> None:
    mapped = event(line(4000, src_host="::ffff:198.51.100.14", dst_host="::ffff:192.0.2.10"))
    plain = event(line(4000))
    assert (mapped.src_ip, mapped.id, mapped.session_id) == (plain.src_ip, plain.id, plain.session_id)


# --- sessions


def at(time: str) -> dict[str, str]:
    return {"utc_time": f"2026-11-23 {time}.000000"}


def test_one_connection_is_one_session_and_others_are_not() -> None:
    adapter = source()
    begun = event(line(4000, dst_port=22, **at("01:00:00")), adapter)
    login = event(line(4002, {"USERNAME": "root"}, dst_port=22, **at("01:00:05")), adapter)
    assert begun.session_id == login.session_id
    for other in (
        {"src_port": 40223},
        {"src_host": "198.51.100.15"},
        {"dst_port": 2222},
        {"dst_host": "192.0.2.11"},
        {"node_id": "decoy-2"},
        at("03:00:05"),
    ):
        raw = line(4002, {"USERNAME": "root"}, **{"dst_port": 22, **at("01:00:05"), **other})
        assert event(raw, adapter).session_id != begun.session_id


def test_services_of_one_port_are_sessions_of_their_own() -> None:
    adapter = source()
    assert event(line(4000), adapter).session_id != event(line(6002), adapter).session_id


def test_connection_goes_on_beyond_the_hour_and_the_day() -> None:
    adapter = source()
    times = ("22:59:00", "23:30:00", "23:59:59")
    ids = {event(line(17001, {"CMD": "PING"}, **at(time)), adapter).session_id for time in times}
    ids.add(event(line(17001, {"CMD": "PING"}, utc_time="2026-11-24 00:20:00.000000"), adapter).session_id)
    assert len(ids) == 1


def test_session_is_the_same_for_a_reader_that_starts_in_its_middle() -> None:
    first, second = (line(17001, {"CMD": "PING"}, **at(time)) for time in ("01:10:00", "01:40:00"))
    adapter = source()
    events(first, adapter)
    assert event(second, adapter).session_id == event(second).session_id


def test_event_id_does_not_depend_on_where_reading_began() -> None:
    adapter = source()
    raw = line(17001, {"CMD": "PING"}, **at("02:01:00"))
    events(line(17001, {"CMD": "PING"}, **at("01:59:00")), adapter)
    late = event(raw, adapter)
    assert late.session_id != event(raw).session_id
    assert late.id == event(raw).id


def test_probes_of_an_hour_are_one_session_whatever_their_ports() -> None:
    adapter = source()
    found = [event(line(5001, {"PROTO": "TCP"}, src_port=str(p), dst_port=str(p)), adapter) for p in range(20, 30)]
    assert len({each.session_id for each in found}) == 1
    assert len({each.id for each in found}) == len(found)


def test_connections_that_are_remembered_are_few() -> None:
    adapter = source()
    for port in range(9_000):
        adapter.read(line(4000, src_port=port), port)
    assert len(adapter._connections._open) == 8_192


# --- identity


@pytest.mark.parametrize("raw", EVERY_LOGTYPE, ids=lambda raw: str(json.loads(raw)["logtype"]))
def test_same_line_has_the_same_ids_wherever_it_stands(raw: bytes) -> None:
    spaced = json.dumps(dict(reversed(json.loads(raw).items())), indent=1).replace("\n", " ").encode()
    ids = [[found.id for found in events(text, number=number)] for text, number in ((raw, 1), (raw, 900), (spaced, 5))]
    assert ids[0] == ids[1] == ids[2]


def test_ids_stay_what_they_were() -> None:
    ids = b"".join(found.id for raw in EVERY_LOGTYPE for found in events(raw))
    assert blake2b(ids, digest_size=8).hexdigest() == "dc414d40c8378e9f"


def test_samples_have_different_ids() -> None:
    ids = [found.id for raw in EVERY_LOGTYPE for found in events(raw)]
    assert len(set(ids)) == len(ids)


def test_id_of_a_login_depends_on_the_password_and_not_on_its_digest() -> None:
    first, second = (line(8001, {"USERNAME": "root", "PASSWORD": text}) for text in ("aa", "bb"))
    assert event(first).payload == event(second).payload
    assert event(first).id != event(second).id


@pytest.mark.parametrize("end", [{"src_host": "198.51.100.15"}, {"src_port": 1}, {"dst_host": "192.0.2.11"}])
def test_another_attackers_record_of_the_same_moment_has_another_id(end: dict[str, Any]) -> None:
    assert event(line(4000, **end)).id != event(line(4000)).id


# --- spoofing and secrets


@pytest.mark.parametrize(
    ("logtype", "logdata"),
    [
        (2000, {"USERNAME": "203.0.113.66", "PASSWORD": '{"src_host":"203.0.113.66"}'}),
        (3000, {"PATH": "/?src_host=203.0.113.66", "HOSTNAME": "203.0.113.66", "USERAGENT": "203.0.113.66"}),
        (15001, {"HEADERS": {"via": ["SIP/2.0/UDP 203.0.113.66"], "src_host": ["203.0.113.66"]}}),
        (17001, {"CMD": "SLAVEOF", "ARGS": "203.0.113.66 6379", "src_host": "203.0.113.66"}),
        (19001, {"response": "203.0.113.66", "query_hostname": "203.0.113.66"}),
    ],
)
def test_no_text_of_the_attacker_becomes_the_source_address(logtype: int, logdata: dict[str, Any]) -> None:
    for found in events(line(logtype, logdata)):
        assert found.src_ip == "198.51.100.14"


SECRET = "Br4nd-new-Secret"


@pytest.mark.parametrize(
    ("logtype", "logdata"),
    [
        *((logtype, {"USERNAME": "u", "PASSWORD": SECRET}) for logtype in (2000, 3001, 4002, 6001, 7001, 8001, 99001)),
        (7001, {"USERNAME": f"TlRMTVNTUA{SECRET}", "PASSWORD": ""}),
        (9001, {"UserName": "sa", "Password": SECRET, "AppName": "x"}),
        (12001, {"VNC Password": SECRET}),
        (13001, {"REQUESTS": ["1.3"], "COMMUNITY_STRING": SECRET}),
        (17001, {"CMD": "AUTH", "ARGS": SECRET}),
        (17001, {"CMD": "auth", "ARGS": f"default {SECRET}"}),
        (17001, {"CMD": "HELLO", "ARGS": f"3 AUTH default {SECRET} SETNAME x"}),
        (17001, {"CMD": "CONFIG SET", "ARGS": f"requirepass {SECRET}"}),
        (17001, {"CMD": "config", "ARGS": f"set maxmemory 1 masterauth {SECRET}"}),
        (17001, {"CMD": "ACL SETUSER", "ARGS": f"u on >{SECRET} ~* +@all"}),
        (17001, {"CMD": "MIGRATE", "ARGS": f"192.0.2.1 6379 k 0 5000 AUTH2 u {SECRET} KEYS k"}),
        (18003, {"DATA": SECRET, "SECRET_STRING": SECRET}),
        (20001, {"action": "mongodb.auth_attempt", "username": "u", "auth_data": SECRET}),
        (20001, {"action": "mongodb.command", "command": "createUser", "query": f"{{'pwd': '{SECRET}'}}"}),
        (20001, {"action": "mongodb.command", "command": "query:a.$cmd", "query": f"{{'saslStart': 1, '{SECRET}'}}"}),
    ],
)
def test_no_secret_is_in_any_event(logtype: int, logdata: dict[str, Any]) -> None:
    for found in events(line(logtype, logdata)):
        kept = repr(found).replace(f"HMAC({SECRET})", "").replace(f"HMAC(TlRMTVNTUA{SECRET})", "")
        assert SECRET not in kept


def test_redis_setting_of_no_secret_is_kept_as_it_was_typed() -> None:
    found = event(line(17001, {"CMD": "CONFIG SET", "ARGS": "dir /root/.ssh"}))
    assert found.payload == CommandPayload("CONFIG SET dir /root/.ssh", "redis", stdin=True)


# --- bad input


@pytest.mark.parametrize(
    ("raw", "reason", "detail"),
    [
        (line(4000)[:-40], Reason.TRUNCATED, ""),
        (b"Nov 23 opencanaryd[1]: started", Reason.NOT_JSON, ""),
        (b'{"logdata":' + b"[" * 200_000, Reason.NOT_JSON, ""),
        (b"[1]", Reason.NOT_OBJECT, ""),
        (b"{}", Reason.NO_EVENT_ID, ""),
        (line("4000x"), Reason.NO_EVENT_ID, ""),
        (line(4711), Reason.UNKNOWN_EVENT_ID, "logtype 4711"),
        (line(4000, {}, "utc_time", "local_time"), Reason.NO_TIME, ""),
        (line(4000, utc_time="yesterday"), Reason.NO_TIME, "yesterday"),
        (line(4000, utc_time="2026-13-99 99:99:99"), Reason.NO_TIME, ""),
        (line(4000, utc_time="9" * 5000), Reason.NO_TIME, ""),
        (line(4000, node_id="s" * 500), Reason.NAME_TOO_LONG, ""),
        (line(4000, src_host="s" * 500), Reason.NAME_TOO_LONG, ""),
        (line(4000, dst_host="s" * 500), Reason.NAME_TOO_LONG, ""),
        (line(4000, src_host=""), Reason.NO_ADDRESS, ""),
        (line(4000, {}, "src_host"), Reason.NO_ADDRESS, ""),
        (line(4000, src_host="attacker.example"), Reason.BAD_ADDRESS, "attacker.example"),
    ],
)
def test_line_without_an_event_is_refused_with_its_reason(raw: bytes, reason: Reason, detail: str) -> None:
    found = refusal(raw)
    assert (found.reason, found.file, found.line) == (reason, "opencanary.log", 7)
    assert detail in found.detail
    assert len(str(found)) < 250


def test_its_own_messages_are_counted_and_give_no_event() -> None:
    adapter = source()
    own = {"src_host": "", "src_port": -1, "dst_host": "", "dst_port": -1}
    assert adapter.read(line(1001, {"msg": {"logdata": "Canary running!!!"}}, **own), 3) == ()
    assert adapter.read(line(1001, "Canary running!!!", **own), 4) == ()
    assert adapter.read(line(None, "Error processing LLMNR response", **own), 5) == ()
    assert {name: (note.count, note.first_line) for name, note in adapter.notes.items()} == {
        "ignored LOG_BASE_MSG": (2, 3),
        "ignored record without a log type": (1, 5),
    }


@pytest.mark.parametrize("raw", [b"", b"  ", b"\r"])
def test_blank_line_is_no_event_and_no_refusal(raw: bytes) -> None:
    assert events(raw) == []


@pytest.mark.parametrize(
    ("logdata", "fields", "noted"),
    [
        ({"USERNAME": ["x"]}, {}, "USERNAME"),
        ({"USERNAME": "x"}, {"src_port": [1]}, "src_port"),
        ({"USERNAME": "x"}, {"honeycred": "yes"}, "honeycred"),
        ({"HEADERS": "x"}, {}, "HEADERS"),
        ({"REQUESTS": {"a": 1}}, {}, "REQUESTS"),
    ],
)
def test_field_of_a_wrong_type_is_left_out_and_noted(logdata: object, fields: dict[str, Any], noted: str) -> None:
    adapter = source()
    assert events(line(2000, logdata, **fields), adapter)
    assert list(adapter.notes) == [f"unusable value in '{noted}'"]


def test_number_as_password_and_log_type_as_text_are_read() -> None:
    assert event(line("2000", {"USERNAME": 1, "PASSWORD": 123456})).payload == attempt("1", "123456")


@pytest.mark.parametrize("port", [-1, "-1", 65536, 10**30, "", "x"])
def test_port_that_cannot_be_is_left_out(port: object) -> None:
    assert event(line(4000, src_port=port)).src_port is None


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        (b'"a\\u0000b"', "a\0b"),
        (b'"a\\udce9b"', "a\udce9b"),
        (b'"a\xe9b"', "a\udce9b"),
        (b'"a\x01b"', "a\x01b"),
        (b'"\\u241b0"', "␛0"),
    ],
)
def test_what_is_no_text_is_kept_reversibly(written: bytes, recorded: str) -> None:
    payload = event(line(2000, {"USERNAME": "MARK"}).replace(b'"MARK"', written)).payload
    assert isinstance(payload, AuthPayload)
    payload.username.encode()
    assert original_text(payload.username) == recorded


@given(
    st.sampled_from(sorted(MAPPINGS)),
    st.dictionaries(
        st.sampled_from(sorted({field for mapping in MAPPINGS.values() for field in mapping.fields})), JSON_VALUES
    )
    | JSON_VALUES,
    st.dictionaries(
        st.sampled_from(["src_host", "src_port", "dst_host", "dst_port", "utc_time", "node_id"]), JSON_VALUES
    ),
)
def test_no_record_raises(logtype: int, logdata: object, fields: dict[str, Any]) -> None:
    found = source().read(line(logtype, logdata, **fields), 1)
    if isinstance(found, Refusal):
        str(found).encode()
        return
    for each in found:
        repr(each).encode()
        assert each.src_port is None or 0 <= each.src_port <= 65_535


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    source().read(raw, 1)
