r"""An alert in the Common Event Format of ArcSight, version 0, as the message of a line of syslog.

::

    CEF:0|DECNET|DECNET TTP|0.1|R0015|Unix Shell|9|rt=1795003200000 src=198.51.100.7 cs1Label=technique cs1=T1059.004 …

Escaping is that of the Implementing ArcSight CEF guide: ``\`` and ``|`` in the header, ``\`` and ``=`` in values, where
the ends of lines are spelt ``\n`` and ``\r``.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from decnet import __version__
from decnet.alerts.alert import evidence_text
from decnet.alerts.syslog import MAX_EVIDENCE_CHARS
from decnet.alerts.text import one_line
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.alerts.alert import Alert
    from decnet.models.stored_tag import StoredTag

_MAX_HEADER_CHARS, _MAX_VALUE_CHARS = 512, 1_023
_SUPPRESSED_SEVERITY, _MOST_SEVERE = 3, 10


def cef_line(alert: Alert) -> str:
    """``alert`` as one line."""
    number, name, severity = "decnet", "alerts suppressed", _SUPPRESSED_SEVERITY
    if alert.about is not None:
        tag = alert.about.tag
        number, name, severity = tag.rule_id, alert.about.technique, round(tag.confidence * _MOST_SEVERE)
    head = ("DECNET", "DECNET TTP", __version__, number, name, str(severity))
    values = " ".join(f"{key}={value}" for key, value in _values(alert))
    return f"CEF:0|{'|'.join(map(escaped_head, head))}|{values}"


def escaped_head(text: str) -> str:
    """``text`` as a field of the header."""
    return one_line(text, _MAX_HEADER_CHARS).replace("\\", "\\\\").replace("|", "\\|")


def escaped_value(text: str, limit: int = _MAX_VALUE_CHARS) -> str:
    """``text`` as the value of a key."""
    lines = text.replace("\\", "\\\\").replace("=", "\\=").replace("\r", "\\r").replace("\n", "\\n")
    return one_line(lines, limit) if len(lines) <= limit else one_line(_whole_escapes(lines, limit), limit)


def _whole_escapes(lines: str, limit: int) -> str:
    r"""``lines`` cut so that no ``\`` at the end is left without what it escapes."""
    cut = lines[: limit - 1]
    is_split = (len(cut) - len(cut.rstrip("\\"))) % 2
    return (cut[:-1] if is_split else cut) + "…"


def _values(alert: Alert) -> Iterator[tuple[str, str]]:
    if alert.about is not None:
        yield from _tag_values(alert.about.tag)
    yield "cn1Label", "delivery"
    yield "cn1", str(alert.id)
    if alert.suppressed is not None:
        yield "start", str(alert.suppressed.since // 1_000)
        yield "end", str(alert.suppressed.until // 1_000)
        yield "cnt", str(alert.suppressed.count)
    yield "msg", escaped_value(alert.sentence)


def _tag_values(tag: StoredTag) -> Iterator[tuple[str, str]]:
    yield "rt", str(tag.observed_at // 1_000)
    yield "externalId", uuid_text(tag.uuid)
    yield from _source(tag.address)
    if tag.decoy:
        yield "dvchost", escaped_value(tag.decoy)
    if tag.protocol:
        yield "app", escaped_value(tag.protocol)
    labelled = (
        ("technique", tag.attack_id),
        ("tactic", tag.tactic),
        ("attacker", uuid_text(tag.attacker_uuid) if tag.attacker_uuid is not None else ""),
        ("identity", uuid_text(tag.identity_uuid)),
        ("session", uuid_text(tag.session_uuid) if tag.session_uuid is not None else ""),
    )
    for number, (label, value) in enumerate(labelled, 1):
        if value:
            yield f"cs{number}Label", label
            yield f"cs{number}", escaped_value(value)
    yield "cs6Label", "evidence"
    yield "cs6", escaped_value(evidence_text(tag), MAX_EVIDENCE_CHARS)
    yield "cfp1Label", "confidence"
    yield "cfp1", f"{tag.confidence:.3f}"


def _source(address: str | None) -> Iterator[tuple[str, str]]:
    if address is None:
        return
    if isinstance(ip_address(address), IPv6Address):
        yield "c6a2Label", "Source IPv6 Address"
        yield "c6a2", address
    else:
        yield "src", address
