"""The SMTP decoy over real sockets: what it says, what it keeps, what it refuses, and what it never does."""

from __future__ import annotations

import ast
import base64
import smtplib
import socket
import ssl
import stat
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import decnet.decoys.smtp
from decnet.db.artifacts import FileArtifacts
from decnet.db.engine import open_database
from decnet.decoys.smtp.certificate import tls_context
from decnet.decoys.smtp.decoy import Manner
from decnet.decoys.smtp.flavours import FLAVOURS, FlavourName
from decnet.decoys.smtp.quotas import Limits, Quotas
from decnet.models.secret import secret_digest
from tests.databases import rows
from tests.smtp_lab import KEY, SmtpLab, smtp_decoy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.db.engine import Database
    from decnet.decoys.smtp.decoy import Relay

MAIL = b"From: a@x.example\r\nSubject: hello\r\n\r\nwords\r\n.dotted\r\n"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'decnet.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def artifacts(tmp_path: Path) -> FileArtifacts:
    return FileArtifacts(tmp_path / "artifacts")


@pytest.fixture
def lab(database: Database, artifacts: FileArtifacts, tmp_path: Path) -> Iterator[SmtpLab]:
    with smtp_decoy(database, artifacts, tls=tls_context(tmp_path / "tls", "mail.example.org")) as running:
        yield running


def kept(tmp_path: Path) -> list[bytes]:
    return [path.read_bytes() for path in (tmp_path / "artifacts").glob("??/*")]


def refusal(client: smtplib.SMTP, sender: str, recipient: str) -> int:
    """The code that a recipient is answered with."""
    client.ehlo("pc.example")
    client.mail(sender)
    code, _ = client.rcpt(recipient)
    return code


def test_a_message_is_kept_as_it_came_and_its_event_points_to_it(lab: SmtpLab, tmp_path: Path) -> None:
    with lab.connected() as client:
        client.sendmail("a@x.example", ["b@y.example", "c@y.example"], MAIL)
    (event,) = lab.events("email")
    assert kept(tmp_path) == [MAIL]
    assert event.payload["message_sha256"] == sha256(MAIL).hexdigest()
    assert (event.payload["recipients"], event.payload["recipient_domains"]) == (2, ["y.example"])
    assert event.source == "127.0.0.1"


def test_a_message_is_announced_without_its_text(lab: SmtpLab) -> None:
    with lab.connected() as client:
        client.sendmail("alice@x.example", ["bob@y.example"], MAIL)
    lab.end()
    ((body,),) = rows(lab.database, "SELECT body FROM outbox WHERE topic = 'email.received'")
    assert sha256(MAIL).hexdigest().encode() in body
    assert not [word for word in (b"alice", b"bob", b"hello", b"words") if word in body]


def test_passwords_are_kept_as_digests(lab: SmtpLab) -> None:
    with lab.connected() as client:
        client.login("bob", "hunter2")
    (event,) = lab.events("auth_attempt")
    assert event.payload == {"username": "bob", "success": True, "secret": secret_digest(KEY)("hunter2")}


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_both_ways_to_log_in_are_understood(lab: SmtpLab, mechanism: str) -> None:
    with lab.connected() as client:
        client.ehlo("pc.example")
        client.user, client.password = "bob", "hunter2"
        client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)
    assert lab.events("auth_attempt")[0].payload["username"] == "bob"


def test_the_end_of_a_session_has_what_the_dialogue_came_to(lab: SmtpLab) -> None:
    with lab.connected() as client:
        client.ehlo("pc.example")
        client.vrfy("root")
        client.expn("staff")
        client.docmd("XYZZY")
        client.sendmail("a@x.example", ["b@y.example"], MAIL)
    end = lab.end()
    assert end["asked"] == {"EHLO": 1, "VRFY": 1, "EXPN": 1, "other": 1, "MAIL": 1, "RCPT": 1, "DATA": 1, "QUIT": 1}
    assert end["refused"] == {"EXPN": 1, "other": 1}
    assert (end["messages"], end["foreign_sender"], end["foreign_recipient"]) == (1, True, True)
    assert [recipients for _, recipients in end["deliveries"]] == [1]


def test_encryption_comes_about_and_is_told(lab: SmtpLab) -> None:
    with lab.connected() as client:
        client.starttls(context=ssl._create_unverified_context())  # noqa: S323 - the decoy's own certificate
        client.login("bob", "x")
    end = lab.end()
    assert (end["starttls_offered"], end["starttls_used"], end.get("starttls_sign", "")) == (True, True, "")


@pytest.mark.parametrize(
    ("said", "sign"),
    [
        (b"EHLO a.example\r\nSTARTTLS\r\n", "aborted"),
        (b"EHLO a.example\r\nXXXXXXXA\r\nQUIT\r\n", "stripped"),
        (b"EHLO a.example\r\nAUTH PLAIN " + base64.b64encode(b"\0bob\0pw") + b"\r\nQUIT\r\n", "plain_auth_after_offer"),
        (b"EHLO a.example\r\nQUIT\r\n", ""),
    ],
)
def test_how_encryption_did_not_come_about_is_told(lab: SmtpLab, said: bytes, sign: str) -> None:
    with socket.create_connection(("127.0.0.1", lab.port), timeout=10) as client:
        client.sendall(said)
        answers = b""
        while b"Ready to start TLS" not in answers and (more := client.recv(4_096)):
            answers += more
    assert lab.end().get("starttls_sign", "") == sign


@pytest.mark.parametrize(
    ("relay", "login", "recipient", "accepted"),
    [
        ("open", False, "x@other.example", True),
        ("auth", False, "x@other.example", False),
        ("auth", True, "x@other.example", True),
        ("closed", False, "x@other.example", False),
        ("closed", False, "info@example.org", True),
        ("closed", False, "nobody-here@example.org", False),
        ("open", False, "nobody-here@example.org", True),
    ],
)
def test_who_may_relay_is_the_operators_choice(
    database: Database, artifacts: FileArtifacts, relay: Relay, recipient: str, *, login: bool, accepted: bool
) -> None:
    with smtp_decoy(database, artifacts, Manner(relay=relay)) as lab, lab.connected() as client:
        if login:
            client.login("bob", "x")
        assert (refusal(client, "a@x.example", recipient) < 400) == accepted


def test_a_closed_server_refuses_every_log_in(database: Database, artifacts: FileArtifacts) -> None:
    with smtp_decoy(database, artifacts, Manner(relay="closed")) as lab:
        with lab.connected() as client, suppress(smtplib.SMTPAuthenticationError):
            client.login("bob", "x")
        assert not any(event.payload["success"] for event in lab.events("auth_attempt"))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_flavour_speaks_as_its_server_and_never_as_the_library(
    database: Database, artifacts: FileArtifacts, flavour: FlavourName
) -> None:
    said = b""
    with smtp_decoy(database, artifacts, Manner(flavour=flavour)) as lab, lab.connected() as client:
        for line in ("FOO", "MAIL FROM:<a@b.example>", "EHLO x.example", "HELP", "VRFY a", "DATA", "RSET", "NOOP"):
            code, words = client.docmd(line)
            said += b"%d %s\n" % (code, words)
    assert b"aiosmtpd" not in said.lower()
    assert b"Error: command" not in said or flavour == "postfix"
    assert client.ehlo_resp is None


def test_too_many_connections_of_one_source_are_turned_away(database: Database, artifacts: FileArtifacts) -> None:
    manner = Manner(limits=Limits(open_connections=2))
    with smtp_decoy(database, artifacts, manner) as lab:
        first, second = lab.connected(), lab.connected()
        with pytest.raises(smtplib.SMTPConnectError, match="421"):
            lab.connected()
        lab.connected("127.0.0.9").close()
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("limits", "code"),
    [(Limits(messages_per_hour=1), 450), (Limits(bytes_per_hour=len(MAIL)), 450), (Limits(message_bytes=20), 552)],
)
def test_a_source_that_has_used_its_share_is_refused(
    database: Database, artifacts: FileArtifacts, limits: Limits, code: int
) -> None:
    with smtp_decoy(database, artifacts, Manner(limits=limits)) as lab, lab.connected() as client:
        with suppress(smtplib.SMTPResponseException):
            client.sendmail("a@x.example", ["b@y.example"], MAIL)
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            client.sendmail("a@x.example", ["b@y.example"], MAIL)
    assert refused.value.smtp_code == code


def test_a_slow_client_is_let_go(database: Database, artifacts: FileArtifacts) -> None:
    with smtp_decoy(database, artifacts, Manner(limits=Limits(idle_s=0.2))) as lab:
        with socket.create_connection(("127.0.0.1", lab.port), timeout=10) as client:
            client.recv(200)
            client.sendall(b"EHL")
            assert client.recv(200) == b""
        assert lab.end().get("messages", 0) == 0


def test_a_client_with_too_many_commands_is_let_go(database: Database, artifacts: FileArtifacts) -> None:
    manner = Manner(limits=Limits(commands=5))
    with (
        smtp_decoy(database, artifacts, manner) as lab,
        lab.connected() as client,
        pytest.raises(smtplib.SMTPServerDisconnected),
    ):
        for _ in range(8):
            client.noop()


@pytest.mark.parametrize(
    "said",
    [
        b"A" * 200_000 + b"\r\n",
        b"\xff\xfe\0\r\n",
        b"MAIL FROM:<" + b"a" * 3_000 + b"@x>\r\n",
        b"EHLO \xf0\x28\r\nVRFY \xff\xff\r\n",
        b"EHLO a\r\nAUTH PLAIN !!!\r\nAUTH LOGIN\r\n*\r\nAUTH FOO x y z\r\n",
        b"EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + b"x" * 100_000 + b"\r\n.\r\n",
    ],
)
def test_hostile_lines_are_answered_and_the_next_client_is_served(lab: SmtpLab, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", lab.port), timeout=10) as client:
        client.sendall(said + b"QUIT\r\n")
        while client.recv(4_096):
            pass
    with lab.connected() as client:
        client.sendmail("a@x.example", ["b@y.example"], MAIL)


def test_the_key_of_the_certificate_is_the_owners_alone(tmp_path: Path) -> None:
    tls_context(tmp_path / "tls", "mail.example.org")
    made = tmp_path / "tls" / "mail.example.org.pem"
    content = made.read_bytes()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    tls_context(tmp_path / "tls", "mail.example.org")
    assert made.read_bytes() == content


def test_quotas_forget_sources_that_are_long_silent() -> None:
    quotas = Quotas(Limits())
    assert quotas.connect("192.0.2.1", 0)
    for number in range(10_050):
        assert quotas.take_message(f"source {number}", 1, 0)
    assert len(quotas._uses) <= 10_001
    quotas.disconnect("192.0.2.1", 1)
    assert quotas._open == 0


def test_nothing_of_the_decoy_can_open_a_connection() -> None:
    """No module of it names what opens one; the library's own client is not imported."""
    forbidden = {"smtplib", "http", "urllib", "requests", "httpx", "aiosmtplib", "ftplib", "telnetlib"}
    calls = {"create_connection", "open_connection", "connect_ex", "sock_connect", "getaddrinfo"}
    for path in Path(decnet.decoys.smtp.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
                assert not {name.partition(".")[0] for name in names} & forbidden, path
            if isinstance(node, ast.Attribute):
                assert node.attr not in calls, path


def test_taking_a_message_for_others_opens_no_connection(lab: SmtpLab) -> None:
    asked: list[Any] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen"} and watching:
            asked.append(arguments)

    watching = False
    sys.addaudithook(watch)
    with lab.connected() as client:
        watching = True
        client.sendmail("a@x.example", ["b@elsewhere.example"], MAIL)
        lab.events("email")
        watching = False
    assert asked == []
