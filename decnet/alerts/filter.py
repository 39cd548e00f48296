"""Which tags a hook wants, first by what is announced of them, then by what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from decnet.models.actor import IdentityUuid
    from decnet.models.announcement import Tagged
    from decnet.models.hook import HookFilter
    from decnet.models.stored_tag import StoredTag


def may_want(wanted: HookFilter, told: Tagged) -> bool:
    """Whether any of the tags that ``told`` names can be wanted: what cannot is not looked up."""
    return not wanted.techniques or any(_is_named(name, wanted.techniques) for name in told.techniques_added)


def is_wanted(wanted: HookFilter, tag: StoredTag, identities: Collection[IdentityUuid]) -> bool:
    """Whether the hook wants ``tag``; ``identities`` are those that it names, as they are called now."""
    return (
        tag.confidence >= wanted.min_confidence
        and (not wanted.techniques or _is_named(tag.attack_id, wanted.techniques))
        and (not wanted.tactics or tag.tactic in wanted.tactics)
        and (not wanted.identities or tag.identity_uuid in identities)
    )


def _is_named(attack_id: str, techniques: Iterable[str]) -> bool:
    """Whether the technique, or the one above it, is among ``techniques``."""
    return attack_id in techniques or attack_id.partition(".")[0] in techniques
