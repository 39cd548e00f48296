"""Findings: the figures of CONTRACTS, on streams that are short enough to count by hand."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from statistics import mean, pstdev

import msgspec
import pytest

from decnet.attribution.arrivals import Arrivals
from decnet.attribution.engine import Attribution
from decnet.attribution.states import packed
from decnet.models.actor import attacker_uuid, session_uuid
from decnet.models.event import (
    COMMAND,
    FINGERPRINT,
    HTTP_REQUEST,
    INTEL_VERDICT,
    PAYLOAD,
    SCAN,
    SESSION,
    CommandPayload,
    FilePayload,
    FingerprintPayload,
    HttpPayload,
    IntelPayload,
    ScanPayload,
    SessionPayload,
)
from decnet.models.finding import (
    Beacon,
    Behaviour,
    Finding,
    Guessing,
    Scan,
    ToolGuess,
    ValidAccount,
    Volume,
    auth_source_id,
    login_source_id,
    packed_finding,
    scan_source_id,
    session_source_id,
    unpacked_finding,
)
from decnet.models.ids import uuid_text
from tests.attribution.streams import HOME, MIDNIGHT, Bytes, bucket_id, final, findings_of, noted, outcomes, seen, tried
from tests.events import NOON, SECOND

unpacked_arrivals = msgspec.msgpack.Decoder(Arrivals).decode
HOME_TEXT = uuid_text(attacker_uuid(HOME))
DAY = NOON // (86_400 * SECOND)


def test_ids_are_those_of_the_contract() -> None:
    assert bucket_id(NOON) == f"auth:{HOME_TEXT}:svr04:ssh:{NOON // 300 // SECOND}"
    session = session_uuid("svr04", "s1")
    assert login_source_id(session) == f"login:{uuid_text(session)}"
    assert session_source_id(session, "bytes_out") == f"session:{uuid_text(session)}:bytes_out"
    assert scan_source_id(attacker_uuid(HOME), "xmas", 3, 20_000) == f"scan:{HOME_TEXT}:xmas:3:20000"


def test_no_name_can_imitate_the_shape_of_an_id() -> None:
    attacker = attacker_uuid(HOME)
    assert auth_source_id(attacker, "a:b", "c", 1) != auth_source_id(attacker, "a", "b:c", 1)
    assert "|" not in auth_source_id(attacker, "a|b", "c|d", 1)
    long = auth_source_id(attacker, "é|" * 200, "x" * 300, 1)
    assert len(long) <= 255
    assert long != auth_source_id(attacker, "é|" * 199, "x" * 300, 1)


def test_a_finding_without_an_anchor_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="neither attacker_uuid nor identity_uuid"):
        Finding("x", SESSION, NOON, 1, Guessing(1, 1))


def test_a_finding_survives_being_stored() -> None:
    stream = [tried(f"p{n}", at=n) for n in range(9)] + [
        tried("q", at=10, success=True),
        noted("forward_request", at=11),
    ]
    findings = findings_of([*stream, noted("ended", at=12)])
    assert len({type(one.figures) for one in findings}) >= 4
    assert [unpacked_finding(packed_finding(one)) for one in findings] == findings


def test_what_a_third_party_says_is_nothing_that_the_attacker_did() -> None:
    verdict = seen(INTEL_VERDICT, IntelPayload("greynoise", HOME, "malicious"), at=5)
    stream = [noted("started"), noted("ended", at=2)]
    assert final(outcomes([*stream, verdict])) == final(outcomes(stream))


def test_failures_are_counted_in_a_sliding_window_and_named_by_its_bucket() -> None:
    before_the_edge = [tried(f"p{n}", at=290 + n) for n in range(4)]
    after_it = [tried(f"p{n}", at=301 + n) for n in range(3)]
    found = final(outcomes(before_the_edge + after_it))
    assert found[bucket_id(NOON)].figures == Guessing(4, 4)
    assert found[bucket_id(NOON + 300 * SECOND)].figures == Guessing(7, 4)
    assert found[bucket_id(NOON + 300 * SECOND)].observed_at == NOON + 300 * SECOND


def test_a_failure_five_minutes_ago_is_outside_of_the_window() -> None:
    found = final(outcomes([tried("a", at=0), tried("b", at=300)]))
    assert found[bucket_id(NOON + 300 * SECOND)].figures == Guessing(1, 1)


def test_passwords_are_counted_per_account() -> None:
    tries = [tried(f"p{n}", user=f"u{n}", at=n) for n in range(5)]
    tries += [tried(f"q{n}", user="root", at=10 + n) for n in range(3)]
    assert final(outcomes(tries))[bucket_id(NOON)].figures == Guessing(8, 3)


def test_other_decoys_and_services_are_counted_apart() -> None:
    tries = [tried("a", at=n, sensor=f"svr0{n}") for n in range(3)] + [tried("a", at=5, protocol="telnet")]
    assert {finding.figures for finding in findings_of(tries, "auth:")} == {Guessing(1, 1)}


@pytest.mark.parametrize("size", [1, 7, 250, 1_000])
def test_a_brute_force_of_a_thousand_failures_is_one_finding_per_bucket(size: int) -> None:
    tries = [tried(f"p{n}", at=n * 0.5) for n in range(1_000)]
    found = outcomes(tries, [size] * (1_000 // size))
    ids = {finding.source_id for outcome in found for finding in outcome.findings if finding.source_id[:4] == "auth"}
    assert ids == {bucket_id(NOON), bucket_id(NOON + 300 * SECOND)}
    assert final(found)[bucket_id(NOON)].figures == Guessing(600, 600)


def test_a_batch_announces_a_growing_figure_once_with_its_last_revision() -> None:
    (outcome,) = outcomes([tried(f"p{n}", at=n) for n in range(50)])
    (finding,) = [finding for finding in outcome.findings if finding.source_id == bucket_id(NOON)]
    assert finding.revision == 50


def test_a_late_failure_raises_the_windows_that_it_falls_into() -> None:
    tries = [tried(f"p{n}", at=n * 10) for n in range(40)]
    late = tries.pop(5)
    assert (
        final(outcomes([*tries, late]))[bucket_id(NOON)].figures
        == final(outcomes([*tries[:5], late, *tries[5:]]))[bucket_id(NOON)].figures
    )


def test_a_failure_that_is_hours_late_is_judged_by_what_is_stored() -> None:
    store = Bytes()
    store.apply([tried(f"p{n}", at=n) for n in range(4)])
    for hour in range(1, 5):
        store.apply([tried("x", at=hour * 3_600)])
    (finding,) = [one for one in store.apply([tried("late", at=5)]).findings if one.source_id == bucket_id(NOON)]
    assert finding.figures == Guessing(5, 5)
    assert finding.revision == 5


def test_the_use_of_an_account_needs_a_failure_before_and_something_after() -> None:
    failure, success = tried("a", at=0, session="s0"), tried("b", at=10, success=True)
    command = seen(COMMAND, CommandPayload("id"), at=11)
    end = noted("ended", at=12)
    assert findings_of([failure, success, end], "login:") == []
    assert findings_of([success, command, end], "login:") == []
    (finding,) = findings_of([failure, success, command, end], "login:")
    assert finding.figures == ValidAccount(1)
    assert finding.observed_at == success.observed_at
    assert finding.session_id == success.session_id


def test_failures_before_midnight_and_a_success_after_it_are_found() -> None:
    late = (MIDNIGHT - NOON) / SECOND
    stream = [tried(f"p{n}", at=late - 60 + n) for n in range(6)]
    stream += [tried("p", at=late + 5, success=True), seen(COMMAND, CommandPayload("id"), at=late + 6)]
    (finding,) = findings_of(stream, "login:")
    assert finding.figures == ValidAccount(6)


def test_failures_of_another_attacker_decoy_or_hour_do_not_count() -> None:
    stream = [
        tried("a", at=0, src="203.0.113.9", session="x1"),
        tried("a", at=1, sensor="other", session="x2"),
        tried("a", at=2, protocol="telnet", session="x3"),
        tried("a", at=-1_801, session="x4"),
        tried("b", at=3, success=True),
        seen(COMMAND, CommandPayload("id"), at=4),
    ]
    assert findings_of(stream, "login:") == []


def test_a_failure_that_comes_late_still_stands_before_its_success() -> None:
    success, command = tried("b", at=10, success=True), seen(COMMAND, CommandPayload("id"), at=11)
    (finding,) = findings_of([success, command, tried("a", at=5, session="s0")], "login:")
    assert finding.figures == ValidAccount(1)


def test_a_failure_that_is_hours_late_still_stands_before_its_success() -> None:
    store = Bytes()
    store.apply([tried("b", at=10, success=True), seen(COMMAND, CommandPayload("id"), at=11)])
    for hour in range(1, 5):
        store.apply([tried("x", at=hour * 3_600, session=f"h{hour}")])
    found = store.apply([tried("a", at=5, session="s0")]).findings
    assert [one.figures for one in found if one.source_id.startswith("login:")] == [ValidAccount(1)]


def test_each_behaviour_class_is_its_own_finding_and_is_said_once() -> None:
    guesses = [tried("x", at=n * 2, session=f"s{n}") for n in range(40)]
    found = findings_of(guesses, "behaviour:")
    classes = {one.figures.behaviour: one for one in found if isinstance(one.figures, Behaviour)}
    assert set(classes) == {"mixed", "brute_force"}
    assert classes["mixed"].revision == 1
    assert classes["brute_force"].source_id == f"behaviour:{HOME_TEXT}:brute_force:{DAY}"


def test_the_rhythm_of_guessing_comes_with_the_failures_of_the_day() -> None:
    probes = [noted("started", at=n * 2, session=f"s{n}") for n in range(9)]
    (rhythm,) = findings_of(probes, f"behaviour:{HOME_TEXT}:brute_force:")
    assert rhythm.figures == Behaviour("brute_force", 8, 2.0, 0.0, 1, failures=0)
    guesses = [tried(f"p{n}", at=20 + n) for n in range(7)]
    found = {one.source_id: one for one in findings_of([*probes, *guesses], "behaviour:")}
    assert found[rhythm.source_id].figures == Behaviour("brute_force", 8, 2.0, 0.0, 1, failures=7)
    assert found[rhythm.source_id].revision == 8


def test_a_rhythm_is_exact_from_microseconds_to_days() -> None:
    times = [0, 3, 5, 90_000_000, 43_200_000_000, 86_399_999_999]
    for order in (times, times[::-1], [times[n] for n in (3, 0, 5, 1, 4, 2)]):
        arrivals = Arrivals()
        for at in order:
            arrivals.add(NOON + at)
        again = unpacked_arrivals(packed(arrivals))
        gaps = [b - a for a, b in pairwise(times)]
        events, interval, variation = again.rhythm()
        assert events == 6
        assert interval == pytest.approx(mean(gaps) / SECOND)
        assert variation == pytest.approx(pstdev(gaps) / mean(gaps))


def test_figures_of_a_day_restart_at_midnight() -> None:
    late = (MIDNIGHT - NOON) / SECOND
    guesses = [tried("x", at=late - 12 + n * 2, session=f"s{n}") for n in range(10)]
    assert not [one for one in findings_of(guesses, "behaviour:") if "brute_force" in one.source_id]


def test_a_late_event_runs_the_later_moments_of_its_day_again() -> None:
    """In order: seven guesses, two seconds apart, an eighth, and only then a second service."""
    guesses = [tried("x", at=n * 2, session=f"s{n}") for n in range(8)]
    other = seen(SCAN, ScanPayload("x"), at=400, session="t", protocol="telnet")
    late = guesses.pop(3)
    found = {one.source_id for one in findings_of([*guesses, other, late], "behaviour:")}
    assert f"behaviour:{HOME_TEXT}:brute_force:{DAY}" in found


def test_regular_contacts_are_a_beacon() -> None:
    contacts = [noted("started", at=n * 60 + n % 2, session=f"s{n}") for n in range(10)]
    (finding,) = findings_of(contacts, "beacon:")
    assert finding.source_id == f"beacon:{HOME_TEXT}:svr04:ssh:{DAY}"
    assert isinstance(finding.figures, Beacon)
    assert finding.figures.contacts == 10
    assert finding.figures.interval_seconds == pytest.approx(60.1, abs=0.1)
    assert finding.figures.variation < 0.02
    assert finding.decky_id == "svr04"


def test_every_revision_of_a_beacon_is_announced_since_its_figures_may_fall() -> None:
    contacts = [noted("started", at=n * 60, session=f"s{n}") for n in range(8)]
    (outcome,) = outcomes(contacts)
    assert [one.revision for one in outcome.findings if one.source_id.startswith("beacon:")] == [1, 2, 3, 4, 5]


def test_what_happens_within_a_session_is_no_beat() -> None:
    typed = [seen(COMMAND, CommandPayload("id"), at=n * 60) for n in range(10)]
    assert findings_of(typed, "beacon:") == []


@pytest.mark.parametrize(
    ("interval", "spread", "tool"),
    [(60, 0.2, "cobalt_strike"), (60, 0.3, "sliver"), (45, 0.1, "havoc"), (30, 0.15, "mythic")],
)
def test_implants_are_guessed_by_their_cadence(interval: int, spread: float, tool: str) -> None:
    at, contacts = 0.0, []
    for number in range(41):
        contacts.append(noted("started", at=at, session=f"s{number}"))
        at += interval * (1 + spread * (1 if number % 2 else -1))
    guesses = {
        one.figures.tool: one.figures for one in findings_of(contacts, "tool:") if type(one.figures) is ToolGuess
    }
    assert guesses[tool] == ToolGuess(tool, "c2", ("cadence",))


def test_tools_are_guessed_by_banner_and_user_agent_once_a_day() -> None:
    stream = [
        seen(FINGERPRINT, FingerprintPayload("ssh_client_version", "SSH-2.0-libssh-0.9.6"), at=0),
        seen(FINGERPRINT, FingerprintPayload("ssh_client_version", "SSH-2.0-Go"), at=1, session="s2"),
        seen(HTTP_REQUEST, HttpPayload("GET", "/", user_agent="sqlmap/1.7"), at=2, session="s3", protocol="http"),
        seen(HTTP_REQUEST, HttpPayload("GET", "/x", user_agent="sqlmap/1.7"), at=3, session="s3", protocol="http"),
    ]
    found = findings_of(stream, "tool:")
    assert {one.source_id.split(":")[2] for one in found} == {"libssh", "go_ssh", "sqlmap"}
    assert {one.revision for one in found} == {1}


def test_a_scan_gets_its_second_id_once_three_decoys_saw_it() -> None:
    probes = [seen(SCAN, ScanPayload("xmas"), at=n, sensor=f"d{n}", session=f"s{n}") for n in range(3)]
    two = {one.source_id: one.figures for one in findings_of(probes[:2], "scan:")}
    assert two == {f"scan:{HOME_TEXT}:xmas:1:{DAY}": Scan("xmas", 2, 0)}
    three = {one.source_id: one.figures for one in findings_of(probes, "scan:")}
    assert three[f"scan:{HOME_TEXT}:xmas:3:{DAY}"] == Scan("xmas", 3, 0)


def test_several_services_are_a_scan() -> None:
    probes = [noted("started", at=n, session=f"s{n}") for n in range(3)]
    stream = [
        seen(one.source_kind, one.payload, at=n, session=f"s{n}", protocol=f"p{n}") for n, one in enumerate(probes)
    ]
    (finding,) = findings_of(stream, "scan:")
    assert finding.figures == Scan("services", 1, 3)


def test_volumes_add_up_over_a_session() -> None:
    forward = SessionPayload("forward_data", text="é" * 10)
    stream = [
        seen(SESSION, SessionPayload("forward_request", dst_ip="192.0.2.1", dst_port=80), at=0),
        seen(SESSION, forward, at=1),
        seen(PAYLOAD, FilePayload("sent", size_bytes=1_000), at=2),
    ]
    volumes = {one.figures for one in findings_of(stream, "session:") if isinstance(one.figures, Volume)}
    assert volumes == {Volume("requests_out", 1), Volume("bytes_out", 1_020)}


def test_a_flood_of_guesses_with_long_names_stays_small() -> None:
    flood = [tried(f"{n:032x}", user=f"{n}" * 5_000, at=n / 100) for n in range(9_000)]
    attribution = Attribution()
    (*_, outcome) = outcomes(flood, attribution=attribution)
    figures = [one.figures for one in outcome.findings if isinstance(one.figures, Guessing)]
    assert [(one.failures > 1_000, one.passwords) for one in figures] == [(True, 1)]
    (state,) = attribution.services.values()
    assert len(packed(state)) < 700_000


def test_a_hostile_amount_of_arrivals_stays_small_and_quick() -> None:
    random = Random(7)  # noqa: S311 - the same every time
    late = [tried("x", at=random.random() * 40_000, session=f"s{n % 50}") for n in range(4_500)]
    attribution = Attribution()
    attribution.apply(late)
    states = [*attribution.sessions.values(), *attribution.days.values(), *attribution.services.values()]
    assert max(len(packed(state)) for state in states) < 1_000_000
