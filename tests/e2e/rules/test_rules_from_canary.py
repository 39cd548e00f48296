"""Rules from requests to the canary decoy, and from a real browser that opens a canary, to stored tags."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from decnet.bus.journal import JournalBus, JournalSettings
from decnet.models.actor import attacker_uuid
from decnet.models.proxies import TrustedProxies
from decnet.models.secret import secret_digest
from decnet.ttp.cases import CASE_JOINS
from decnet.ttp.store.filesystem import FilesystemRuleStore, default_rules_folder
from decnet.workers.serve import Workplace, serve
from tests.canary_lab import KEY, running_canary
from tests.chromium import chromium_at
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.canary_lab import CanaryLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
PATIENCE_S = 60.0
LOOPBACK = "127.0.0.1"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
ANDROID = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
_TAGS = """
SELECT ttp.tactic, ttp.technique_id, ttp.sub_technique_id, tag.confidence, tag.source_kind, tag.evidence, event.payload
FROM tag JOIN ttp ON ttp.id = tag.ttp_id JOIN attacker ON attacker.id = tag.attacker_id
JOIN event ON lower(hex(event.id)) = tag.source_id
WHERE tag.rule_id = :rule AND attacker.uuid = :attacker ORDER BY ttp.technique_id, ttp.sub_technique_id"""
_numbers = count(10)


class Tag(NamedTuple):
    tactic: str
    technique: str
    confidence: float
    kind: str
    evidence: dict[str, str]
    payload: dict[str, Any]


class Visitor:
    """An attacker behind the proxy that stands before the decoy."""

    def __init__(self, lab: CanaryLab, source: str) -> None:
        self.lab = lab
        self.source = source

    def asks(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        return self.lab.ask(path, method, body, X_Forwarded_For=self.source).body

    def opens_page(self, **shows: object) -> None:
        """A browser that shows this opens a shared folder."""
        page = self.asks(self.lab.token("share")).decode()
        place = page.partition('data-to="')[2].partition('"')[0]
        self.asks(f"{place}/0/1", "POST", json.dumps(shows).encode())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CanaryLab]:
    """A decoy, and the workers that tag what it records, with a few networks and exits."""
    folder = tmp_path_factory.mktemp("canary")
    with running_canary(folder, proxies=TrustedProxies([LOOPBACK])) as lab, tagging(lab, folder):
        yield lab


def tagging(lab: CanaryLab, folder: Path) -> Workers:
    bus = JournalBus(lab.database, JournalSettings(poll_s=0.05))
    store = FilesystemRuleStore(default_rules_folder(), None, folder)
    place = Workplace(lab.database, bus, store, secret_digest(KEY), lambda: time.time_ns() // 1_000, joins=CASE_JOINS)
    return Workers(place, bus)


class Workers:
    """``decnet serve`` without an intake: the decoy stores what it records itself."""

    def __init__(self, place: Workplace, bus: JournalBus) -> None:
        self._place = place
        self._bus = bus
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    async def _run(self) -> None:
        try:
            await serve(("attribute", "ttp"), self._place, self._stop)
        finally:
            await self._place.store.aclose()
            await self._bus.close()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()


@pytest.fixture
def visitor(lab: CanaryLab) -> Visitor:
    return Visitor(lab, f"203.0.113.{next(_numbers)}")


@pytest.fixture
def browse(lab: CanaryLab, tmp_path: Path) -> Callable[..., str]:
    """Sends a real browser to bait and waits for what it shows; returns the address that it came from."""

    def opened(path: str, *flags: str) -> str:
        before = len(lab.events("canary_fingerprint", least=0))
        with chromium_at(f"http://{LOOPBACK}:{lab.port}{path}", tmp_path / "profile", *flags):
            assert len(lab.events("canary_fingerprint", least=before + 1)) > before, "the browser showed nothing"
        return LOOPBACK

    return opened


def tags(lab: CanaryLab, rule: str, source: str, least: int = 1) -> list[Tag]:
    """The tags of ``rule`` on the attacker at ``source``, once there are so many."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = [
            Tag(tactic, sub or technique, confidence, kind, json.loads(evidence), json.loads(payload))
            for tactic, technique, sub, confidence, kind, evidence, payload in rows(
                lab.database, _TAGS, rule=rule, attacker=attacker_uuid(source)
            )
        ]
        if len(found) >= least:
            return found
        assert time.monotonic() < deadline, f"waited in vain for {least} tags of {rule}"
        time.sleep(0.05)


def shown(found: list[Tag]) -> list[tuple[str, str, float]]:
    return [(tag.tactic, tag.technique, round(tag.confidence, 4)) for tag in found]


# --- bait


@pytest.mark.rule("R0060")
def test_a_laid_out_key_that_is_used_is_credentials_in_files(visitor: Visitor, lab: CanaryLab) -> None:
    visitor.asks(lab.token("aws_key") + "/v1/?Action=GetCallerIdentity", "POST")
    (tag,) = tags(lab, "R0060", visitor.source)
    assert shown([tag]) == [("TA0006", "T1552.001", 0.9)]
    assert tag.evidence == {"metric": "aws_key", "signature": "used"}
    assert tag.kind == "canary"


@pytest.mark.rule("R0061")
def test_a_document_that_loads_its_picture_was_opened(visitor: Visitor, lab: CanaryLab) -> None:
    visitor.asks(lab.token("document") + "/m")
    (tag,) = tags(lab, "R0061", visitor.source)
    assert shown([tag]) == [("TA0009", "T1005", 0.85)]
    assert tag.evidence == {"metric": "document", "signature": "opened"}


@pytest.mark.rule("R0062")
def test_an_image_that_is_loaded_is_data_from_the_local_system(visitor: Visitor, lab: CanaryLab) -> None:
    visitor.asks(lab.token("image"))
    (tag,) = tags(lab, "R0062", visitor.source)
    assert shown([tag]) == [("TA0009", "T1005", 0.65)]
    assert tag.evidence == {"metric": "image", "signature": "opened"}


@pytest.mark.rule("R0060", "R0061", "R0062")
def test_one_touch_is_of_one_rule(visitor: Visitor, lab: CanaryLab) -> None:
    visitor.asks(lab.token("image"))
    visitor.asks(lab.token("pdf"))
    visitor.asks(lab.token("kubeconfig"))
    visitor.asks(lab.token("api_token") + "/v1/users")
    found = {
        rule: sorted(tag.payload["token_kind"] for tag in tags(lab, rule, visitor.source, least))
        for rule, least in (("R0060", 1), ("R0061", 2), ("R0062", 1))
    }
    assert found == {"R0060": ["api_token"], "R0061": ["document", "pdf"], "R0062": ["image"]}


# --- browsers


@pytest.mark.rule("R0050")
def test_a_real_browser_without_a_head_is_seen_by_its_renderer(lab: CanaryLab, browse: Callable[..., str]) -> None:
    source = browse(lab.token("share"))
    found = tags(lab, "R0050", source, least=2)[:2]
    assert shown(found) == [("TA0002", "T1059", 0.85), ("TA0042", "T1588.002", 0.85)]
    assert found[0].evidence == {"metric": "webgl_renderer", "signature": "headless chromium"}
    assert found[0].payload["webdriver"] is False
    assert found[0].kind == "canary_fingerprint"


@pytest.mark.rule("R0049")
def test_a_real_browser_that_a_program_drives_says_so(lab: CanaryLab, browse: Callable[..., str]) -> None:
    source = browse(lab.token("redirect", f"http://{LOOPBACK}:{lab.port}/there"), "--enable-automation")
    (tag,) = tags(lab, "R0049", source)
    assert shown([tag]) == [("TA0002", "T1059", 0.85)]
    assert tag.evidence == {"metric": "webdriver", "signature": "true"}
    assert "HeadlessChrome" in tag.payload["user_agent"]


@pytest.mark.rule("R0049")
def test_a_driven_browser_is_tagged_over_http_too(visitor: Visitor, lab: CanaryLab) -> None:
    visitor.opens_page(webdriver=True)
    assert shown(tags(lab, "R0049", visitor.source)) == [("TA0002", "T1059", 0.85)]


@pytest.mark.rule("R0051")
def test_an_address_that_webrtc_shows_and_that_is_an_exit_is_a_multi_hop_proxy(
    visitor: Visitor, lab: CanaryLab
) -> None:
    visitor.opens_page(webrtc=["192.168.1.5", "192.0.2.66", "f00.local"])
    found = tags(lab, "R0051", visitor.source, least=2)
    assert shown(found) == [("TA0011", "T1090", 0.85), ("TA0011", "T1090.003", 0.85)]
    assert {tag.evidence["metric"] for tag in found} == {"webrtc_address"}
    assert found[0].evidence["signature"] == "other network"


@pytest.mark.rule("R0052")
def test_a_clock_of_the_other_side_of_the_world_is_a_proxy(visitor: Visitor, lab: CanaryLab) -> None:
    visitor.opens_page(timeZone="Asia/Tokyo", zoneOffsetMinutes=540, languages=["en-US"])
    (tag,) = tags(lab, "R0052", visitor.source)
    assert shown([tag]) == [("TA0011", "T1090", 0.7)]
    assert tag.evidence == {"metric": "time_zone", "signature": "other than the country's"}


@pytest.mark.rule("R0053")
def test_a_linux_that_says_it_is_windows_is_masquerading(visitor: Visitor, lab: CanaryLab) -> None:
    visitor.opens_page(userAgent=WINDOWS, platform="Linux x86_64")
    (tag,) = tags(lab, "R0053", visitor.source)
    assert shown([tag]) == [("TA0005", "T1036", 0.8)]
    assert tag.evidence == {"metric": "platform:user_agent", "signature": "windows on Linux"}


@pytest.mark.rule("R0086")
def test_three_signs_of_tor_browser_are_a_multi_hop_proxy(visitor: Visitor, lab: CanaryLab) -> None:
    agent = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"
    visitor.opens_page(userAgent=agent, timeZone="UTC", zoneOffsetMinutes=0, canvasBlocked=True)
    (tag,) = tags(lab, "R0086", visitor.source)
    assert shown([tag]) == [("TA0011", "T1090.003", 0.85)]
    assert tag.evidence == {"metric": "tor_browser", "signature": "utc_zone blocked_canvas firefox_esr"}


@pytest.mark.rule("R0086")
def test_a_known_exit_is_a_multi_hop_proxy(lab: CanaryLab) -> None:
    visitor = Visitor(lab, "192.0.2.67")
    visitor.opens_page(userAgent=WINDOWS, platform="Win32")
    (tag,) = tags(lab, "R0086", visitor.source)
    assert tag.evidence == {"metric": "source_address", "signature": "vpn"}


@pytest.mark.rule("R0087")
def test_a_phone_with_a_wide_screen_is_masquerading(visitor: Visitor, lab: CanaryLab) -> None:
    visitor.opens_page(userAgent=ANDROID, platform="Linux armv8l", screenWidth=1920, touchPoints=0)
    (tag,) = tags(lab, "R0087", visitor.source)
    assert shown([tag]) == [("TA0005", "T1036", 0.7)]
    assert tag.evidence == {"metric": "screen", "signature": "phone with the screen of a desktop"}


def test_what_a_browser_sent_is_in_no_evidence(visitor: Visitor, lab: CanaryLab) -> None:
    canary = "vibrant-octopus"
    visitor.opens_page(
        webdriver=True,
        userAgent=f"{WINDOWS} {canary}",
        platform=f"Linux {canary}",
        webglRenderer=f"SwiftShader {canary}",
        globals=[f"__webdriver_evaluate{canary}"],
    )
    tags(lab, "R0053", visitor.source)
    assert rows(lab.database, "SELECT count(*) FROM tag WHERE evidence LIKE :canary", canary=f"%{canary}%") == [(0,)]
