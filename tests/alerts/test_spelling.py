"""How alerts are spelt, and that attacker text stays within its place in every format."""

from __future__ import annotations

import hashlib
import hmac
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.alerts import cef, syslog, webhook
from decnet.alerts.alert import named
from decnet.alerts.text import ascii_line, one_line
from decnet.attack import catalog
from tests.alerts.alerts_made import HOSTILE, a_suppression, a_tag, an_alert

LINE = re.compile(
    rb"<36>1 (?P<at>\S+) (?P<host>\S+) decnet (?P<process>\d+) (?P<id>\w+) (?P<data>-|\[.*\]) (?P<text>[ -~]*)",
    re.DOTALL,
)


def parameters(data: str) -> dict[str, str]:
    """The parameters of one element of structured data, read strictly by the grammar of RFC 5424 6."""
    assert data.startswith(f"[{syslog.SD_ID} ")
    assert data.endswith("]")
    rest, found = data[len(syslog.SD_ID) + 1 : -1], {}
    while rest:
        match = re.match(r' ([!-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"', rest)
        assert match, rest
        found[match[1]] = re.sub(r"\\([\"\\\]])", r"\1", match[2])
        rest = rest[match.end() :]
    return found


def fields(line: str) -> tuple[list[str], dict[str, str]]:
    """Header and values of a CEF line, read as its guide says."""
    head = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    values: dict[str, str] = {}
    starts = [*re.finditer(r"(?:^| )([A-Za-z0-9]+)=", head[7])]
    for one, following in zip(starts, [*starts[1:], None], strict=True):
        text = head[7][one.end() : following.start() if following else None]
        values[one[1]] = re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), text)
    return head[:7], values


def test_a_webhook_tells_the_tag_with_names_of_attack() -> None:
    told = json.loads(webhook.webhook_body(an_alert()))
    assert (told["id"], told["kind"], told["hook"]) == (7, "tag", "soc")
    tag = told["tag"]
    assert (tag["technique_id"], tag["sub_technique_id"], tag["technique_name"]) == ("T1059", "T1059.004", "Unix Shell")
    assert (tag["tactic"], tag["tactic_name"]) == ("TA0002", "Execution")
    assert tag["url"] == "https://attack.mitre.org/techniques/T1059/004/"
    assert tag["observed"] == "2026-11-18T12:00:00.000000Z"
    assert (tag["address"], tag["evidence"]) == ("198.51.100.7", {"matched": "id"})


def test_a_webhook_tells_how_many_were_held_back() -> None:
    told = json.loads(webhook.webhook_body(a_suppression()))
    assert told["suppressed"]["count"] == 12
    assert "tag" not in told
    assert told["text"].startswith("12 more tags")


def test_hostile_evidence_comes_back_from_json_as_it_was() -> None:
    told = json.loads(webhook.webhook_body(an_alert(a_tag(evidence={"matched": HOSTILE}, source_id=HOSTILE))))
    assert told["tag"]["evidence"]["matched"] == HOSTILE
    assert told["tag"]["source_id"] == HOSTILE


def test_a_signature_is_the_hmac_of_time_dot_body() -> None:
    body = webhook.webhook_body(an_alert())
    headers = webhook.webhook_headers(an_alert(), "whsec_x", body)
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers[webhook.SIGNATURE])
    assert found
    assert int(found[1]) == an_alert().sent_at // 1_000_000
    assert found[2] == hmac.new(b"whsec_x", found[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers[webhook.DELIVERY] == "7"


def test_a_signature_changes_with_secret_time_and_body() -> None:
    made = {
        webhook.signature("a", b"x", at_s=1).partition("v1=")[2],
        webhook.signature("b", b"x", at_s=1).partition("v1=")[2],
        webhook.signature("a", b"x", at_s=2).partition("v1=")[2],
        webhook.signature("a", b"y", at_s=1).partition("v1=")[2],
    }
    assert len(made) == 4


def test_a_secret_is_made_of_key_and_salt() -> None:
    first = webhook.hook_secret(b"k" * 32, b"s" * 32)
    assert first == webhook.hook_secret(b"k" * 32, b"s" * 32)
    assert len({first, webhook.hook_secret(b"l" * 32, b"s" * 32), webhook.hook_secret(b"k" * 32, b"t" * 32)}) == 3
    assert re.fullmatch(r"whsec_[\w-]{43}", first)


def test_a_line_of_syslog_has_header_data_and_a_sentence() -> None:
    line = syslog.syslog_line(an_alert(), host="soc1.example.org", process=411)
    match = LINE.fullmatch(line)
    assert match
    assert match["at"] == b"2026-11-18T12:00:00.000000Z"
    assert (match["host"], match["process"], match["id"]) == (b"soc1.example.org", b"411", b"tag")
    data = parameters(match["data"].decode())
    assert (data["technique"], data["tactic"], data["src"]) == ("T1059.004", "TA0002", "198.51.100.7")
    assert json.loads(data["evidence"]) == {"matched": "id"}
    assert match["text"] == b"T1059.004 Unix Shell (Execution) by 198.51.100.7, rule R0015"


def test_a_line_of_syslog_tells_how_many_were_held_back() -> None:
    match = LINE.fullmatch(syslog.syslog_line(a_suppression(), host="", process=1))
    assert match
    assert (match["host"], match["id"]) == (b"-", b"suppressed")
    assert parameters(match["data"].decode())["suppressed"] == "12"


def test_hostile_text_stays_within_its_parameter() -> None:
    tag = a_tag(evidence={"matched": HOSTILE}, decoy=HOSTILE, protocol=HOSTILE)
    line = syslog.syslog_line(an_alert(tag), host="a b\n]", process=1)
    match = LINE.fullmatch(line)
    assert match
    assert match["host"] == b"ab]"
    data = parameters(match["data"].decode())
    assert data["decoy"] == one_line(HOSTILE, 255)
    assert json.loads(data["evidence"]) == {"matched": HOSTILE}
    assert b"\n" not in line
    assert "\x1b" not in line.decode()


def test_a_line_of_cef_has_seven_fields_and_values() -> None:
    head, values = fields(cef.cef_line(an_alert()))
    assert head[:3] == ["CEF:0", "DECNET", "DECNET TTP"]
    assert head[4:] == ["R0015", "Unix Shell", "9"]
    assert (values["rt"], values["src"], values["cs1"], values["cs2"]) == (
        "1795003200000",
        "198.51.100.7",
        "T1059.004",
        "TA0002",
    )
    assert json.loads(values["cs6"]) == {"matched": "id"}


def test_an_address_of_six_has_its_own_key() -> None:
    _, values = fields(cef.cef_line(an_alert(a_tag(address="2001:db8::7"))))
    assert values["c6a2"] == "2001:db8::7"
    assert "src" not in values


def test_cef_tells_how_many_were_held_back() -> None:
    head, values = fields(cef.cef_line(a_suppression()))
    assert head[5] == "alerts suppressed"
    assert values["cnt"] == "12"


def test_hostile_text_adds_no_field_and_no_value_to_cef() -> None:
    plain_head, plain = fields(cef.cef_line(an_alert(a_tag(decoy="d", protocol="p"))))
    tag = a_tag(evidence={"matched": HOSTILE}, decoy=HOSTILE, protocol=HOSTILE)
    line = cef.cef_line(an_alert(tag))
    head, values = fields(line)
    assert line.isprintable()
    assert head == plain_head
    assert values.keys() == plain.keys()
    assert json.loads(values["cs6"]) == {"matched": HOSTILE}
    assert values["dvchost"].startswith('x" ] y\\ | a=b \r\n<36>1')


@given(st.text(max_size=400))
def test_any_text_is_one_escaped_value(text: str) -> None:
    value = cef.escaped_value(text)
    assert value.isprintable()
    assert not re.search(r"(?<!\\)(?:\\\\)*=", value)
    assert (len(value) - len(value.rstrip("\\"))) % 2 == 0
    element = f'[{syslog.SD_ID} k="{syslog.escaped_value(text, 400)}"]'
    assert parameters(element) == {"k": one_line(text, 400)}
    assert not re.search(r"(?<!\\)(?:\\\\)*\|", cef.escaped_head(text))
    assert all(" " <= char <= "~" for char in ascii_line(text, 400))


@pytest.mark.parametrize("text", ["\\" * 30, "=" * 30, "\n" * 30, "a\\" * 20])
def test_a_value_that_is_cut_ends_with_a_whole_escape(text: str) -> None:
    for limit in range(8, 20):
        value = cef.escaped_value(text, limit)
        kept = value.removesuffix("…")
        assert (len(kept) - len(kept.rstrip("\\"))) % 2 == 0
        assert len(value) <= limit


def test_a_long_alert_stays_within_what_receivers_take() -> None:
    tag = a_tag(evidence={"matched": "A" * 5_000}, decoy="d" * 300)
    assert len(syslog.syslog_line(an_alert(tag), host="h" * 300, process=1)) < 2_500
    assert len(cef.cef_line(an_alert(tag))) < 2_500


def test_a_tag_of_a_release_that_is_not_here_is_told_by_its_ids() -> None:
    about = named(a_tag(attack_release="enterprise-1.0"), catalog.load)
    assert (about.tactic, about.technique, about.url) == ("TA0002", "T1059.004", "")


def test_a_stream_counts_bytes() -> None:
    assert syslog.counted("é".encode()) == b"2 \xc3\xa9"
