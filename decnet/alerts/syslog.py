"""An alert as a line of syslog (RFC 5424), and how lines are told apart on a stream (RFC 6587 3.4.1, RFC 5425 4.3).

::

    <36>1 2026-11-18T12:00:00.000000Z soc1 decnet 411 tag [decnet@32473 technique="T1059.004" …] T1059.004 Unix Shell …

Structured data has what attackers sent, escaped as 6.3.3 asks; the message itself is ASCII and has none of it. 32473 is
the enterprise number that RFC 5612 sets aside for those who have none of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.alerts.alert import evidence_text
from decnet.alerts.text import ascii_line, one_line
from decnet.export.spelling import moment_text
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.alerts.alert import Alert
    from decnet.models.stored_tag import StoredTag

APP_NAME = "decnet"
SD_ID = "decnet@32473"
MAX_EVIDENCE_CHARS = 800
"""With the rest a line stays near the 2,048 bytes that receivers should take (6.1)."""
_MAX_VALUE_CHARS = 255
_MAX_HOST_CHARS = 255
_MAX_SENTENCE_CHARS = 400
_SECURITY, _WARNING = 4, 4
_PRIORITY = 8 * _SECURITY + _WARNING


def syslog_line(alert: Alert, *, host: str, process: int) -> bytes:
    """``alert`` with structured data and a sentence. ``host`` and ``process`` say who sends it."""
    return _framed(alert, host, process, _structured(alert), ascii_line(alert.sentence, _MAX_SENTENCE_CHARS))


def syslog_around(alert: Alert, text: str, *, host: str, process: int) -> bytes:
    """``text``, which is one line, as the message of an alert without structured data."""
    return _framed(alert, host, process, "-", text)


def counted(line: bytes) -> bytes:
    """``line`` as it goes over a stream: its length in bytes before it."""
    return b"%d " % len(line) + line


def escaped_value(text: str, limit: int = _MAX_VALUE_CHARS) -> str:
    r"""``text`` as a PARAM-VALUE (6.3.3): one line, with ``\`` before quotes, backslashes and closing brackets."""
    line = one_line(text, limit)
    return line.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _framed(alert: Alert, host: str, process: int, data: str, message: str) -> bytes:
    at = alert.about.tag.observed_at if alert.about is not None else alert.sent_at
    head = f"<{_PRIORITY}>1 {moment_text(at)} {_header_name(host)} {APP_NAME} {process} {alert.kind}"
    return f"{head} {data} {message}".encode()


def _header_name(name: str) -> str:
    """``name`` as a HOSTNAME: printable ASCII without spaces (6.2.4), ``-`` for none."""
    return "".join(char for char in name if "!" <= char <= "~")[:_MAX_HOST_CHARS] or "-"


def _structured(alert: Alert) -> str:
    values = " ".join(f'{name}="{value}"' for name, value in _values(alert))
    return f"[{SD_ID} {values}]"


def _values(alert: Alert) -> Iterator[tuple[str, str]]:
    yield "delivery", str(alert.id)
    yield "hook", escaped_value(alert.hook)
    if alert.about is not None:
        for name, value in _tag_values(alert.about.tag):
            yield name, escaped_value(value)
        yield "evidence", escaped_value(evidence_text(alert.about.tag), MAX_EVIDENCE_CHARS)
    if alert.suppressed is not None:
        yield "suppressed", str(alert.suppressed.count)


def _tag_values(tag: StoredTag) -> Iterator[tuple[str, str]]:
    yield "tag", uuid_text(tag.uuid)
    yield "technique", tag.attack_id
    yield "tactic", tag.tactic
    yield "release", tag.attack_release
    yield "confidence", f"{tag.confidence:.3f}"
    yield "rule", tag.rule_id
    yield "version", str(tag.rule_version)
    yield "identity", uuid_text(tag.identity_uuid)
    yield "kind", tag.source_kind
    if tag.attacker_uuid is not None:
        yield "attacker", uuid_text(tag.attacker_uuid)
    if tag.session_uuid is not None:
        yield "session", uuid_text(tag.session_uuid)
    for name, value in (("src", tag.address), ("decoy", tag.decoy), ("protocol", tag.protocol)):
        if value:
            yield name, value
