"""The embedded bus: the outbox of the SQLite database itself, read in order by any number of processes of one host.

A message is published by the transaction that stores what it announces, and a position moves in the transaction that
stores the effects, so that nothing is ever half done. A file beside the database is touched after each commit that
announces something, and everybody watches it: no busy polling. Who is killed between commit and touch delays the
message by :attr:`JournalSettings.poll_s`, no more.
"""

from decnet.bus.journal.bus import JournalBus
from decnet.bus.journal.leases import JournalLeases
from decnet.bus.journal.settings import JournalSettings
from decnet.bus.journal.wake import wake_file, wake_readers

__all__ = ["JournalBus", "JournalLeases", "JournalSettings", "wake_file", "wake_readers"]
