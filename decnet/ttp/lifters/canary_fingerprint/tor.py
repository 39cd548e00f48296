"""Tor Browser, which makes all its users look alike, and by that is told from all other browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.errors import RuleError
from decnet.ttp.lifters.base import parameter
from decnet.ttp.lifters.canary_fingerprint.browser import See, browser_predicate, sight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.canary import CanaryFingerprintPayload
    from decnet.ttp.lifters.base import Joins, Parameters, Predicate, Sight, Tables

_STEP_WIDTH, _STEP_HEIGHT = 200, 100
"""Contents are letterboxed to multiples of these, and the screen is said to be as large (Tor support, letterboxing)."""
_ZONES = frozenset({"UTC", "Etc/UTC", "Atlantic/Reykjavik"})
"""What Firefox says in place of the zone under ``privacy.resistFingerprinting``, before and since version 128."""
_ESR_VERSIONS = frozenset({"60", "68", "78", "91", "102", "115", "128", "140", "153"})
"""Firefox with extended support, on which Tor Browser rests."""
_BUNDLED_FONTS = frozenset(
    {"Arimo", "Cousine", "Tinos", "Noto Sans", "Noto Serif", "Noto Color Emoji", "STIX Two Math", "Twemoji Mozilla"}
)
"""Of the fonts that the page script asks for, those that Tor Browser brings along; it hides the others."""
_LEAST_FONTS = 3


def _letterboxed_screen(browser: CanaryFingerprintPayload) -> bool:
    width, height = browser.window_width, browser.window_height
    if not width or not height or (width, height) != (browser.screen_width, browser.screen_height):
        return False
    return width % _STEP_WIDTH == 0 and height % _STEP_HEIGHT == 0


def _utc_zone(browser: CanaryFingerprintPayload) -> bool:
    return browser.zone_offset_minutes == 0 and browser.time_zone in _ZONES


def _blocked_canvas(browser: CanaryFingerprintPayload) -> bool:
    return browser.canvas_blocked


def _fixed_fonts(browser: CanaryFingerprintPayload) -> bool:
    return len(browser.font_names) >= _LEAST_FONTS and set(browser.font_names) <= _BUNDLED_FONTS


def _firefox_esr(browser: CanaryFingerprintPayload) -> bool:
    return browser.user_agent.rpartition("Firefox/")[2].partition(".")[0] in _ESR_VERSIONS


_SIGNS: Mapping[str, Callable[[CanaryFingerprintPayload], bool]] = {
    "blocked_canvas": _blocked_canvas,
    "firefox_esr": _firefox_esr,
    "fixed_fonts": _fixed_fonts,
    "letterboxed_screen": _letterboxed_screen,
    "utc_zone": _utc_zone,
}


def _tor_browser(parameters: Parameters, _tables: Tables, _joins: Joins) -> See:
    """At least ``signs_gte`` of the ``signs``: each is also that of somebody who values privacy."""
    names, least = parameter(parameters, "signs", list[str]), parameter(parameters, "signs_gte", int)
    if unknown := [name for name in names if name not in _SIGNS]:
        raise RuleError([f"signs: {unknown[0]!r} is none; there are {', '.join(_SIGNS)}"])

    def see(browser: CanaryFingerprintPayload, _source: str) -> Sight | None:
        found = [name for name in names if _SIGNS[name](browser)]
        return sight("tor_browser", " ".join(found)) if len(found) >= least else None

    return see


PREDICATES: Mapping[str, Predicate] = {"canary_tor_browser": browser_predicate(_tor_browser)}
"""Predicates about Tor Browser."""
