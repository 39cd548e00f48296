"""The event format is read as docs/reference/event-format.md says, and no line can do harm."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decnet.models.event import AuthPayload, CommandPayload, FilePayload, HttpPayload, Payload, SessionPayload
from decnet.models.text import original_text
from decnet.sources.base import Reason, Refusal
from decnet.sources.jsonl_record import FIELDS_OF
from tests.sources.json_values import JSON_VALUES
from tests.sources.jsonl_lines import EVERY_KIND, event, line, refusal, source

LOGIN = {"username": "root", "success": False, "password": "x"}
COMMAND = {"command_text": "id"}
US = 1_000_000
MOMENT = 1_795_397_778


@pytest.mark.parametrize("raw", EVERY_KIND, ids=lambda raw: str(json.loads(raw)["source_kind"]))
def test_every_example_of_the_page_is_read_without_a_note(raw: bytes) -> None:
    adapter = source()
    found = event(raw, adapter)
    assert found.source_kind == json.loads(raw)["source_kind"]
    assert not adapter.notes


def test_event_carries_every_field_of_the_line() -> None:
    found = event(line("command", COMMAND))
    assert (found.observed_at, found.src_ip, found.src_port) == (MOMENT * US + 612_765, "198.51.100.14", 40222)
    assert (found.sensor, found.decky_id, found.protocol) == ("dmz-1", "mail-2", "pop3")
    assert (found.native_session, found.source_kind, found.payload) == ("c0ffee", "command", CommandPayload("id"))


@pytest.mark.parametrize(
    ("kind", "payload", "read"),
    [
        ("auth_attempt", LOGIN, AuthPayload("root", success=False, secret="HMAC(x)")),
        ("auth_attempt", {"username": "", "success": True}, AuthPayload("", success=True, secret="HMAC()")),
        (
            "auth_attempt",
            {"username": "u", "success": False, "method": "publickey", "key_fingerprint": "01:71", "key_type": "rsa"},
            AuthPayload(
                "u", success=False, method="publickey", secret="HMAC()", key_fingerprint="01:71", key_type="rsa"
            ),
        ),
        ("payload", {"action": "sent", "size_bytes": 2**63 - 1}, FilePayload("sent", size_bytes=2**63 - 1)),
        ("payload", {"action": "sent", "size_bytes": 2**63}, FilePayload("sent")),
        ("payload", {"action": "sent", "size_bytes": -1}, FilePayload("sent")),
        ("session", {"action": "ended", "duration_ms": "1500"}, SessionPayload("ended", duration_ms=1500)),
        ("command", {"command_text": 5, "stdin": "true"}, CommandPayload("5", stdin=True)),
    ],
)
def test_payload_becomes_that_of_the_event(kind: str, payload: dict[str, Any], read: Payload) -> None:
    assert event(line(kind, payload)).payload == read


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-23T01:36:18Z",
        "2026-11-23T01:36:18",
        "2026-11-23 01:36:18.000000+00:00",
        "2026-11-23T03:36:18+0200",
        MOMENT,
        float(MOMENT),
        str(MOMENT),
        MOMENT * 1_000,
        MOMENT * 1_000_000,
        MOMENT * 1_000_000_000,
    ],
)
def test_time_is_read_in_every_spelling(stamp: object) -> None:
    assert event(line("command", COMMAND, observed_at=stamp)).observed_at == MOMENT * US


def test_operators_sensor_name_wins_and_the_decoy_stays() -> None:
    found = event(line("command", COMMAND), source(sensor="operator"))
    assert (found.sensor, found.decky_id) == ("operator", "mail-2")


def test_line_without_names_is_of_an_unknown_sensor() -> None:
    found = event(line("command", COMMAND, "sensor", "decky_id"))
    assert (found.sensor, found.decky_id) == ("unknown", "unknown")


def test_mapped_address_is_its_ipv4_address() -> None:
    mapped, plain = event(line("command", COMMAND, src_ip="::ffff:198.51.100.14")), event(line("command", COMMAND))
    assert (mapped.src_ip, mapped.id) == (plain.src_ip, plain.id)


# --- sessions


def test_session_without_an_id_is_the_connection() -> None:
    adapter = source()
    others: list[dict[str, object]] = [
        {"src_port": 1},
        {"src_ip": "::1"},
        {"decky_id": "x"},
        {"protocol": "x"},
        {"sensor": "x"},
    ]

    def session(**fields: object) -> bytes:
        return event(line("command", COMMAND, "native_session", **fields), adapter).session_id

    assert session() == session(observed_at="2026-11-23T02:10:00Z")
    assert len({session(), *(session(**other) for other in others)}) == 1 + len(others)


def test_session_without_id_and_port_is_the_hour() -> None:
    adapter = source()
    raw = [
        line("scan", {"signature": "x"}, "native_session", "src_port", observed_at=f"2026-11-23T{time}Z")
        for time in ("01:00:00", "01:59:59", "02:00:00")
    ]
    first, second, third = (event(each, adapter).session_id for each in raw)
    assert first == second != third


def test_number_as_session_is_its_text() -> None:
    assert event(line("command", COMMAND, native_session=17)).native_session == "17"


# --- identity


@pytest.mark.parametrize("raw", EVERY_KIND, ids=lambda raw: str(json.loads(raw)["source_kind"]))
def test_same_line_has_the_same_id_wherever_it_stands(raw: bytes) -> None:
    spaced = json.dumps(dict(reversed(json.loads(raw).items())), indent=1).replace("\n", " ").encode()
    odd = json.dumps(json.loads(raw) | {"unheard of": 1}).encode()
    assert len({event(text, number=number).id for text, number in ((raw, 1), (raw, 900), (spaced, 5), (odd, 6))}) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"observed_at": "2026-11-23T01:36:19Z"},
        {"source_kind": "auth_attempt", "payload": LOGIN | {"password": "y"}},
        {"source_kind": "auth_attempt", "payload": LOGIN | {"success": True}},
        {"source_kind": "auth_attempt", "payload": LOGIN | {"username": "x", "password": "root"}},
        {"src_ip": "198.51.100.15"},
        {"sensor": "x"},
        {"decky_id": "x"},
        {"native_session": "x"},
        {"id": 1},
    ],
)
def test_each_of_the_fields_that_the_page_names_changes_the_id(fields: dict[str, Any]) -> None:
    before, after = line("auth_attempt", LOGIN), json.dumps(json.loads(line("auth_attempt", LOGIN)) | fields).encode()
    assert event(before).id != event(after).id


@pytest.mark.parametrize("fields", [{"src_port": 1}, {"protocol": "imap"}])
def test_port_and_protocol_of_a_numbered_session_are_no_part_of_the_id(fields: dict[str, Any]) -> None:
    assert event(line("command", COMMAND)).id == event(line("command", COMMAND, **fields)).id


def test_defaults_that_are_written_out_change_nothing() -> None:
    spelt = {"command_text": "id", "realm": "", "stdin": False, "account": ""}
    assert event(line("command", COMMAND)) == event(line("command", spelt))


def test_ids_stay_what_they_were() -> None:
    ids = b"".join(event(raw).id for raw in EVERY_KIND)
    assert blake2b(ids, digest_size=8).hexdigest() == "c00fea3ddef55991"


# --- secrets and spoofing

SECRET = "Br4nd-new-Secret"


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("auth_attempt", LOGIN | {"password": SECRET}),
        ("auth_attempt", LOGIN | {"secret": SECRET}),
        ("auth_attempt", LOGIN | {"password_hash": SECRET, "x": {"y": SECRET}}),
        ("command", {"command_text": SECRET, "realm": "passwd", "stdin": True}),
        ("command", {"command_text": f"root:{SECRET}", "realm": "chpasswd", "stdin": True}),
        ("http_request", {"method": "GET", "raw_url": "/", "headers": f"A: b\nAuthorization: Basic {SECRET}"}),
        ("http_request", {"method": "GET", "raw_url": "/", "headers": f"proxy-AUTHORIZATION:  {SECRET}\r"}),
    ],
)
def test_no_secret_is_in_the_event(kind: str, payload: dict[str, Any]) -> None:
    found = event(line(kind, payload))
    assert SECRET not in repr(found).replace(f"HMAC({SECRET})", "")


def test_scheme_of_an_authorization_and_other_headers_stay() -> None:
    headers = "Host: x\nAuthorization: Basic abc\nCookie: a=b"
    payload = event(line("http_request", {"method": "GET", "raw_url": "/", "headers": headers})).payload
    assert payload == HttpPayload("GET", "/", headers="Host: x\nAuthorization: Basic HMAC(abc)\nCookie: a=b")


def test_digest_made_by_somebody_else_is_left_out_and_counted() -> None:
    adapter = source()
    login = {"username": "root", "success": False, "secret": "0" * 32}
    assert event(line("auth_attempt", login), adapter).payload == AuthPayload("root", success=False, secret="HMAC()")
    assert list(adapter.notes) == ["field 'payload.secret' is not read"]


def test_no_text_of_the_attacker_becomes_the_source_address() -> None:
    spoof = "203.0.113.66"
    for kind, payload in (
        ("command", {"command_text": f'{{"src_ip": "{spoof}"}}', "src_ip": spoof}),
        ("auth_attempt", LOGIN | {"username": spoof}),
        ("http_request", {"method": "GET", "raw_url": f"/?src_ip={spoof}", "headers": f"X-Forwarded-For: {spoof}"}),
    ):
        assert event(line(kind, payload)).src_ip == "198.51.100.14"


# --- bad input


@pytest.mark.parametrize(
    ("raw", "reason", "detail"),
    [
        (line("command", COMMAND)[:-9], Reason.TRUNCATED, ""),
        (b"plain", Reason.NOT_JSON, ""),
        (b"[" * 200_000, Reason.NOT_JSON, ""),
        (b"[1]", Reason.NOT_OBJECT, ""),
        (b"{}", Reason.UNKNOWN_VERSION, "'decnet' is missing"),
        (line("command", COMMAND, decnet=2), Reason.UNKNOWN_VERSION, "2"),
        (line("command", COMMAND, decnet=True), Reason.UNKNOWN_VERSION, "True"),
        (line("command", COMMAND, decnet="1"), Reason.UNKNOWN_VERSION, "1"),
        (line("keystroke", COMMAND), Reason.UNKNOWN_KIND, "keystroke"),
        (line(["command"], COMMAND), Reason.UNKNOWN_KIND, ""),
        (line(None, COMMAND), Reason.UNKNOWN_KIND, "'source_kind' is missing"),
        (line("command", None), Reason.BAD_PAYLOAD, "'payload' is no object"),
        (line("command", "id"), Reason.BAD_PAYLOAD, "'payload' is no object"),
        (line("command", {}), Reason.BAD_PAYLOAD, "'command_text' is missing"),
        (line("command", {"command_text": ["id"]}), Reason.BAD_PAYLOAD, "'command_text'"),
        (line("auth_attempt", {"username": "x"}), Reason.BAD_PAYLOAD, "'success'"),
        (line("auth_attempt", {"username": "x", "success": "maybe"}), Reason.BAD_PAYLOAD, "'success'"),
        (line("payload", {"action": "invented"}), Reason.BAD_PAYLOAD, "'action'"),
        (line("command", COMMAND, "observed_at"), Reason.NO_TIME, ""),
        (line("command", COMMAND, observed_at="yesterday"), Reason.NO_TIME, "yesterday"),
        (line("command", COMMAND, observed_at=[1]), Reason.NO_TIME, ""),
        (line("command", COMMAND, observed_at=0), Reason.NO_TIME, ""),
        (line("command", COMMAND, observed_at="9" * 5_000), Reason.NO_TIME, ""),
        (line("command", COMMAND, "src_ip"), Reason.NO_ADDRESS, "src_ip"),
        (line("command", COMMAND, src_ip=["198.51.100.14"]), Reason.BAD_ADDRESS, "src_ip"),
        (line("command", COMMAND, src_ip="attacker.example"), Reason.BAD_ADDRESS, "attacker.example"),
        (line("command", COMMAND, src_ip="1" * 500), Reason.NAME_TOO_LONG, ""),
        (line("command", COMMAND, sensor="s" * 129), Reason.NAME_TOO_LONG, "sss"),
        (line("command", COMMAND, decky_id="s" * 129), Reason.NAME_TOO_LONG, ""),
        (line("command", COMMAND, native_session="s" * 129), Reason.NAME_TOO_LONG, ""),
        (line("command", COMMAND, protocol="p" * 33), Reason.NAME_TOO_LONG, "ppp"),
    ],
)
def test_line_without_an_event_is_refused_with_its_reason(raw: bytes, reason: Reason, detail: str) -> None:
    found = refusal(raw)
    assert (found.reason, found.file, found.line) == (reason, "events.jsonl", 7)
    assert detail in found.detail
    assert str(found).isprintable()
    assert len(str(found)) < 250


@pytest.mark.parametrize("raw", [b"", b"  ", b"\r"])
def test_blank_line_is_no_event_and_no_refusal(raw: bytes) -> None:
    assert source().read(raw, 1) == ()


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        (line("command", COMMAND, src_port=70_000), "unusable value in 'src_port'"),
        (line("command", COMMAND, src_port=-1), "unusable value in 'src_port'"),
        (line("command", COMMAND, protocol=["x"]), "unusable value in 'protocol'"),
        (line("command", COMMAND | {"realm": {}}), "unusable value in 'payload.realm'"),
        (line("session", {"action": "x", "dst_port": "many"}), "unusable value in 'payload.dst_port'"),
        (line("command", COMMAND, **{"\x1b[2J": 1}), "unknown field"),
        (line("command", COMMAND | {"\x1b[2J": 1}), "unknown field in 'payload'"),
    ],
)
def test_what_is_odd_is_left_out_and_counted(raw: bytes, note: str) -> None:
    adapter = source()
    event(raw, adapter)
    assert list(adapter.notes) == [note]


def test_null_is_the_same_as_nothing() -> None:
    adapter = source()
    assert event(line("command", COMMAND | {"realm": None}, src_port=None), adapter).src_port is None
    assert not adapter.notes


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
    payload = event(line("command", {"command_text": "MARK"}).replace(b'"MARK"', written)).payload
    assert isinstance(payload, CommandPayload)
    payload.command_text.encode()
    assert original_text(payload.command_text) == recorded


@settings(suppress_health_check=[HealthCheck.too_slow])  # nested values take their time on a busy machine
@given(
    st.sampled_from(sorted(FIELDS_OF)),
    st.dictionaries(
        st.sampled_from(sorted({name for fields in FIELDS_OF.values() for name in fields.__struct_fields__})),
        JSON_VALUES,
    ),
    st.dictionaries(
        st.sampled_from(["observed_at", "src_ip", "src_port", "native_session", "id", "protocol", "decky_id"]),
        JSON_VALUES,
    ),
)
def test_no_record_raises(kind: str, payload: dict[str, Any], fields: dict[str, Any]) -> None:
    found = source().read(line(kind, payload, **fields), 1)
    if isinstance(found, Refusal):
        str(found).encode()
        return
    for each in found:
        repr(each).encode()
        assert each.src_port is None or 0 <= each.src_port <= 65_535


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    source().read(raw, 1)
