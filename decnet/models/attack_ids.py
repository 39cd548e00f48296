"""Ids of MITRE ATT&CK, as their owner spells them."""

from __future__ import annotations

from typing import NewType

TacticId = NewType("TacticId", str)
"""``TA0005``."""

TechniqueId = NewType("TechniqueId", str)
"""A technique, ``T1059``, or a sub-technique with its full id, ``T1059.004``."""
