"""The adapter is told by the lines; a log that none reads is refused in words that help."""

from __future__ import annotations

import pytest

from decnet.errors import InputRefused
from decnet.sources.cowrie import CowrieSource
from decnet.sources.detect import DESCRIPTIONS, SOURCES, detect, scores
from decnet.sources.jsonl import JsonlSource
from decnet.sources.opencanary import OpenCanarySource
from tests.sources import jsonl_lines, opencanary_lines
from tests.sources.cowrie_lines import EVERY_EVENT, line


def test_cowrie_is_detected_from_any_of_its_lines() -> None:
    for raw in EVERY_EVENT:
        assert detect([raw], "log") is CowrieSource


def test_cowrie_is_detected_behind_blank_and_damaged_lines() -> None:
    lines = [b'rd":"x"}', b"", b"\x00\x00", line("cowrie.session.connect")]
    assert detect(lines, "log") is CowrieSource


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "log: is empty; can be read: cowrie"),
        ([b"", b"  "], "is empty"),
        ([b"Nov 23 10:00:00 host sshd[1]: Accepted"], "plain text or CSV"),
        ([b'{"logtype": 4002, "message": "x"}'], r"JSON of an unknown kind \(first keys: 'logtype', 'message'\)"),
        ([b'{"decnet": "1", "source_kind": "command"}'], "JSON of an unknown kind"),
        ([b'{"event_type": "alert", "src_ip": "192.0.2.1"}'], "a Suricata EVE log"),
        ([b'{"a": 1, "b\\u001b": 2}'], r"JSON of an unknown kind \(first keys: 'a', 'b\\x1b'\)"),
        ([b'{"a": 1'], "damaged JSON"),
        ([b"{", b'  "eventid": 1', b"}"], "indented JSON"),
        ([b'[{"a": 1}]'], "one JSON array"),
        ([b"\x7fELF\x02\x01\x01\x00\x00\x00"], "binary data"),
        ([line("cowrie.session.connect").decode().encode("utf-16")], "UTF-16"),
        ([line("cowrie.session.connect").decode().encode("utf-16-le")], "UTF-16"),
        ([b"{}"], "JSON of an unknown kind"),
    ],
)
def test_other_logs_are_refused_by_what_they_look_like(lines: list[bytes], said: str) -> None:
    with pytest.raises(InputRefused, match=said):
        detect(lines, "log")


def test_adapters_are_registered_and_described_under_their_names() -> None:
    assert all(source.name == name for name, source in SOURCES.items())
    assert list(DESCRIPTIONS) == list(SOURCES)


def test_opencanary_and_our_own_format_are_detected_from_any_of_their_lines() -> None:
    for raw in opencanary_lines.EVERY_LOGTYPE:
        assert detect([raw], "log") is OpenCanarySource
    for raw in jsonl_lines.EVERY_KIND:
        assert detect([raw], "log") is JsonlSource


def test_no_adapter_takes_a_line_of_another() -> None:
    of = {"cowrie": EVERY_EVENT, "opencanary": opencanary_lines.EVERY_LOGTYPE, "jsonl": jsonl_lines.EVERY_KIND}
    for name, lines in of.items():
        for raw in lines:
            assert scores([raw]) == dict.fromkeys(SOURCES, 0.0) | {name: 1.0}


COWRIE_TEXT = '{"eventid":"cowrie.login.success","session":"x","src_ip":"203.0.113.66"}'
OPENCANARY_TEXT = '{"logtype":4002,"logdata":{},"node_id":"x","src_host":"203.0.113.66"}'
OUR_TEXT = '{"decnet":1,"source_kind":"command","src_ip":"203.0.113.66","payload":{}}'
IMPOSTURES = [
    wrapped
    for text in (COWRIE_TEXT, OPENCANARY_TEXT, OUR_TEXT)
    for wrapped in (text, f'"{text}"', f"}}\n{text}\n{{", f'\\"{text}', text[1:-1], text * 20)
]


@pytest.mark.parametrize("text", IMPOSTURES)
def test_what_an_attacker_types_does_not_choose_the_adapter(text: str) -> None:
    for raw, adapter in (
        (line("cowrie.command.input", input=text), CowrieSource),
        (line("cowrie.login.failed", username=text, password=text), CowrieSource),
        (opencanary_lines.line(2000, {"USERNAME": text, "PASSWORD": text}), OpenCanarySource),
        (opencanary_lines.line(15001, {"HEADERS": {text: [text]}}), OpenCanarySource),
        (jsonl_lines.line("command", {"command_text": text}, protocol="x"), JsonlSource),
    ):
        assert b"\n" not in raw
        assert detect([raw], "log") is adapter


@pytest.mark.parametrize("written", [b'"a\xe9b"', b'"a\x01b"', b'"a\\udce9b"', b'"a\\u0000b"'])
def test_what_is_no_text_does_not_hide_the_adapter(written: bytes) -> None:
    canary = opencanary_lines.line(2000, {"USERNAME": "MARK"}).replace(b'"MARK"', written)
    ours = jsonl_lines.line("command", {"command_text": "MARK"}).replace(b'"MARK"', written)
    assert detect([canary], "log") is OpenCanarySource
    assert detect([ours], "log") is JsonlSource


def test_most_lines_decide_where_lines_are_mixed() -> None:
    cowrie, canary, ours = EVERY_EVENT[0], opencanary_lines.EVERY_LOGTYPE[0], jsonl_lines.EVERY_KIND[0]
    assert detect([cowrie, canary, canary, ours], "log") is OpenCanarySource
    assert detect([ours, ours, canary, cowrie, b"", b"\x00"], "log") is JsonlSource
    assert detect([canary, ours, cowrie, cowrie], "log") is CowrieSource


def test_a_tie_is_decided_the_same_way_in_any_order() -> None:
    first = [EVERY_EVENT[0], opencanary_lines.EVERY_LOGTYPE[0], jsonl_lines.EVERY_KIND[0]]
    assert detect(first, "log") is detect(first[::-1], "log") is detect(first[1:] + first[:1], "log")


@pytest.mark.parametrize(
    "raw", [b"[" * 200_000, b'{"logtype":' + b"[" * 200_000, b'{"decnet":' + b"9" * 5_000, b"\xff" * 99]
)
def test_hostile_first_lines_are_survived(raw: bytes) -> None:
    assert detect([raw, EVERY_EVENT[0], b'{"logtype": {}, "node_id": 1}'], "log") is CowrieSource
