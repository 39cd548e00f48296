"""Stored mails, as rules ask for them: what people read of one, and how often its text was seen before."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from functools import partial
from typing import TYPE_CHECKING

from decnet.db.bodies import MAX_COUNTED, earlier_bodies
from decnet.models.event import EMAIL
from decnet.models.mail import MailPayload
from decnet.sources.mail.extract import mail_text
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from decnet.db.engine import Database
    from decnet.models.artifact import ArtifactStore, Digest
    from decnet.models.event import Event
    from decnet.models.mail import MailText

_REMEMBERED = 64
_PAUSES_S = (0.05, 0.2, 0.5)
"""How long a message that is not there yet is waited for, each time it is missed."""
_PATIENT_MISSES = 5
"""After so many misses in a row nobody waits until a message is there: they are old, and retention took them."""
_MOST_NOTED = 10_000
_LOG_EVERY = 100
_log = logger(__name__)


class StoredMails:
    """Opens stored messages; see :class:`~decnet.models.mail.Mails`. Safe to share between threads.

    The last few are remembered, missing ones too, since several rules ask for the same one after the other.
    """

    def __init__(self, artifacts: ArtifactStore, *, pause: Callable[[float], object] = time.sleep) -> None:
        self._artifacts = artifacts
        self._pause = pause
        self._known: OrderedDict[Digest, MailText | None] = OrderedDict()
        self._turn = threading.Lock()
        self._missed_in_a_row = 0
        self.missed = 0

    def text_of(self, digest: Digest) -> MailText | None:
        """What people read of the message under ``digest``; None when it is not stored, which is counted."""
        with self._turn:
            if digest in self._known:
                return self._known[digest]
        content = self._content(digest)
        text = mail_text(content) if content is not None else None
        with self._turn:
            self._known[digest] = text
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return text

    def _content(self, digest: Digest) -> bytes | None:
        content = self._artifacts.get(digest)
        for pause_s in _PAUSES_S if self._missed_in_a_row < _PATIENT_MISSES else ():
            if content is not None:
                break
            self._pause(pause_s)
            content = self._artifacts.get(digest)
        if content is not None:
            self._missed_in_a_row = 0
            return content
        self._missed_in_a_row += 1
        self.missed += 1
        if self.missed % _LOG_EVERY == 1:
            _log.warning(
                "mail %s is not stored, rules about its words pass it by (%d so far)", digest.hex(), self.missed
            )
        return None


class StoredBodies:
    """Counts earlier mails with the same text; see :class:`~decnet.models.mail.SeenBodies`.

    What is evaluated before it is stored (the direct mode) is told of with :meth:`note`, so that figures do not depend
    on where a batch was cut.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: deque[tuple[str, int, bytes]] = deque(maxlen=_MOST_NOTED)

    def note(self, events: Iterable[Event]) -> None:
        """These are about to be stored."""
        for event in events:
            if event.source_kind == EMAIL and isinstance(event.payload, MailPayload):
                self._noted.append((event.payload.body_sha256, event.observed_at, event.id))

    def earlier_messages(self, body_sha256: str, observed_at: int, event_id: bytes) -> int:
        """Mails with this text that stand before (``observed_at``, ``event_id``), up to a hundred."""
        here = (observed_at, event_id)
        digest = bytes.fromhex(body_sha256)
        look = partial(earlier_bodies, digest=digest, observed_at=observed_at, event_id=event_id)
        found = self._database.read(look)
        found |= {key for text, at, key in tuple(self._noted) if text == body_sha256 and (at, key) < here}
        return min(len(found), MAX_COUNTED)
