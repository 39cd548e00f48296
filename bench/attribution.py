"""Attribution, pure: events to sessions and findings, and the clustering of many attackers.

``python -m bench.attribution`` prints both; nothing is read or written.
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.attribution.engine import Attribution
from decnet.attribution.identities import Identities
from decnet.attribution.sessions import SessionTraits
from decnet.models.actor import session_uuid
from decnet.models.event import (
    AUTH_ATTEMPT,
    COMMAND,
    FINGERPRINT,
    PAYLOAD,
    SESSION,
    AuthPayload,
    CommandPayload,
    Event,
    EventId,
    FilePayload,
    FingerprintPayload,
    SessionPayload,
)
from tests.attribution.population import pairwise_f1, population

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.models.event import Payload, SourceKind

EVENTS = 200_000
BATCH = 100
RUNS = 5
START_US = 1_790_000_000_000_000
SENSORS = 8
ATTACKERS = 100_000
SESSIONS_EACH = 4
"""On average. A session is a start, a fingerprint and an end at least: more than a million events."""
CHANGED = 500
"""Attackers that change between two settlings."""
ROUNDS = 20


def main() -> None:
    """Print the figures."""
    _findings()
    _clustering()


def _findings() -> None:
    events = list(visits(EVENTS))
    rates = [_rate(events) for _ in range(RUNS)]
    print(f"sessions, attackers and findings, {EVENTS:,} events in batches of {BATCH}, one core")
    print(f"  events per CPU second  {_spread(rates)}")


def _rate(events: list[Event]) -> float:
    attribution = Attribution()
    gc.collect()
    begun = time.process_time()
    for start in range(0, len(events), BATCH):
        attribution.apply(events[start : start + BATCH])
    return len(events) / (time.process_time() - begun)


def visits(count: int) -> Iterator[Event]:
    """What a honeypot sees: most sessions guess a password or three, some get in and run a script."""
    chance = random.Random(11)
    at, number, left = START_US, 0, count
    while left > 0:
        number += 1
        at += chance.randrange(200_000)
        for event in _visit(chance, at, number):
            yield event
            left -= 1
            if not left:
                return


def _visit(chance: random.Random, at: int, number: int) -> Iterator[Event]:
    source = f"198.51.{chance.randrange(20)}.{int(chance.paretovariate(0.7)) % 250}"
    sensor = f"decoy-{chance.randrange(SENSORS):02}"
    steps: list[tuple[SourceKind, Payload]] = [
        (SESSION, SessionPayload("started", dst_ip="10.0.0.5", dst_port=22)),
        (FINGERPRINT, FingerprintPayload("ssh_client_version", "SSH-2.0-Go")),
        (FINGERPRINT, FingerprintPayload("hassh", f"{chance.randrange(40):032x}")),
    ]
    guesses = [f"{chance.randrange(500):032x}" for _ in range(chance.randrange(1, 4))]
    steps.extend((AUTH_ATTEMPT, AuthPayload("root", False, secret=guess)) for guess in guesses)
    if chance.random() < 0.2:  # noqa: PLR2004 - the share that gets in
        steps.append((AUTH_ATTEMPT, AuthPayload("root", True, secret="aa" * 16)))
        steps.extend((COMMAND, CommandPayload(f"uname -a; echo {chance.randrange(300)}")) for _ in range(4))
        steps.append((PAYLOAD, FilePayload("downloaded", url="http://192.0.2.7/x", sha256="ab" * 32)))
    steps.append((SESSION, SessionPayload("ended", duration_ms=900)))
    session = session_uuid(sensor, str(number))
    for step, (kind, payload) in enumerate(steps):
        moment = at + step * 90_000
        key = EventId(moment.to_bytes(8, "big") + number.to_bytes(8, "big"))
        yield Event(
            key, moment, sensor, sensor, "ssh", source, 40_000, session, str(number), kind, payload, number * 20 + step
        )


def _clustering() -> None:
    """In a process of its own, for its memory."""
    child = [sys.executable, "-m", "bench.attribution", "--clustering"]
    told = json.loads(subprocess.run(child, check=True, capture_output=True).stdout)
    print(f"clustering, {told['attackers']:,} attackers, {told['sessions']:,} sessions, one core")
    print(f"  first filled           {told['filled']:,.0f} attackers per CPU second")
    print(f"  changed attackers      {_spread(told['rates'])} per CPU second, {CHANGED} at a time")
    memory, process = told["memory_mb"], told["process_mb"]
    print(f"  memory                 {memory:,.0f} MB for the index, {process:,.0f} MB in all")
    print(f"  pairwise F1            {told['f1']:.3f} against the known owners")


def _cluster() -> None:
    people = population(ATTACKERS, sessions=SESSIONS_EACH)
    before = _resident_mb()
    identities = Identities()
    begun = time.process_time()
    for traits in people.sessions:
        identities.observe(traits)
    identities.settle()
    ended = time.process_time()
    chance = random.Random(3)
    rates = [_changes(identities, chance, people.sessions, number) for number in range(ROUNDS)]
    heads = {attacker: identities.head_of(attacker) for attacker in people.owners}
    told = {
        "attackers": len(people.owners),
        "sessions": len(people.sessions),
        "filled": len(people.owners) / (ended - begun),
        "rates": rates,
        "memory_mb": _resident_mb() - before,
        "process_mb": _resident_mb(),
        "f1": pairwise_f1(people.owners, heads),
    }
    print(json.dumps(told))


def _changes(identities: Identities, chance: random.Random, sessions: list[SessionTraits], number: int) -> float:
    """A new session each of :data:`CHANGED` attackers, a tenth of them with something not seen before."""
    seen = [chance.choice(sessions) for _ in range(CHANGED)]
    new = [
        SessionTraits(
            session_uuid("bench", f"{number}-{n}"),
            traits.attacker,
            1,
            traits.started_at,
            traits.decky_id,
            traits.protocol,
            traits.fingerprints,
            traits.payloads if n % 10 else (*traits.payloads, f"new{number}-{n // 20}"),
            traits.endpoints,
            traits.script,
        )
        for n, traits in enumerate(seen)
    ]
    begun = time.process_time()
    for traits in new:
        identities.observe(traits)
    identities.settle()
    return len({traits.attacker for traits in new}) / (time.process_time() - begun)


def _resident_mb() -> float:
    gc.collect()
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def _spread(figures: list[float]) -> str:
    middle = statistics.median(figures)
    return f"median {middle:,.0f} (min {min(figures):,.0f}, max {max(figures):,.0f}, {len(figures)} runs)"


if __name__ == "__main__":
    _cluster() if "--clustering" in sys.argv else main()
