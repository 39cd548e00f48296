"""What is announced about identities and campaigns: the bodies of messages on ``identity.*`` and ``campaign.*``.

They are MessagePack, as maps by field name.

All come from the one clusterer, in partition 0. They tell of memberships that are stored already; who is a member now
is what the database says. A reader passes over fields that it does not know: later versions may add some.
"""

from __future__ import annotations

import msgspec

from decnet.models.actor import AttackerUuid, CampaignUuid, IdentityUuid


class IdentityFormed(msgspec.Struct, frozen=True, gc=False):
    """On ``identity.formed``: an identity has more than one attacker, and had not before."""

    identity_uuid: IdentityUuid
    attackers: int


class IdentityLinked(msgspec.Struct, frozen=True, gc=False):
    """On ``identity.observation.linked``: an attacker belongs to an identity that it has not founded."""

    identity_uuid: IdentityUuid
    attacker_uuid: AttackerUuid


class IdentityMerged(msgspec.Struct, frozen=True, gc=False):
    """On ``identity.merged``: ``merged_uuid`` has no attackers of its own any more and points to the older identity."""

    identity_uuid: IdentityUuid
    merged_uuid: IdentityUuid


class IdentityUnmerged(msgspec.Struct, frozen=True, gc=False):
    """On ``identity.unmerged``: an identity that had been merged into ``from_uuid`` is its own again."""

    identity_uuid: IdentityUuid
    from_uuid: IdentityUuid


class CampaignFormed(msgspec.Struct, frozen=True, gc=False):
    """On ``campaign.formed``: a campaign has more than one identity, and had not before."""

    campaign_uuid: CampaignUuid
    identities: int


class CampaignAssigned(msgspec.Struct, frozen=True, gc=False):
    """On ``campaign.identity.assigned``: an identity belongs to a campaign that it has not founded."""

    campaign_uuid: CampaignUuid
    identity_uuid: IdentityUuid


class CampaignMerged(msgspec.Struct, frozen=True, gc=False):
    """On ``campaign.merged``: ``merged_uuid`` has no identities any more and points to the older campaign.

    What follows from a merge of identities alone is not told again.
    """

    campaign_uuid: CampaignUuid
    merged_uuid: CampaignUuid


class CampaignUnmerged(msgspec.Struct, frozen=True, gc=False):
    """On ``campaign.unmerged``: a campaign that had been merged into ``from_uuid`` is its own again."""

    campaign_uuid: CampaignUuid
    from_uuid: CampaignUuid


MembershipMessage = (
    IdentityFormed
    | IdentityLinked
    | IdentityMerged
    | IdentityUnmerged
    | CampaignFormed
    | CampaignAssigned
    | CampaignMerged
    | CampaignUnmerged
)

_pack = msgspec.msgpack.Encoder().encode


def packed_membership(message: MembershipMessage) -> bytes:
    """``message`` as bytes; ``msgspec.msgpack.decode(data, type=…)`` reads it back."""
    return _pack(message)
