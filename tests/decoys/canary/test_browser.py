"""The page script in a real browser."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.canary_lab import a_token, running_canary
from tests.chromium import chromium_at
from tests.require import lacking

if TYPE_CHECKING:
    from pathlib import Path

    from tests.canary_lab import CanaryLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


def test_a_redirect_shows_the_browser_and_then_goes_on(lab: CanaryLab, tmp_path: Path) -> None:
    path = lab.token("redirect", f"http://127.0.0.1:{lab.port}/there?x=1&y=2")
    with chromium_at(f"http://127.0.0.1:{lab.port}{path}", tmp_path / "profile"):
        asked = [event.payload["raw_url"] for event in lab.events("http_request", least=1)]
    (browser,) = lab.events("canary_fingerprint")
    assert "/there?x=1&y=2" in asked
    assert browser.payload["platform"].startswith("Linux")
    assert "SwiftShader" in browser.payload["webgl_renderer"]
    assert all(browser.payload[drawn] for drawn in ("canvas", "webgl", "audio", "languages", "permissions"))
    assert "canvas_blocked" not in browser.payload


def test_a_browser_is_known_again_with_another_profile(lab: CanaryLab, tmp_path: Path) -> None:
    for number, profile in enumerate(("one", "other")):
        with chromium_at(f"http://127.0.0.1:{lab.port}{lab.token('share')}", tmp_path / profile):
            lab.events("fingerprint", least=number + 1)
    one, other = lab.events("fingerprint", least=2)
    assert one.payload == other.payload
    assert one.payload["metric"] == "canary_identity"


def test_a_browser_asks_us_by_stun_and_shows_what_it_learnt(tmp_path: Path) -> None:
    """WebRTC passes over loopback, so the browser comes by another interface of this machine."""
    address = own_address()
    with running_canary(tmp_path, host=address) as lab:
        path = f"/c/{a_token(lab.database, 'share').slug}"
        with chromium_at(f"http://{address}:{lab.port}{path}", tmp_path / "profile"):
            (browser,) = lab.events("canary_fingerprint")
    assert browser.payload["webrtc_addresses"] == [address]


def own_address() -> str:
    """The address from which this machine would speak to others; nothing is sent."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError as error:
            lacking("network", f"only loopback is here: {error}")
        name: str = probe.getsockname()[0]
        return name
