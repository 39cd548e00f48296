"""Bait over HTTP: what is served, what becomes an event, and whose it is."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import msgspec
import pytest

from decnet.bus.topics import CANARY_TRIGGERED
from decnet.db.canaries import revoke_token
from decnet.decoys.canary.posts import POSTS_PER_MINUTE
from decnet.errors import SettingsError
from decnet.models.announcement import CanaryTriggered
from decnet.models.artifact import Digest
from decnet.models.canary import TOKEN_KINDS, token_of
from decnet.models.proxies import TrustedProxies
from decnet.models.secret import secret_digest
from tests.canary_lab import KEY, everything, running_canary
from tests.databases import rows
from tests.events import NOON

if TYPE_CHECKING:
    from pathlib import Path

    from decnet.models.canary import TokenKind
    from tests.canary_lab import CanaryLab

BROWSER = {"userAgent": "Mozilla/5.0 (X11; Linux x86_64)", "webdriver": True, "canvas": "data:x", "audio": 12.5}
ELSEWHERE = "203.0.113.9"


def slug_of(path: str) -> str:
    return path.rpartition("/")[2]


def posting_place(lab: CanaryLab, path: str, source: str = "") -> str:
    """Where the page at ``path`` posts to."""
    page = lab.ask(path, X_Forwarded_For=source).body.decode()
    return page.partition('data-to="')[2].partition('"')[0]


def test_a_request_that_is_no_token_is_an_event_with_what_was_sent(lab: CanaryLab) -> None:
    lab.ask("/index.php?id=1%27", "POST", b"a=b", User_Agent="sqlmap/1.8", X_Odd="yes")
    (event,) = lab.events("http_request")
    assert event.payload["method"] == "POST"
    assert event.payload["raw_url"] == "/index.php?id=1%27"
    assert event.payload["user_agent"] == "sqlmap/1.8"
    assert "X-Odd: yes" in event.payload["headers"].split("\n")
    assert event.payload["body"] == "a=b"
    assert event.source == "127.0.0.1"


def test_credentials_in_headers_are_kept_as_digests(lab: CanaryLab) -> None:
    secret = base64.b64encode(b"admin:hunter2").decode()
    lab.ask("/", Authorization=f"Basic {secret}")
    (event,) = lab.events("http_request")
    assert secret not in json.dumps(event.payload)
    assert f"Authorization: Basic {secret_digest(KEY)(secret)}" in event.payload["headers"].split("\n")


def test_a_visit_is_a_session_with_a_start_and_an_end(lab: CanaryLab) -> None:
    lab.ask("/")
    events = lab.events("session", "http_request", least=3)
    assert [(event.kind, event.payload.get("action")) for event in events] == [
        ("session", "started"),
        ("http_request", None),
        ("session", "ended"),
    ]
    assert len({event.session for event in events}) == 1


def test_a_session_that_is_open_at_the_end_is_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as later:
        with running_canary(tmp_path) as lab:
            client = later.enter_context(lab.connected())
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 404"
        assert everything(client).endswith(b"</html>\r\n")
    with closing(sqlite3.connect(tmp_path / "decnet.sqlite")) as stored:
        assert stored.execute("SELECT count(*) FROM session WHERE ended_at IS NOT NULL").fetchall() == [(1,)]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("kind", "below", "method", "told", "trigger"),
    [
        ("document", "", "GET", "document", "downloaded"),
        ("document", "/m", "GET", "document", "opened"),
        ("pdf", "/m", "GET", "pdf", "opened"),
        ("image", "", "GET", "image", "opened"),
        ("image", "/logo.gif", "HEAD", "image", "opened"),
        ("redirect", "", "GET", "redirect", "opened"),
        ("share", "", "GET", "share", "opened"),
        ("aws_key", "", "GET", "document", "downloaded"),
        ("aws_key", "/v1/bucket", "PUT", "aws_key", "used"),
        ("aws_key", "", "POST", "aws_key", "used"),
        ("api_token", "/v1/users?page=2", "GET", "api_token", "used"),
        ("kubeconfig", "/v1/api/v1/pods", "GET", "kubeconfig", "used"),
    ],
)
def test_a_touched_token_says_how(
    lab: CanaryLab, kind: TokenKind, below: str, method: str, told: str, trigger: str
) -> None:
    path = lab.token(kind, "https://example.org/")
    lab.ask(path + below, method, User_Agent="curl/8")
    (event,) = lab.events("canary")
    expected = {"token": token_of(slug_of(path)), "token_kind": told, "trigger": trigger, "method": method}
    assert event.payload == expected | {"user_agent": "curl/8"} | ({"detail": below} if below else {})


def test_a_key_file_that_is_asked_for_with_a_credential_is_used(lab: CanaryLab) -> None:
    lab.ask(lab.token("api_token"), Authorization="Bearer x")
    (event,) = lab.events("canary")
    assert event.payload["trigger"] == "used"


def test_every_kind_of_token_answers_like_what_it_seems_to_be(lab: CanaryLab) -> None:
    replies = {kind: lab.ask(lab.token(kind, "https://example.org/")) for kind in TOKEN_KINDS}
    types = {kind: reply.headers["Content-Type"].partition(";")[0] for kind, reply in replies.items()}
    assert {reply.status for reply in replies.values()} == {200}
    assert types == {
        "api_token": "text/plain",
        "aws_key": "text/plain",
        "document": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "image": "image/gif",
        "kubeconfig": "application/yaml",
        "pdf": "application/pdf",
        "redirect": "text/html",
        "share": "text/html",
    }


def test_a_touched_token_is_announced_on_its_topic_once(lab: CanaryLab) -> None:
    path = lab.token("image")
    lab.ask(path)
    lab.events("session", least=2)
    name = CANARY_TRIGGERED.name(token=token_of(slug_of(path)))
    ((body,),) = rows(lab.database, "SELECT body FROM outbox WHERE topic = :name", name=name)
    (item,) = msgspec.msgpack.decode(body, type=tuple[bytes, ...])
    told = msgspec.msgpack.decode(item, type=CanaryTriggered)
    assert (told.token, told.token_kind, told.trigger) == (token_of(slug_of(path)), "image", "opened")
    assert rows(lab.database, "SELECT source_kind FROM event WHERE id = :id", id=told.event_id) == [("canary",)]


def test_a_revoked_token_is_a_path_like_any_other(lab: CanaryLab) -> None:
    path = lab.token("image")
    lab.database.write(lambda connection: revoke_token(connection, slug_of(path), now=NOON))
    assert lab.ask(path).body == lab.ask("/c/" + "x" * 24).body
    assert len(lab.events("http_request", least=2)) == 2
    assert lab.settled("canary") == []


@pytest.mark.parametrize(
    "spelling",
    [
        "/c/../c/{slug}",
        "/./c/{slug}",
        "//c/{slug}",
        "/c//{slug}",
        "/c/%2e%2e/{slug}",
        "/C/{slug}",
        "/c/{slug}%00",
        "/c/{slug}.",
    ],
)
def test_a_path_that_only_resolves_to_a_token_is_none(lab: CanaryLab, spelling: str) -> None:
    slug = slug_of(lab.token("image"))
    target = spelling.format(slug=slug)
    assert lab.raw(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()).startswith(
        b"HTTP/1.1 404"
    )
    (event,) = lab.events("http_request")
    assert event.payload["raw_url"] == target


@pytest.mark.parametrize("slug", ["../../../../etc/passwd", "' OR 1=1 --", "a" * 5_000, "%00", "x" * 24])
def test_a_slug_that_is_none_reads_nothing(lab: CanaryLab, slug: str) -> None:
    line = f"GET /c/{slug.replace(' ', '%20')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert lab.raw(line.encode()).startswith(b"HTTP/1.1 404")


def test_the_host_that_a_client_names_never_gets_into_bait(lab: CanaryLab) -> None:
    path = lab.token("aws_key")
    body = lab.ask(path, Host='evil.example" onload=x', X_Forwarded_Host="evil.example").body
    assert b"evil" not in body
    assert f"endpoint_url = http://127.0.0.1:{lab.port}{path}/v1".encode() in body


def test_bait_calls_back_where_the_operator_says(tmp_path: Path) -> None:
    with running_canary(tmp_path, origin="https://files.example.org/") as lab:
        path = lab.token("kubeconfig")
        assert f"server: https://files.example.org{path}/v1".encode() in lab.ask(path).body


# --- whose request it is


def test_nobody_is_believed_about_who_they_are(lab: CanaryLab) -> None:
    lab.ask("/", X_Forwarded_For=ELSEWHERE, X_Real_IP=ELSEWHERE, Forwarded=f"for={ELSEWHERE}")
    (event,) = lab.events("http_request")
    assert event.source == "127.0.0.1"


def test_a_trusted_proxy_is_believed(tmp_path: Path) -> None:
    with running_canary(tmp_path, proxies=TrustedProxies(["127.0.0.1"])) as lab:
        lab.ask("/", X_Forwarded_For=f"192.0.2.66, {ELSEWHERE}")
        (event,) = lab.events("http_request")
        assert event.source == ELSEWHERE


@pytest.mark.parametrize(
    ("forwarded_for", "source"),
    [
        ("", "10.0.0.1"),
        (ELSEWHERE, ELSEWHERE),
        (f"1.2.3.4, {ELSEWHERE}", ELSEWHERE),
        (f"1.2.3.4, {ELSEWHERE}, 10.0.0.2", ELSEWHERE),
        (f"::ffff:{ELSEWHERE}", ELSEWHERE),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (f"{ELSEWHERE}, nonsense", "10.0.0.1"),
        (f"{ELSEWHERE}, nonsense, 10.0.0.2", "10.0.0.2"),
        ("x," * 100_000 + ELSEWHERE, ELSEWHERE),
    ],
)
def test_from_the_right_the_first_address_that_is_no_proxy_is_the_source(forwarded_for: str, source: str) -> None:
    assert TrustedProxies(["10.0.0.0/8"]).source_of("10.0.0.1", forwarded_for) == source


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'proxy\.local' is no address"):
        TrustedProxies(["proxy.local"])


# --- fingerprints


def test_a_page_lets_only_its_own_script_run_and_speak_to_nobody_else(lab: CanaryLab) -> None:
    path = lab.token("share")
    one, other = lab.ask(path), lab.ask(path)
    policy = one.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "connect-src 'self'" in policy
    assert policy != other.headers["Content-Security-Policy"]
    assert policy.partition("'nonce-")[2].partition("'")[0].encode() in one.body


def test_a_target_cannot_leave_its_attribute(lab: CanaryLab) -> None:
    path = lab.token("redirect", 'https://example.org/?"><script>alert(1)</script>')
    assert b"<script>alert" not in lab.ask(path).body


def test_what_a_browser_posts_is_derived_and_kept_whole(lab: CanaryLab) -> None:
    path = lab.token("share")
    blob = json.dumps(BROWSER).encode()
    half = len(blob) // 2
    place = posting_place(lab, path)
    assert lab.ask(f"{place}/1/2", "POST", blob[half:]).status == 204
    assert lab.ask(f"{place}/0/2", "POST", blob[:half]).status == 204
    (shown,) = lab.events("canary_fingerprint")
    assert shown.payload["token"] == token_of(slug_of(path))
    assert shown.payload["webdriver"] is True
    assert lab.artifacts.get(Digest(bytes.fromhex(shown.payload["blob_sha256"]))) == blob


def test_the_identity_of_a_browser_is_a_fingerprint_that_attribution_knows(lab: CanaryLab) -> None:
    lab.ask(f"{posting_place(lab, lab.token('share'))}/0/1", "POST", json.dumps(BROWSER).encode())
    (shown, fingerprint) = lab.events("canary_fingerprint", "fingerprint", least=2)
    assert fingerprint.payload == {"metric": "canary_identity", "value": shown.payload["identity"]}


def test_a_page_posts_once(lab: CanaryLab) -> None:
    place = posting_place(lab, lab.token("share"))
    assert [lab.ask(f"{place}/0/1", "POST", b"{}").status for _ in range(2)] == [204, 404]


@pytest.mark.parametrize(
    "below",
    ["/x/0/1", "/x", "/0/1", "/{nonce}/1/1", "/{nonce}/0/99", "/{nonce}/-1/1", "/{nonce}/0/1/2", "/{nonce}/٣/4"],
)
def test_a_post_that_no_page_announced_is_not_taken(lab: CanaryLab, below: str) -> None:
    path = lab.token("share")
    nonce = posting_place(lab, path).rpartition("/")[2]
    target = (path + below.format(nonce=nonce)).encode("utf-8").decode("latin-1")
    line = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    assert lab.raw(line.encode("latin-1")).split(b" ")[1] in {b"404", b"400"}
    assert lab.settled("canary_fingerprint") == []


def test_a_page_is_of_one_address_and_of_one_token(tmp_path: Path) -> None:
    with running_canary(tmp_path, proxies=TrustedProxies(["127.0.0.1"])) as lab:
        path, other = lab.token("share"), lab.token("share")
        nonce = posting_place(lab, path, ELSEWHERE).rpartition("/")[2]
        statuses = [
            lab.ask(f"{where}/{nonce}/0/1", "POST", b"{}", X_Forwarded_For=source).status
            for where, source in ((path, "192.0.2.5"), (other, ELSEWHERE), (path, ELSEWHERE))
        ]
        assert statuses == [404, 404, 204]


def test_an_address_posts_only_so_often(lab: CanaryLab) -> None:
    path = lab.token("share")
    place = posting_place(lab, path)
    for _ in range(POSTS_PER_MINUTE):
        lab.ask(f"{path}/none/0/1", "POST", b"{}")
    assert lab.ask(f"{place}/0/1", "POST", b"{}").status == 429


@pytest.mark.parametrize("blob", [b"", b"[]", b"{", b"null", b'"' * 50, b"[" * 60_000, b"\xff\xfe"])
def test_what_is_no_fingerprint_leaves_nothing(lab: CanaryLab, blob: bytes) -> None:
    place = posting_place(lab, lab.token("share"))
    assert lab.ask(f"{place}/0/1", "POST", blob).status == 204
    assert lab.settled("canary_fingerprint") == []
