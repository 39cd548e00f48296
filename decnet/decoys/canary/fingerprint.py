"""What a browser sent of itself → what is derived from it. Nothing that it says is believed, everything is bounded."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from decnet.models.actor import canonical_address
from decnet.models.canary import CanaryFingerprintPayload
from decnet.models.text import canonical_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_TEXT = 512
_MAX_ITEM = 64
_MAX_ITEMS = 64
_MAX_NUMBER = 1_000_000
_DIGEST_HEX = 32
_LEAST_TRAITS = 2
"""Drawings and sounds of which an identity needs some: without, it is that of everybody with the same screen."""


def derived(blob: bytes, token: str) -> CanaryFingerprintPayload | None:
    """What the page script's JSON shows; None where ``blob`` is no JSON object.

    A field of another type than the script's counts as untold, so that no lie in one hides the others.
    """
    try:
        sent = msgspec.json.decode(blob)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(sent, dict):
        return None
    fonts = _texts(sent, "fonts")
    found = CanaryFingerprintPayload(
        token=token,
        blob_sha256=sha256(blob).hexdigest(),
        user_agent=_text(sent, "userAgent"),
        platform=_text(sent, "platform"),
        languages=_texts(sent, "languages"),
        webdriver=_flag(sent, "webdriver"),
        screen_width=_whole(sent, "screenWidth"),
        screen_height=_whole(sent, "screenHeight"),
        window_width=_whole(sent, "windowWidth"),
        window_height=_whole(sent, "windowHeight"),
        touch_points=_whole(sent, "touchPoints"),
        time_zone=_text(sent, "timeZone"),
        zone_offset_minutes=_whole(sent, "zoneOffsetMinutes"),
        canvas=_digest(_drawn(sent, "canvas")),
        canvas_blocked=_flag(sent, "canvasBlocked") is True,
        webgl=_digest(_drawn(sent, "webgl")),
        webgl_vendor=_text(sent, "webglVendor"),
        webgl_renderer=_text(sent, "webglRenderer"),
        audio=_digest(_drawn(sent, "audio")),
        fonts=_digest(sorted(fonts)),
        font_names=fonts,
        webrtc_addresses=tuple(sorted(set(_addresses(_texts(sent, "webrtc"))))),
        timer_step_ms=_number(sent, "timerStepMs"),
        permissions=_texts(sent, "permissions"),
        globals=_texts(sent, "globals"),
    )
    return msgspec.structs.replace(found, identity=_identity(found, sent))


def _identity(found: CanaryFingerprintPayload, sent: Mapping[str, Any]) -> str:
    """A digest of what stays when address and browser version change; empty where too little was shown.

    A canvas that gives back noise differs at each look, so it says nothing.
    """
    drawn = ("" if found.canvas_blocked else found.canvas, found.webgl, found.audio, found.fonts)
    if sum(map(bool, drawn)) < _LEAST_TRAITS:
        return ""
    steady = (
        *drawn,
        found.platform,
        found.languages,
        found.screen_width,
        found.screen_height,
        found.touch_points,
        found.time_zone,
        found.webgl_renderer,
        _whole(sent, "cores"),
        _number(sent, "memoryGb"),
        _number(sent, "pixelRatio"),
    )
    return _digest(steady)


def _text(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name)
    return canonical_text(value[:_MAX_TEXT]) if isinstance(value, str) else ""


def _texts(sent: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = sent.get(name)
    if not isinstance(values, list):
        return ()
    return tuple(canonical_text(value[:_MAX_ITEM]) for value in values[:_MAX_ITEMS] if isinstance(value, str) and value)


def _flag(sent: Mapping[str, Any], name: str) -> bool | None:
    value = sent.get(name)
    return value if isinstance(value, bool) else None


def _whole(sent: Mapping[str, Any], name: str) -> int | None:
    number = _number(sent, name)
    return round(number) if number is not None else None


def _number(sent: Mapping[str, Any], name: str) -> float | None:
    value = sent.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _MAX_NUMBER:
        return None
    return float(value)


def _drawn(sent: Mapping[str, Any], name: str) -> object:
    """A text or number, or a list of them; None for anything else, which the script does not send."""
    value = sent.get(name)
    flat = value if isinstance(value, list) else [value]
    return value if all(isinstance(part, str | int | float) for part in flat) else None


def _digest(value: object) -> str:
    """32 hex digits of whatever was drawn, played or found; empty for nothing."""
    return sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:_DIGEST_HEX] if value else ""


def _addresses(texts: tuple[str, ...]) -> Iterator[str]:
    """The addresses among them; a name that hides one (``….local``) is none."""
    for text in texts:
        try:
            yield canonical_address(text)
        except ValueError:
            continue
