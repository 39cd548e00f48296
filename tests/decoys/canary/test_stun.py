"""STUN over UDP, by the example messages of its specification and by a socket."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.decoys.canary.stun import ANSWERS_PER_SECOND, StunResponder, binding_answer

if TYPE_CHECKING:
    from tests.canary_lab import CanaryLab

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex("000100002112a442") + TRANSACTION


@pytest.mark.parametrize(
    ("address", "attribute"),
    [
        ("192.0.2.1", "002000080001a147e112a643"),  # RFC 5769, 2.2
        ("::ffff:192.0.2.1", "002000080001a147e112a643"),
        ("2001:db8:1234:5678:11:2233:4455:6677", "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),  # RFC 5769, 2.3
    ],
)
def test_the_answer_is_that_of_the_test_vectors(address: str, attribute: str) -> None:
    expected = bytes.fromhex(attribute)
    head = b"\x01\x01" + len(expected).to_bytes(2, "big") + REQUEST[4:]
    assert binding_answer(REQUEST, address, 32_853) == head + expected


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        REQUEST[:-1],
        REQUEST + b"x",
        b"\x01\x01" + REQUEST[2:],
        REQUEST[:4] + bytes(4) + TRANSACTION,
        b"\x00" * 2_000,
    ],
)
def test_what_is_no_binding_request_gets_no_answer(request_: bytes) -> None:
    assert binding_answer(request_, "192.0.2.1", 1) is None


@given(st.binary(max_size=600))
def test_whatever_comes_an_answer_is_short(request_: bytes) -> None:
    assert len(binding_answer(request_, "2001:db8::1", 65_535) or b"") <= 44


def test_a_client_learns_from_where_it_came(lab: CanaryLab) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(10)
        client.connect(("127.0.0.1", lab.port))
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        client.send(REQUEST)
        assert client.recv(100) == binding_answer(REQUEST, *client.getsockname())


def test_there_is_a_limit_of_answers_each_second() -> None:
    now = [5.0]
    responder = StunResponder(lambda: now[0])
    answered = []
    for second in (5.0, 6.5):
        now[0] = second
        answers = [responder.answer(REQUEST, "192.0.2.1", 7) for _ in range(ANSWERS_PER_SECOND * 2)]
        answered.append(len(answers) - answers.count(None))
    assert answered == [ANSWERS_PER_SECOND, ANSWERS_PER_SECOND]
