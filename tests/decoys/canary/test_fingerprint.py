from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.decoys.canary.fingerprint import derived
from decnet.models.event import CANARY_FINGERPRINT, packed_event, unpacked_event
from tests.events import an_event

if TYPE_CHECKING:
    from decnet.models.canary import CanaryFingerprintPayload

FIREFOX: dict[str, Any] = {
    "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "platform": "Linux x86_64",
    "languages": ["de-DE", "en"],
    "webdriver": False,
    "screenWidth": 1920,
    "screenHeight": 1080,
    "canvas": "data:image/png;base64,AAAA",
    "canvasBlocked": False,
    "audio": 124.04,
    "webgl": ["16384", "OpenGL ES"],
    "webrtc": ["192.0.2.7", "::ffff:198.51.100.9", "1f4712db.local"],
    "fonts": ["Arimo", "Ubuntu"],
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def shown(**changed: Any) -> CanaryFingerprintPayload:
    found = derived(json.dumps(FIREFOX | changed).encode(), "t")
    assert found is not None
    return found


def test_what_the_script_sends_is_derived() -> None:
    found = shown()
    assert (found.platform, found.languages, found.webdriver, found.screen_width) == (
        "Linux x86_64",
        ("de-DE", "en"),
        False,
        1920,
    )
    assert found.webrtc_addresses == ("192.0.2.7", "198.51.100.9")
    assert all(len(digest) == 32 for digest in (found.canvas, found.audio, found.webgl, found.fonts, found.identity))


@given(st.dictionaries(st.sampled_from([*FIREFOX, "timeZone", "permissions", "globals"]), ANYTHING))
def test_whatever_stands_in_a_field_nothing_breaks_and_it_travels(fields: dict[str, Any]) -> None:
    found = derived(json.dumps(fields).encode(), "t")
    if found is not None:  # Python writes numbers that are no JSON
        event = an_event(CANARY_FINGERPRINT, found)
        assert unpacked_event(packed_event(event)) == event


@given(st.binary(max_size=200))
def test_whatever_is_sent_nothing_breaks(blob: bytes) -> None:
    found = derived(blob, "t")
    assert found is None or found.token == "t"


@pytest.mark.parametrize(
    ("field", "lie"),
    [("webdriver", "false"), ("screenWidth", True), ("languages", "de"), ("userAgent", 7), ("canvas", {"a": 1})],
)
def test_a_field_of_another_type_is_untold_and_hides_no_other(field: str, lie: object) -> None:
    assert shown(**{field: lie}) != shown()
    assert shown(**{field: lie}).platform == FIREFOX["platform"]


def test_long_answers_are_cut() -> None:
    found = shown(userAgent="a" * 100_000, languages=["b" * 1_000] * 1_000)
    assert len(found.user_agent) == 512
    assert len(found.languages) == 64
    assert {len(language) for language in found.languages} == {64}


@pytest.mark.parametrize("changed", [{"userAgent": "Firefox/141.0"}, {"webdriver": True}, {"webrtc": []}])
def test_an_identity_outlives_updates_and_addresses(changed: dict[str, Any]) -> None:
    assert shown(**changed).identity == shown().identity


@pytest.mark.parametrize("changed", [{"canvas": "data:other"}, {"audio": 1.5}, {"screenWidth": 1280}, {"fonts": ["A"]}])
def test_another_machine_is_another_identity(changed: dict[str, Any]) -> None:
    assert shown(**changed).identity != shown().identity


def test_a_canvas_of_noise_does_not_make_another_identity_each_time() -> None:
    noise = [shown(canvas=f"data:{n}", canvasBlocked=True).identity for n in range(2)]
    assert noise[0] == noise[1] != ""


def test_too_little_is_no_identity() -> None:
    assert shown(canvas=None, audio=None, webgl=None).identity == ""
