"""Who and where: source addresses, attackers, sessions, identities. All ids are deterministic, and 16 bytes here.

A replay on an empty database gives the same ids, because each is a UUIDv5 over what was recorded and nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NewType
from uuid import UUID

import msgspec

from decnet.models.ids import uuid5_bytes, uuid_text

AttackerUuid = NewType("AttackerUuid", bytes)
IdentityUuid = NewType("IdentityUuid", bytes)
CampaignUuid = NewType("CampaignUuid", bytes)
SessionUuid = NewType("SessionUuid", bytes)

_ATTACKER_NAMESPACE = UUID("5b0d1c0e-6c39-5b6a-9b6f-0d6f3f0f8a01")
_IDENTITY_NAMESPACE = UUID("5b0d1c0e-6c39-5b6a-9b6f-0d6f3f0f8a02")
_CAMPAIGN_NAMESPACE = UUID("5b0d1c0e-6c39-5b6a-9b6f-0d6f3f0f8a03")
_SESSION_NAMESPACE = UUID("5b0d1c0e-6c39-5b6a-9b6f-0d6f3f0f8a04")
_REMEMBERED = 8_192


@lru_cache(_REMEMBERED)
def canonical_address(text: str) -> str:
    """The one spelling of an IP address: lower case, compressed, IPv4-mapped IPv6 as IPv4, no zone.

    :raises ValueError: ``text`` is not an IP address.
    """
    address = ip_address(text.strip().partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


@lru_cache(_REMEMBERED)
def attacker_uuid(address: str) -> AttackerUuid:
    """The attacker behind a *canonical* source address: one per address, known from the record alone."""
    return AttackerUuid(uuid5_bytes(_ATTACKER_NAMESPACE, address))


def identity_uuid(founder: AttackerUuid) -> IdentityUuid:
    """The identity that ``founder`` starts; every attacker has one from its first event."""
    return IdentityUuid(uuid5_bytes(_IDENTITY_NAMESPACE, uuid_text(founder)))


def campaign_uuid(founder: IdentityUuid) -> CampaignUuid:
    """The campaign that ``founder`` starts."""
    return CampaignUuid(uuid5_bytes(_CAMPAIGN_NAMESPACE, uuid_text(founder)))


@lru_cache(_REMEMBERED)
def session_uuid(sensor: str, native_id: str) -> SessionUuid:
    """The session that the honeypot ``sensor`` calls ``native_id``.

    The length of the sensor's name goes into the hash, so that no other split of the same characters gives the same id.
    """
    return SessionUuid(uuid5_bytes(_SESSION_NAMESPACE, f"{len(sensor)}:{sensor}{native_id}"))


class SessionChange(msgspec.Struct, array_like=True, gc=False):
    """What a run of events adds to one session: counts, the latest time, and its end where it is among them."""

    first_event_at: int
    last_event_at: int
    ended_at: int | None = None
    duration_ms: int | None = None
    events: int = 0
    commands: int = 0
    logins_failed: int = 0
    logins_succeeded: int = 0
    files: int = 0
