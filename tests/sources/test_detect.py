"""The adapter is told by the lines; a log that none reads is refused in words that help."""

from __future__ import annotations

import pytest

from decnet.errors import InputRefused
from decnet.sources.cowrie import CowrieSource
from decnet.sources.detect import SOURCES, detect
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
        ([b'{"logtype": 4002, "src_host": "192.0.2.1"}'], "an OpenCanary log"),
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


def test_adapters_are_registered_under_their_names() -> None:
    assert all(source.name == name for name, source in SOURCES.items())
