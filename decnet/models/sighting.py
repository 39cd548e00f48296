"""What is announced about attackers: the bodies of messages on ``attacker.observed`` and its like.

They are MessagePack, as maps by field name; times are µs UTC, uuids 16 bytes. Each fact is announced once. A reader
passes over fields that it does not know: later versions may add some.
"""

from __future__ import annotations

import msgspec

from decnet.models.actor import AttackerUuid, IdentityUuid


class AttackerObserved(msgspec.Struct, frozen=True, gc=False):
    """On ``attacker.observed``: an address was seen for the first time, at ``observed_at``."""

    attacker_uuid: AttackerUuid
    address: str
    observed_at: int


class AttackerScored(msgspec.Struct, frozen=True, gc=False):
    """On ``attacker.scored``: an attacker's day (its start, µs) has the rhythm of a behaviour class now."""

    attacker_uuid: AttackerUuid
    behaviour: str
    day_start: int


class CredentialReused(msgspec.Struct, frozen=True, gc=False):
    """On ``credential.reuse.detected``: an identity used one pair of account and password at several places in a day.

    ``source_id`` is that of the finding, which has the figure at any later time; ``places`` is what it was at first.
    """

    identity_uuid: IdentityUuid
    source_id: str
    places: int
    day_start: int


packed_sighting = msgspec.msgpack.Encoder().encode
"""One of these as bytes; ``msgspec.msgpack.decode(data, type=…)`` reads it back."""
