"""Signs that a program drives the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from decnet.ttp.lifters.base import parameter, table_of
from decnet.ttp.lifters.canary_fingerprint.browser import See, browser_predicate, sight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.models.canary import CanaryFingerprintPayload
    from decnet.ttp.lifters.base import Joins, Parameters, Predicate, Sight, Tables


class _Signature(msgspec.Struct, frozen=True):
    field: Literal["globals", "user_agent", "webgl_renderer", "webgl_vendor"]
    pattern: str
    tool: str


class _Signatures(msgspec.Struct, frozen=True):
    rows: tuple[_Signature, ...]


def _webdriver(parameters: Parameters, _tables: Tables, _joins: Joins) -> See:
    """The flag that browsers set under WebDriver (W3C WebDriver, interface NavigatorAutomationInformation)."""
    expected = parameter(parameters, "expected", bool)

    def see(browser: CanaryFingerprintPayload, _source: str) -> Sight | None:
        return sight("webdriver", str(expected).lower()) if browser.webdriver is expected else None

    return see


def _signature(parameters: Parameters, tables: Tables, _joins: Joins) -> See:
    """A pattern of the table stands in its field, letters as given."""
    rows = table_of(tables, parameter(parameters, "table", str), _Signatures).rows

    def see(browser: CanaryFingerprintPayload, _source: str) -> Sight | None:
        for row in rows:
            value = getattr(browser, row.field)
            values = (value,) if isinstance(value, str) else value
            if any(row.pattern in text for text in values):
                return sight(row.field, row.tool)
        return None

    return see


PREDICATES: Mapping[str, Predicate] = {
    "canary_webdriver": browser_predicate(_webdriver),
    "canary_automation_signature": browser_predicate(_signature),
}
"""Predicates about automation."""
