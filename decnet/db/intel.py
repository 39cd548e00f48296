"""What providers are still to be asked, what they said, and how often they were asked.

``intel_lookup`` is a queue that outlives the process: a row per provider and attacker, due until it is answered. The
row of :data:`~decnet.models.intel.AGREEMENT` points to what all providers together say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import delete, func, select, update

from decnet.db.dialect import Merge, dialect_of
from decnet.db.findings import write_findings
from decnet.db.tables import attacker, finding, intel_lookup, intel_quota
from decnet.models.actor import AttackerUuid
from decnet.models.event import INTEL_VERDICT
from decnet.models.finding import Figures, Finding, intel_source_id
from decnet.models.intel import AGREEMENT, Agreement, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Update
    from sqlalchemy.engine import Connection

    from decnet.models.actor import SessionUuid

_LOOKUP = intel_lookup.c
_WANTED = ("provider", "attacker_id", "wanted_at", "due_at", "tries")
_QUOTA = {"window_number": Merge.GIVEN, "used": Merge.GIVEN, "closed_until": Merge.GREATEST}
_OF_SESSIONS = """
SELECT DISTINCT attacker.id, attacker.address FROM session JOIN attacker ON attacker.id = session.attacker_id
WHERE session.uuid IN ({places})"""
_BY_UUID = "SELECT id, address FROM attacker WHERE uuid IN ({places})"
_FINDINGS_OF_SESSIONS = """
SELECT DISTINCT finding.source_id, finding.observed_at, finding.revision, finding.figures, attacker.uuid
FROM session JOIN attacker ON attacker.id = session.attacker_id
JOIN intel_lookup ON intel_lookup.attacker_id = attacker.id
JOIN finding ON finding.observed_at = intel_lookup.found_at AND finding.source_id = intel_lookup.source_id
WHERE session.uuid IN ({places})"""
_decode_figures = msgspec.json.Decoder(Figures).decode


class Lookup(NamedTuple):
    """An attacker about whom a provider is to be asked; ``tries`` failed already."""

    attacker_id: int
    attacker_uuid: AttackerUuid
    address: str
    tries: int


class Quota(NamedTuple):
    """How often a provider was asked in the window of that number, and until when (µs) it wants to be left alone."""

    window: int
    used: int
    closed_until: int


def attackers_of_sessions(connection: Connection, uuids: Iterable[SessionUuid]) -> list[tuple[int, str]]:
    """Number and address of the stored attackers of these sessions."""
    return [(row[0], row[1]) for row in dialect_of(connection).rows_with(connection, _OF_SESSIONS, sorted(set(uuids)))]


def attackers_with(connection: Connection, uuids: Iterable[AttackerUuid]) -> list[tuple[int, str]]:
    """Number and address of the stored ones among these attackers."""
    return [(row[0], row[1]) for row in dialect_of(connection).rows_with(connection, _BY_UUID, sorted(set(uuids)))]


def want_lookups(
    connection: Connection, providers: Sequence[str], attackers: Sequence[int], *, now: int, kept_us: int
) -> None:
    """Each provider is to be asked about these attackers, unless it was within the last ``kept_us``."""
    rows = [(name, number, now, now, 0) for name in sorted(providers) for number in sorted(set(attackers))]
    dialect_of(connection).insert_missing(connection, intel_lookup, ("provider", "attacker_id"), _WANTED, rows)
    for number in sorted(set(attackers)):
        again = update(intel_lookup).where(
            _LOOKUP.attacker_id == number,
            _LOOKUP.provider.in_(providers),
            _LOOKUP.due_at.is_(None),
            _LOOKUP.answered_at <= now - kept_us,
        )
        connection.execute(again.values(wanted_at=now, due_at=now, tries=0))


def due_lookup(connection: Connection, provider: str, *, now: int) -> Lookup | None:
    """The newest look-up that is due: what attackers do now matters more than what they did yesterday."""
    query = (
        select(_LOOKUP.attacker_id, attacker.c.uuid, attacker.c.address, _LOOKUP.tries)
        .join(attacker, attacker.c.id == _LOOKUP.attacker_id)
        .where(_LOOKUP.provider == provider, _LOOKUP.due_at <= now)
        .order_by(_LOOKUP.due_at.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return Lookup(*row) if row else None


def count_due(connection: Connection, providers: Sequence[str], *, now: int) -> int:
    """How many look-ups of these providers wait that could be made now."""
    due = (_LOOKUP.provider.in_(providers), _LOOKUP.due_at <= now)
    query = select(func.count()).select_from(intel_lookup).where(*due)
    found: int = connection.execute(query).scalar_one()
    return found


def read_quota(connection: Connection, provider: str) -> Quota:
    """What is noted of a provider; zeros for one that was never asked."""
    of = intel_quota.c
    row = connection.execute(
        select(of.window_number, of.used, of.closed_until).where(of.provider == provider)
    ).one_or_none()
    return Quota(*row) if row else Quota(0, 0, 0)


def write_quota(connection: Connection, provider: str, quota: Quota) -> None:
    """Note it; a provider is left alone until the latest time that was ever noted."""
    dialect_of(connection).merge(connection, intel_quota, ("provider",), _QUOTA, [(provider, *quota)])


def postpone_lookup(connection: Connection, provider: str, lookup: Lookup, *, due_at: int) -> None:
    """It failed once more, and is due again then."""
    connection.execute(_row_of(provider, lookup.attacker_id).values(due_at=due_at, tries=lookup.tries + 1))


def forget_lookups(connection: Connection, providers: Sequence[str], *, before: int) -> int:
    """Forget what these were to be asked before then (µs) and never answered; returns how many."""
    unanswered = (_LOOKUP.provider.in_(providers), _LOOKUP.due_at.is_not(None), _LOOKUP.answered_at.is_(None))
    return connection.execute(delete(intel_lookup).where(*unanswered, _LOOKUP.wanted_at < before)).rowcount


def store_answer(
    connection: Connection, provider: str, lookup: Lookup, verdict: Verdict | None, *, now: int
) -> list[Finding]:
    """Note what ``provider`` said, None for no opinion; returns the findings to announce.

    A verdict that says what one before it said is that finding, with its time, and not announced again. What all
    providers together say is announced whenever it is not what it was.
    """
    if not connection.execute(select(attacker.c.id).where(attacker.c.id == lookup.attacker_id)).first():
        return []  # purged meanwhile
    new: list[Finding] = []
    name = at = None
    if verdict is not None:
        found, is_new = _stored_finding(connection, lookup, verdict, now)
        name, at = found.source_id, found.observed_at
        new += [found] if is_new else []
    row = _row_of(provider, lookup.attacker_id)
    connection.execute(row.values(due_at=None, answered_at=now, tries=0, found_at=at, source_id=name))
    agreement = _changed_agreement(connection, lookup, now)
    return [*new, agreement] if agreement is not None else new


def newest_verdicts(connection: Connection, attacker_id: int) -> list[Verdict]:
    """What each provider said last of an attacker, in order of the providers' names."""
    query = (
        select(finding.c.figures)
        .join(intel_lookup, (_LOOKUP.found_at == finding.c.observed_at) & (_LOOKUP.source_id == finding.c.source_id))
        .where(_LOOKUP.attacker_id == attacker_id, _LOOKUP.provider != AGREEMENT)
        .order_by(_LOOKUP.provider)
    )
    figures = [_decode_figures(text) for text in connection.execute(query).scalars()]
    return [one for one in figures if isinstance(one, Verdict)]


def verdicts_stored(connection: Connection, provider: str) -> Iterable[Verdict]:
    """Every verdict of a provider that is stored."""
    query = select(finding.c.figures).where(
        finding.c.source_kind == INTEL_VERDICT, finding.c.source_id.startswith(f"intel:{provider}:", autoescape=True)
    )
    figures = (_decode_figures(text) for text in connection.execute(query).scalars())
    return [one for one in figures if isinstance(one, Verdict)]


def intel_findings_of(connection: Connection, sessions: Iterable[SessionUuid]) -> list[Finding]:
    """What providers said last of the attackers of these sessions, each by itself and together."""
    rows = dialect_of(connection).rows_with(connection, _FINDINGS_OF_SESSIONS, sorted(set(sessions)))
    return [
        Finding(name, INTEL_VERDICT, at, revision, _decode_figures(figures), AttackerUuid(bytes(who)))
        for name, at, revision, figures, who in rows
    ]


def set_intel_bumps(connection: Connection, bumps: Mapping[AttackerUuid, float]) -> None:
    """By how much views of these attackers' tags are lifted."""
    for uuid, bump in sorted(bumps.items()):
        connection.execute(update(attacker).where(attacker.c.uuid == uuid).values(intel_bump=bump))


def _changed_agreement(connection: Connection, lookup: Lookup, now: int) -> Finding | None:
    """What all providers say of an attacker, where that is not what it was."""
    verdicts = tuple(newest_verdicts(connection, lookup.attacker_id))
    where = (_LOOKUP.provider == AGREEMENT, _LOOKUP.attacker_id == lookup.attacker_id)
    before = connection.execute(select(_LOOKUP.source_id).where(*where)).scalar()
    if before is None and len(verdicts) <= 1:
        return None  # one alone agrees with nobody
    agreement = Agreement(lookup.address, verdicts)
    if intel_source_id(lookup.attacker_uuid, agreement) == before:
        return None
    found, _ = _stored_finding(connection, lookup, agreement, now)
    row = (AGREEMENT, lookup.attacker_id, now, 0)
    columns = ("provider", "attacker_id", "wanted_at", "tries")
    dialect_of(connection).insert_missing(connection, intel_lookup, ("provider", "attacker_id"), columns, [row])
    says = {"answered_at": now, "found_at": found.observed_at, "source_id": found.source_id}
    connection.execute(_row_of(AGREEMENT, lookup.attacker_id).values(says))
    return found


def _stored_finding(
    connection: Connection, lookup: Lookup, figures: Verdict | Agreement, now: int
) -> tuple[Finding, bool]:
    """The finding of these figures, written where it was missing, and whether it was; its time is that of the first."""
    name = intel_source_id(lookup.attacker_uuid, figures)
    where = (finding.c.attacker_id == lookup.attacker_id, finding.c.source_id == name)
    at = connection.execute(select(finding.c.observed_at).where(*where)).scalar()
    found = Finding(name, INTEL_VERDICT, now if at is None else at, 1, figures, lookup.attacker_uuid)
    if at is None:
        write_findings(connection, [found])
    return found, at is None


def _row_of(provider: str, attacker_id: int) -> Update:
    return update(intel_lookup).where(_LOOKUP.provider == provider, _LOOKUP.attacker_id == attacker_id)
