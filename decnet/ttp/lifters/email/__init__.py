"""Predicates about mail: about its record, which holds no words, and about the words of the stored message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.ttp.lifters.email import attachments, record, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.ttp.lifters.base import Predicate

PREDICATES: Mapping[str, Predicate] = {**record.PREDICATES, **attachments.PREDICATES, **words.PREDICATES}
"""All predicates about mail."""
