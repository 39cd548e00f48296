"""However a stream is cut into batches, the findings are the same."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from decnet.models.event import (
    COMMAND,
    FINGERPRINT,
    SCAN,
    SESSION,
    CommandPayload,
    Event,
    FingerprintPayload,
    ScanPayload,
    SessionPayload,
)
from decnet.models.finding import Beacon, Clock, Finding, Guessing, Scan, SessionSum, ValidAccount, Volume
from tests.attribution.streams import Bytes, final, outcomes, seen, tried
from tests.events import NOON, SECOND

_SOURCES = ("198.51.100.7", "203.0.113.9")
_WHATS = (
    (COMMAND, CommandPayload("id")),
    (SESSION, SessionPayload("started")),
    (SESSION, SessionPayload("ended")),
    (SESSION, SessionPayload("forward_request")),
    (FINGERPRINT, FingerprintPayload("ssh_client_version", "SSH-2.0-Go")),
    (SCAN, ScanPayload("xmas")),
)


def _record(choice: tuple[int, int, int]) -> Event | Clock:
    """An event or clock record: when (in half seconds), what, and where, as numbers that shrink well."""
    moment, what, where = choice
    at, sensor = moment * (0.5, 1, 13)[where % 3], f"d{where % 3}"
    if what == 0:
        return Clock(sensor, NOON + round(at * SECOND))
    src, protocol = _SOURCES[where % 2], ("ssh", "telnet")[where // 6 % 2]
    session = f"{src[:3]}{where // 12}"
    if what <= 12:
        password, user = "abcdef"[what % 6], ("root", "admin")[where // 24 % 2]
        return tried(
            password, at=at, user=user, success=what > 9, src=src, session=session, sensor=sensor, protocol=protocol
        )
    kind, payload = _WHATS[what - 13]
    return seen(kind, payload, at=at, src=src, session=session, sensor=sensor, protocol=protocol)


def _key(record: Event | Clock) -> object:
    return record if isinstance(record, Clock) else record.id


_STREAM = st.lists(
    st.tuples(st.integers(0, 4_000), st.integers(0, 18), st.integers(0, 71)).map(_record), max_size=40, unique_by=_key
)
_SIZES = st.lists(st.integers(1, 12), max_size=20)


def _at(record: Event | Clock) -> tuple[int, bytes]:
    return record.observed_at, b"" if isinstance(record, Clock) else record.id


def _beacons(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if isinstance(finding.figures, Beacon)]


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(_STREAM, _SIZES)
def test_any_split_gives_the_same_findings_and_revisions(stream: list[Event | Clock], sizes: list[int]) -> None:
    whole, parts = outcomes(stream), outcomes(stream, sizes)
    assert final(parts) == final(whole)
    every = [finding for outcome in parts for finding in outcome.findings]
    by_revision = {(one.source_id, one.revision): one for one in _beacons(every)}
    assert by_revision == {(one.source_id, one.revision): one for one in _beacons(whole[0].findings)}


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(_STREAM, _SIZES)
def test_a_process_that_starts_anew_for_every_batch_finds_the_same(
    stream: list[Event | Clock], sizes: list[int]
) -> None:
    store, left = Bytes(), stream
    for size in [*sizes, len(stream)]:
        store.apply(left[:size])
        left = left[size:]
    assert store.findings == final(outcomes(stream))


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(_STREAM)
@example([_record((0, 1, 53)), _record((554, 1, 17)), _record((0, 1, 65))])  # the last is two hours late
def test_late_events_only_add(stream: list[Event | Clock]) -> None:
    """What the same events give in order is all there, with the same figures where figures are counts.

    With the stored events at hand, as in a worker: an event that is hours late is counted again from them.
    """
    events = [record for record in stream if not isinstance(record, Clock)]
    sessions: dict[bytes, list[Event]] = {}
    for event in events:  # the start of a session is that of its first event to arrive, so let that be its first
        sessions.setdefault(event.session_id, []).append(event)
    firsts = {min(owned, key=_at).id for owned in sessions.values()}
    arrival = [one for one in events if one.id in firsts] + [one for one in events if one.id not in firsts]
    # The attacker and the service of a session are those of its first event, too.
    in_order, as_they_came = Bytes(), Bytes()
    in_order.apply(sorted(events, key=_at))
    as_they_came.apply(arrival)
    ordered, late = in_order.findings, as_they_came.findings
    counted = (Guessing, ValidAccount, Volume, Scan)
    for source_id, finding in ordered.items():
        assert source_id in late or isinstance(finding.figures, Beacon | SessionSum)
        if isinstance(finding.figures, counted):
            assert late[source_id].figures == finding.figures
