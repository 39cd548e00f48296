"""What a tagger is, and the two that make others safe: one that never raises, one that is many."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from decnet.errors import StorageUnavailable
from decnet.models.event import (
    AUTH_ATTEMPT,
    COMMAND,
    FINGERPRINT,
    HTTP_REQUEST,
    INTEL_VERDICT,
    PAYLOAD,
    SCAN,
    SESSION,
    SourceKind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.models.event import Event
    from decnet.models.tag import TTPTag

log = logging.getLogger(__name__)

KNOWN_SOURCE_KINDS: frozenset[SourceKind] = frozenset(
    {
        COMMAND,
        HTTP_REQUEST,
        AUTH_ATTEMPT,
        PAYLOAD,
        FINGERPRINT,
        SCAN,
        SESSION,
        INTEL_VERDICT,
        *map(
            SourceKind,
            (
                "canary",
                "canary_fingerprint",
                "email",
                "email_header",
                "email_body",
                "email_attachment",
                "identity_rollup",
            ),
        ),
    }
)
"""Kinds that taggers know of; storage takes any string."""

LOG_EVERY = 100


class Tagger(Protocol):
    """Turns an event into tags."""

    def handles(self, kind: SourceKind) -> bool:
        """Whether events of this kind can get a tag here."""

    def tag(self, event: Event) -> list[TTPTag]:
        """The techniques that ``event`` shows; deterministic, and empty when it shows none."""


class Failures:
    """What went wrong in one part of a tagger: counted, and told the first time and every hundredth time."""

    def __init__(self, part: str) -> None:
        self._part = part
        self.count = 0

    def note(self, error: Exception, kind: SourceKind, source_id: str) -> None:
        """``error`` came up while something of ``kind`` was looked at."""
        if self.count % LOG_EVERY == 0:
            log.warning(
                "%s failed on %s %s (%d failures so far)", self._part, kind, source_id, self.count + 1, exc_info=error
            )
        self.count += 1


class TolerantTagger:
    """A tagger that never raises on an attacker's event: what goes wrong is counted and costs only its own tags.

    ``KeyboardInterrupt``, ``SystemExit`` and cancellation pass. So does ``StorageUnavailable``: earlier commands of a
    session could not be read, which is not the event's fault, and is over when the database is back.
    """

    def __init__(self, inner: Tagger) -> None:
        self._inner = inner
        self._failures = Failures(type(inner).__name__)

    @property
    def failures(self) -> int:
        """How often the inner tagger failed."""
        return self._failures.count

    def handles(self, kind: SourceKind) -> bool:
        """Whether the inner tagger looks at events of this kind."""
        return self._inner.handles(kind)

    def tag(self, event: Event) -> list[TTPTag]:
        """The inner tagger's tags, or none where it failed."""
        try:
            return self._inner.tag(event)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one of three boundaries: an event is untrusted, a fault here must not stop the stream
            self._failures.note(error, event.source_kind, event.id.hex())
            return []


class CompositeTagger:
    """Several taggers as one; each is isolated from the others' failures."""

    def __init__(self, members: Sequence[Tagger]) -> None:
        self._members = tuple(TolerantTagger(member) for member in members)
        self._alone = self._members[0] if len(self._members) == 1 else None
        self._seen: set[SourceKind] = set()

    @property
    def failures(self) -> int:
        """How often any member failed."""
        return sum(member.failures for member in self._members)

    def handles(self, kind: SourceKind) -> bool:
        """Whether any member looks at events of this kind."""
        return any(member.handles(kind) for member in self._members)

    def tag(self, event: Event) -> list[TTPTag]:
        """The members' tags, one after the other."""
        kind = event.source_kind
        if kind not in self._seen:
            self._seen.add(kind)
            self._report_unhandled(kind)
        if self._alone is not None:
            return self._alone.tag(event)
        return [tag for member in self._members for tag in member.tag(event)]

    def _report_unhandled(self, kind: SourceKind) -> None:
        if kind not in KNOWN_SOURCE_KINDS:
            log.info("events of kind %r are stored, but no tagger knows that kind", kind)
        elif not self.handles(kind):
            log.warning("no rule looks at events of kind %r; they are stored without tags", kind)
