"""Ids are contracts: stored data depends on each of these values."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.models.actor import attacker_uuid, campaign_uuid, canonical_address, identity_uuid, session_uuid
from decnet.models.event import COMMAND, SESSION, event_id
from decnet.models.ids import uuid5_bytes, uuid_text
from decnet.models.secret import secret_digest
from decnet.models.tag import BAND_EDGES, TTPTag, compute_tag_uuid, confidence_band


def test_golden_tag_uuid() -> None:
    tag = compute_tag_uuid("command", "0192f00d", "R0015", 1, "T1548", "T1548.001")
    assert UUID(bytes=tag) == UUID("43a20eb5-6e76-5760-9da0-74b4679d00fd")
    assert UUID(bytes=tag).version == 5


def test_tag_uuid_without_sub_technique_differs() -> None:
    assert compute_tag_uuid("command", "x", "R0015", 1, "T1548", None) != compute_tag_uuid(
        "command", "x", "R0015", 1, "T1548", "T1548.001"
    )


PART = st.text(st.characters(codec="utf-8", exclude_characters="|"), max_size=8)
PARTS = st.tuples(PART, PART, PART, st.integers(1, 99), PART, PART)


@given(PARTS, PARTS)
def test_two_tags_share_an_id_only_when_all_six_parts_are_equal(
    one: tuple[str, str, str, int, str, str], other: tuple[str, str, str, int, str, str]
) -> None:
    assert (compute_tag_uuid(*one) == compute_tag_uuid(*other)) == (one == other)


def test_source_id_with_a_bar_is_refused() -> None:
    with pytest.raises(ValueError, match=r"holds '\|'"):
        compute_tag_uuid("command", "a|b", "R0015", 1, "T1548", None)


def test_golden_event_id() -> None:
    at = 1_790_000_000_123_456
    event = event_id(at, "svr04", "1234abcd", COMMAND, "uname -a")
    assert event.hex() == "01a0c4506c7b456d4b889425e9867a0c"
    assert int.from_bytes(event[:6], "big") == at // 1000


def test_event_ids_are_ordered_by_time() -> None:
    early, late = (event_id(at, "s", "n", COMMAND, "id") for at in (1_000_000, 2_000_000))
    assert early < late


def test_event_parts_do_not_run_into_each_other() -> None:
    assert event_id(0, "ab", "c", COMMAND) != event_id(0, "a", "bc", COMMAND)
    assert event_id(0, "a", "b", COMMAND, "x", "") != event_id(0, "a", "b", COMMAND, "", "x")
    assert event_id(0, "a", "b", COMMAND) != event_id(0, "a", "b", SESSION)


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        (" 198.51.100.7 ", "198.51.100.7"),
    ],
)
def test_an_address_has_one_spelling(spelled: str, canonical: str) -> None:
    assert canonical_address(spelled) == canonical


@pytest.mark.parametrize("text", ["", "localhost", "198.51.100", "1.2.3.4; id", "198.51.100.007"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        canonical_address(text)


def test_golden_actor_ids() -> None:
    attacker = attacker_uuid("198.51.100.7")
    identity = identity_uuid(attacker)
    assert list(map(uuid_text, (attacker, identity, campaign_uuid(identity), session_uuid("svr04", "1234abcd")))) == [
        "4a27dc15-a411-56a0-be97-363266d42732",
        "d082b2e7-6a58-58c8-b105-1d56e701309a",
        "403f8877-f1c8-5e2d-b586-dbbc4f8109f2",
        "44316872-ab20-5353-8a1f-6557c9a640f5",
    ]


@given(st.uuids(), st.text())
def test_our_quicker_uuid5_is_the_standard_one(namespace: UUID, name: str) -> None:
    assert uuid5_bytes(namespace, name) == uuid5(namespace, name).bytes


def test_sessions_of_two_sensors_never_share_an_id() -> None:
    assert session_uuid("ab", "c") != session_uuid("a", "bc")


def a_tag(**changes: Any) -> TTPTag:
    given: dict[str, Any] = {
        "uuid": compute_tag_uuid("command", "x", "R0015", 1, "T1083", None),
        "source_kind": "command",
        "source_id": "x",
        "attacker_uuid": attacker_uuid("198.51.100.7"),
        "identity_uuid": None,
        "session_id": None,
        "decky_id": None,
        "tactic": "TA0007",
        "technique_id": "T1083",
        "sub_technique_id": None,
        "confidence": 0.85,
        "rule_id": "R0015",
        "rule_version": 1,
        "evidence": {},
        "attack_release": "enterprise-19.2",
        "observed_at": 0,
    }
    return TTPTag(**(given | changes))


def test_a_tag_without_an_anchor_is_refused() -> None:
    with pytest.raises(ValueError, match="neither attacker_uuid nor identity_uuid"):
        a_tag(attacker_uuid=None)


def test_a_tag_of_an_identity_alone_is_accepted() -> None:
    identity = identity_uuid(attacker_uuid("198.51.100.7"))
    assert a_tag(attacker_uuid=None, identity_uuid=identity).identity_uuid == identity


def test_bands_start_at_their_edges() -> None:
    assert [confidence_band(edge) for edge in BAND_EDGES] == [0, 1, 2, 3, 4]
    assert [confidence_band(edge - 0.001) for edge in BAND_EDGES[1:]] == [0, 1, 2, 3]


def test_equal_secrets_have_equal_digests_under_one_key_only() -> None:
    ours, theirs = secret_digest(b"a" * 32), secret_digest(b"b" * 32)
    assert ours("hunter2") == ours("hunter2") != theirs("hunter2")
    assert "hunter2" not in ours("hunter2")
    assert ours("") == ""
