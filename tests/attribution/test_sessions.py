"""Sessions: when they end, and what a late event does; where the source comes from."""

from __future__ import annotations

from decnet.attribution.engine import IDLE_US, Attribution, endpoint_in
from decnet.models.actor import attacker_uuid, session_uuid
from decnet.models.event import (
    COMMAND,
    FINGERPRINT,
    HTTP_REQUEST,
    PAYLOAD,
    CommandPayload,
    Event,
    FilePayload,
    FingerprintPayload,
    HttpPayload,
)
from decnet.models.finding import Clock, SessionSum, session_source_id
from tests.attribution.streams import HOME, final, noted, outcomes, seen, tried
from tests.events import NOON, SECOND

SESSION_ID = session_source_id(session_uuid("svr04", "s1"))
IDLE = IDLE_US // SECOND


def typed(text: str, *, at: float, session: str = "s1", sensor: str = "svr04", src: str = HOME) -> Event:
    return seen(COMMAND, CommandPayload(text), at=at, session=session, sensor=sensor, src=src)


def test_a_session_ends_with_its_own_end_event() -> None:
    (outcome,) = outcomes([noted("started"), typed("id", at=1), noted("ended", at=2)])
    assert outcome.started == [session_uuid("svr04", "s1")]
    (ended,) = outcome.ended
    assert ended.revision == 1
    figures = {one.source_id: one.figures for one in outcome.findings}[SESSION_ID]
    assert figures == SessionSum(NOON + 2 * SECOND, False, 3, 1, 0, 0, 0)


def test_the_end_of_another_session_ends_nothing() -> None:
    (outcome,) = outcomes([noted("started"), noted("ended", at=1, session="s2")])
    assert [one.session_id for one in outcome.ended] == [session_uuid("svr04", "s2")]


def test_the_sessions_of_a_quiet_sensor_end_by_its_clock() -> None:
    clock = Clock("svr04", NOON + IDLE_US)
    (early, late) = outcomes([noted("started"), clock], [1])
    assert early.ended == []
    (finding,) = [one for one in late.findings if one.source_id == SESSION_ID]
    assert finding.figures == SessionSum(NOON, True, 1, 0, 0, 0, 0)


def test_the_clock_of_another_sensor_ends_nothing() -> None:
    (outcome,) = outcomes([noted("started"), Clock("other", NOON + 10 * IDLE_US)])
    assert outcome.ended == []


def test_event_time_of_the_sensor_is_a_clock() -> None:
    (outcome,) = outcomes([noted("started"), noted("started", at=IDLE, session="s2", src="203.0.113.9")])
    assert [one.session_id for one in outcome.ended] == [session_uuid("svr04", "s1")]


def test_a_session_is_not_silent_while_events_come() -> None:
    (outcome,) = outcomes([typed("id", at=n * (IDLE - 1)) for n in range(5)])
    assert outcome.ended == []


def test_a_late_event_of_a_closed_session_makes_it_end_again() -> None:
    late = typed("id", at=1)
    found = outcomes([noted("started"), noted("ended", at=2), late], [2])
    assert [outcome.ended[0].revision for outcome in found] == [1, 2]
    figures = final(found)[SESSION_ID].figures
    assert figures == SessionSum(NOON + 2 * SECOND, False, 3, 1, 0, 0, 0)


def test_a_session_that_silence_ended_opens_again_when_it_goes_on() -> None:
    clock, again = Clock("svr04", NOON + IDLE_US), typed("id", at=IDLE + 5)
    over = Clock("svr04", NOON + 3 * IDLE_US)
    found = outcomes([noted("started"), clock, again, over], [2, 1])
    assert [len(outcome.ended) for outcome in found] == [1, 0, 1]
    assert found[2].ended[0].revision == 2


def test_start_is_frozen_when_an_earlier_event_comes_late() -> None:
    (outcome,) = outcomes([typed("id", at=5), typed("w", at=1), noted("ended", at=9)])
    assert outcome.ended[0].started_at == NOON + 5 * SECOND


def test_nothing_of_another_decoy_leaks_into_a_session() -> None:
    stream = [noted("started"), typed("one", at=1, sensor="other"), noted("ended", at=2)]
    (outcome,) = outcomes(stream)
    assert [one.figures for one in outcome.findings if one.source_id == SESSION_ID] == [
        SessionSum(NOON + 2 * SECOND, False, 2, 0, 0, 0, 0)
    ]


def test_another_sensor_or_source_cannot_write_into_a_session() -> None:
    attribution = Attribution()
    attribution.apply([noted("started")])
    foreign = seen(COMMAND, CommandPayload("id"), at=1, src="203.0.113.9")
    attribution.apply([foreign, noted("ended", at=2, src="203.0.113.9")])
    state = attribution.sessions[session_uuid("svr04", "s1")]
    assert (state.attacker, state.events, state.ended_at) == (attacker_uuid(HOME), 1, None)


def test_addresses_in_what_an_attacker_wrote_never_change_the_source() -> None:
    lie = "203.0.113.66"
    stream = [
        noted("started"),
        tried("x", user=lie, at=1),
        seen(COMMAND, CommandPayload(f"ssh {lie}; export SSH_CLIENT='{lie} 22'"), at=2),
        seen(FINGERPRINT, FingerprintPayload("ssh_client_version", f"SSH-2.0-Go src_ip={lie}"), at=3),
        seen(
            HTTP_REQUEST,
            HttpPayload("GET", f"http://{lie}/", host=lie, headers=f"X-Forwarded-For: {lie}\nForwarded: for={lie}"),
            at=4,
        ),
        seen(PAYLOAD, FilePayload("downloaded", url=f"http://{lie}/x", filename=lie), at=5),
        noted("ended", at=6),
    ]
    attribution = Attribution()
    outcome = attribution.apply(stream)
    assert {finding.attacker_uuid for finding in outcome.findings} == {attacker_uuid(HOME)}
    assert {state.attacker for state in attribution.sessions.values()} == {attacker_uuid(HOME)}
    assert {attacker for attacker, _ in attribution.days} == {attacker_uuid(HOME)}
    assert {traits.attacker for traits in outcome.ended} == {attacker_uuid(HOME)}


def test_traits_hold_what_survives_a_change_of_address() -> None:
    stream = [
        seen(FINGERPRINT, FingerprintPayload("hassh", "aa11"), at=0),
        seen(FINGERPRINT, FingerprintPayload("terminal_size", "80x24"), at=1),
        seen(PAYLOAD, FilePayload("downloaded", url="http://u:p@C2.example:8080/x", sha256="ff" * 32), at=2),
        *(seen(COMMAND, CommandPayload(text), at=3) for text in ("uname -a", "cat /proc/cpuinfo; nproc", "free -m")),
        noted("ended", at=9),
    ]
    (traits,) = outcomes(stream)[0].ended
    assert traits.fingerprints == (("hassh", "aa11"),)
    assert traits.payloads == ("ff" * 32,)
    assert traits.endpoints == ("c2.example:8080",)
    assert len(traits.script) == 6


def test_an_endpoint_is_what_a_url_leads_to() -> None:
    assert endpoint_in("http://192.0.2.1:81/x?y#z") == "192.0.2.1:81"
    assert endpoint_in("HTTPS://Evil.Example") == "evil.example"
    assert endpoint_in("/tmp/x") == ""


def test_forgotten_states_are_those_of_the_past() -> None:
    attribution = Attribution()
    attribution.apply([noted("started"), tried("x", at=1), noted("ended", at=2)])
    attribution.release(NOON)
    assert (len(attribution.sessions), len(attribution.days), len(attribution.services)) == (1, 1, 1)
    attribution.release(NOON + 86_400 * SECOND)
    assert (len(attribution.sessions), len(attribution.days), len(attribution.services)) == (0, 0, 0)
