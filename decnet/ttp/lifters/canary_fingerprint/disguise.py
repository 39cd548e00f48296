"""A browser that contradicts itself: its platform, its graphics or its screen is not that of its user agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.errors import RuleError
from decnet.ttp.lifters.base import parameter
from decnet.ttp.lifters.canary_fingerprint.browser import See, System, browser_predicate, is_phone, sight, system_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.canary import CanaryFingerprintPayload
    from decnet.ttp.lifters.base import Joins, Parameters, Predicate, Sight, Tables

_LEAST_DESKTOP_PIXELS = 1_000
"""Of the shorter side; the greatest phones have half of it."""
_MOST_PHONE_PIXELS = 1_000
"""Of the longer side; no desktop is shown on less."""

_PLATFORMS: tuple[tuple[str, frozenset[System]], ...] = (
    ("Win", frozenset({"windows"})),
    ("Mac", frozenset({"mac", "ipad"})),  # a tablet of Apple's asks for pages of desktops
    ("iPhone", frozenset({"iphone"})),
    ("iPod", frozenset({"iphone"})),
    ("iPad", frozenset({"ipad"})),
    ("Android", frozenset({"android"})),
    ("Linux", frozenset({"linux", "android", "chromeos"})),
)
"""How ``navigator.platform`` begins → systems whose user agents go with it (HTML, 8.10.1.1; MDN)."""

_RENDERERS: tuple[tuple[str, frozenset[System]], ...] = (
    ("Direct3D", frozenset({"windows"})),
    ("D3D11", frozenset({"windows"})),
    ("Metal", frozenset({"mac", "ipad", "iphone"})),
    ("Apple", frozenset({"mac", "ipad", "iphone"})),
    ("Mali-", frozenset({"android", "chromeos", "linux"})),
    ("Adreno", frozenset({"android", "chromeos", "linux", "windows"})),
    ("Mesa", frozenset({"linux", "chromeos"})),
    ("llvmpipe", frozenset({"linux", "chromeos"})),
)
"""What the name of a WebGL renderer holds → systems that have such graphics."""


def _platform(browser: CanaryFingerprintPayload) -> str:
    """The system that the user agent names, where the platform is of another; else empty."""
    system = system_of(browser.user_agent)
    for start, systems in _PLATFORMS:
        if browser.platform.startswith(start):
            return f"{system} on {start}" if system is not None and system not in systems else ""
    return ""


def _graphics(browser: CanaryFingerprintPayload) -> str:
    system = system_of(browser.user_agent)
    for part, systems in _RENDERERS:
        if part in browser.webgl_renderer:
            return f"{system} with {part}" if system is not None and system not in systems else ""
    return ""


def _screen(browser: CanaryFingerprintPayload) -> str:
    """A phone whose shorter side is a desktop's, or a desktop that is touched and as small as a phone."""
    sides = (browser.screen_width, browser.screen_height)
    if None in sides:
        return ""
    shorter, longer = sorted(side for side in sides if side is not None)
    if is_phone(browser.user_agent):
        return "phone with the screen of a desktop" if shorter >= _LEAST_DESKTOP_PIXELS else ""
    is_desktop = system_of(browser.user_agent) in {"windows", "mac"}
    is_small = 0 < longer < _MOST_PHONE_PIXELS and bool(browser.touch_points)
    return "desktop with the screen of a phone" if is_desktop and is_small else ""


_PAIRS: Mapping[str, Callable[[CanaryFingerprintPayload], str]] = {
    "platform:user_agent": _platform,
    "screen:user_agent": _screen,
    "webgl:user_agent": _graphics,
}


def _conflict(parameters: Parameters, _tables: Tables, _joins: Joins) -> See:
    """At least ``gte`` of the ``pairs`` contradict each other; the first one is the evidence."""
    names, least = parameter(parameters, "pairs", list[str]), parameter(parameters, "gte", int)
    if unknown := [name for name in names if name not in _PAIRS]:
        raise RuleError([f"pairs: {unknown[0]!r} is none; there are {', '.join(_PAIRS)}"])

    def see(browser: CanaryFingerprintPayload, _source: str) -> Sight | None:
        found = [(name, conflict) for name in names if (conflict := _PAIRS[name](browser))]
        return sight(*found[0]) if len(found) >= least else None

    return see


def _mobile_desktop(parameters: Parameters, _tables: Tables, _joins: Joins) -> See:
    """The user agent of a phone, a wide screen, and nothing that can be touched."""
    least_width = parameter(parameters, "width_pixels_gte", int)
    most_touch = parameter(parameters, "touch_points_lte", int)

    def see(browser: CanaryFingerprintPayload, _source: str) -> Sight | None:
        width, touch = browser.screen_width, browser.touch_points
        if width is None or touch is None or width < least_width or touch > most_touch:
            return None
        return sight("screen", "phone with the screen of a desktop") if is_phone(browser.user_agent) else None

    return see


PREDICATES: Mapping[str, Predicate] = {
    "canary_platform_conflict": browser_predicate(_conflict),
    "canary_mobile_desktop": browser_predicate(_mobile_desktop),
}
"""Predicates about disguises."""
