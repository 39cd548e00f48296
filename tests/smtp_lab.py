"""SMTP decoys of a test's own, each on a free port of loopback, in a thread of their own."""

from __future__ import annotations

import asyncio
import json
import smtplib
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from decnet.decoys.smtp.decoy import Manner, SmtpDecoy
from decnet.models.secret import secret_digest
from tests.databases import rows

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from decnet.db.artifacts import FileArtifacts
    from decnet.db.engine import Database

KEY = b"k" * 32
PATIENCE_S = 20.0
_EVENTS = """
SELECT event.source_kind, event.payload, attacker.address FROM event
JOIN session ON session.id = event.session_id JOIN attacker ON attacker.id = session.attacker_id
ORDER BY session.id, event.seq"""


class StoredEvent(NamedTuple):
    kind: str
    payload: dict[str, Any]
    source: str


class SmtpLab:
    """A running decoy."""

    def __init__(self, database: Database, port: int) -> None:
        self.database = database
        self.port = port

    def connected(self, source: str = "127.0.0.1") -> smtplib.SMTP:
        """A client from an address of loopback."""
        return smtplib.SMTP("127.0.0.1", self.port, timeout=10, source_address=(source, 0))

    def events(self, kind: str, source: str = "127.0.0.1", *, least: int = 1) -> list[StoredEvent]:
        """The stored events of a kind and source, once there are so many."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            stored = (StoredEvent(each, json.loads(text), at) for each, text, at in rows(self.database, _EVENTS))
            found = [event for event in stored if event.kind == kind and event.source == source]
            if len(found) >= least or time.monotonic() > deadline:
                assert len(found) >= least, f"waited in vain for {least} {kind} of {source}"
                return found
            time.sleep(0.02)

    def end(self, source: str = "127.0.0.1") -> dict[str, Any]:
        """The figures of the first session of ``source`` that is over."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for event in self.events("session", source):
                if event.payload["action"] == "ended":
                    figures: dict[str, Any] = event.payload["smtp"]
                    return figures
            time.sleep(0.02)
        raise AssertionError(f"the session of {source} does not end")


@contextmanager
def smtp_decoy(
    database: Database,
    artifacts: FileArtifacts,
    manner: Manner | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[SmtpLab]:
    """A decoy that runs meanwhile, with the database ``database``."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    decoy = SmtpDecoy(database, artifacts, secret_digest(KEY), "127.0.0.1", 0, manner=manner or Manner(), tls=tls)
    _, port = loop.run_until_complete(decoy.listen())
    thread = threading.Thread(target=loop.run_until_complete, args=(decoy.run(stop),))
    thread.start()
    try:
        yield SmtpLab(database, port)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        loop.close()
