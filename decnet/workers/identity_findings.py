"""What an identity's day shows, over whoever belongs to it now: from the stored days of its attackers.

Figures are read before the transaction and compared with what is stored within it; only the clusterer makes these
findings, so nothing comes between.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.attribution.credentials import DayFacts, body_findings, identity_findings, raised
from decnet.attribution.pages import credentials_in, page_numbers
from decnet.attribution.states import Credential, packed
from decnet.bus.topics import CREDENTIAL_REUSE
from decnet.db.bodies import senders_of_bodies
from decnet.db.findings import (
    Scope,
    day_key,
    known_figures,
    read_pages,
    read_states,
    stored_identities,
    write_findings,
)
from decnet.models.actor import identity_uuid
from decnet.models.finding import DAY_US, IDENTITY_ROLLUP, IdentityReuse
from decnet.models.message import bulk_messages
from decnet.models.sighting import CredentialReused, packed_sighting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.actor import AttackerUuid
    from decnet.models.finding import Finding
    from decnet.models.message import Message

MOST_MEMBERS = 1_000
"""Attackers of an identity that are looked at for one day: more have long shown what they can show."""
TOPIC = f"finding.{IDENTITY_ROLLUP}"


class IdentityDay(NamedTuple):
    """A UTC day (its number since 1970) of the identity that ``head`` founded, and who belongs to it."""

    head: AttackerUuid
    day: int
    members: tuple[AttackerUuid, ...]


class _Credentials(msgspec.Struct):
    """As much of :class:`~decnet.attribution.states.DayState` as is asked for here."""

    credentials: list[Credential] = []
    paged: list[int] = []


_unpacked = msgspec.msgpack.Decoder(_Credentials).decode


def findings_of_days(
    database: Database, days: Sequence[IdentityDay], asn_of: Callable[[AttackerUuid], int | None]
) -> list[Finding]:
    """What these days show, as first revisions."""
    wanted = {day_key(member, day.day) for day in days for member in day.members[:MOST_MEMBERS]}
    credentials = database.read(partial(_credentials_of_days, keys=sorted(wanted)))
    return [finding for day in days for finding in _shown(day, credentials, asn_of)]


def findings_of_bodies(
    database: Database, days: Iterable[IdentityDay], head_of: Callable[[AttackerUuid], AttackerUuid]
) -> list[Finding]:
    """What the texts of mails of these days show that other identities sent as well, as first revisions.

    All of these identities get one: to the others, the day of whoever joins them later is news.
    """
    members: dict[int, set[AttackerUuid]] = {}
    for day in days:
        members.setdefault(day.day, set()).update(day.members[:MOST_MEMBERS])
    found: list[Finding] = []
    for number, attackers in sorted(members.items()):
        since = number * DAY_US
        look = partial(senders_of_bodies, attackers=attackers, since=since, until=since + DAY_US)
        identities = {
            body: {(head, identity_uuid(head)) for head in map(head_of, senders)}
            for body, senders in database.read(look).items()
        }
        found += body_findings(number, identities)
    return found


def write_grown(connection: Connection, found: Iterable[Finding]) -> list[Finding]:
    """Store those of ``found`` that are new or more than what is stored; returns them at their revisions.

    One whose identity is not stored, since its attackers were purged meanwhile, is passed over.
    """
    findings = list(found)
    known = known_figures(connection, findings)
    grown = raised(findings, known)
    stored = stored_identities(connection, {one.identity_uuid for one in grown if one.identity_uuid is not None})
    grown = [finding for finding in grown if finding.identity_uuid in stored]
    if grown:
        write_findings(connection, grown)
    return grown


def finding_messages(grown: Iterable[Finding], partition: int) -> Iterator[Message]:
    """What is to be announced of findings that were just stored."""
    findings = list(grown)
    yield from bulk_messages(TOPIC, partition, map(packed, findings))
    reused = [
        packed_sighting(CredentialReused(one.identity_uuid, one.source_id, one.figures.places, one.observed_at))
        for one in findings
        if isinstance(one.figures, IdentityReuse) and one.revision == 1 and one.identity_uuid is not None
    ]
    yield from bulk_messages(CREDENTIAL_REUSE.pattern, partition, reused)


def _credentials_of_days(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, frozenset[Credential]]:
    """The credentials of each of these days, by its key."""
    found = {}
    for key, body in read_states(connection, Scope.DAY, keys).items():
        day = _unpacked(body)
        credentials = day.credentials
        if day.paged:
            numbers = page_numbers(day.paged[:1])  # they are the first of a day's lists
            credentials = credentials_in(day.paged, read_pages(connection, Scope.DAY_PAGE, key, numbers))
        found[key] = frozenset(credentials)
    return found


def _shown(
    day: IdentityDay, credentials: Mapping[bytes, frozenset[Credential]], asn_of: Callable[[AttackerUuid], int | None]
) -> list[Finding]:
    facts = []
    for member in day.members[:MOST_MEMBERS]:
        tried = credentials.get(day_key(member, day.day))
        if tried is not None:
            facts.append(DayFacts(tried, asn_of(member)))
    return identity_findings(identity_uuid(day.head), day.head, day.day, facts)
