"""Alerts for tests, with what attackers would like to put into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from decnet.alerts.alert import Alert, named, sample_tag
from decnet.attack import catalog
from decnet.models.hook import Suppressed
from tests.events import NOON

if TYPE_CHECKING:
    from decnet.models.stored_tag import StoredTag

HOSTILE = 'x" ] y\\ | a=b \r\n<36>1 - evil CEF:0|no|\x1b[2J\x00\x7f\x85\u2028\u202e\u0007 [sd@1 k="v"] é'


def a_tag(**changes: Any) -> StoredTag:
    """A tag of the release that ships, with ``changes``."""
    tag = structs.replace(
        sample_tag(catalog.load(), now=NOON),
        tactic="TA0002",
        technique_id="T1059",
        sub_technique_id="T1059.004",
        confidence=0.9,
        rule_id="R0015",
        address="198.51.100.7",
        evidence={"matched": "id"},
    )
    return structs.replace(tag, **changes)


def an_alert(tag: StoredTag | None = None) -> Alert:
    return Alert(id=7, kind="tag", hook="soc", sent_at=NOON + 1_500_000, about=named(tag or a_tag(), catalog.load))


def a_suppression() -> Alert:
    return Alert(id=8, kind="suppressed", hook="soc", sent_at=NOON, suppressed=Suppressed(12, NOON, NOON + 60_000_000))
