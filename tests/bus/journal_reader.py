"""A process of its own that reads a journal: prints each item, and kills itself at one that says so.

``python journal_reader.py URL COUNT RUN`` ends after COUNT items; a delivery holds up to RUN messages.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from decnet.bus.base import Start
from decnet.bus.consume import Batch, consume
from decnet.bus.journal import JournalBus, JournalSettings
from decnet.db.engine import open_database


async def main(url: str, count: int, run: int) -> None:
    database = open_database(url)
    bus = JournalBus(database, JournalSettings(lease_s=0.4, poll_s=30))
    done = asyncio.Event()
    seen = 0

    async def handle(batch: Batch) -> None:
        nonlocal seen
        for item in batch.items:
            if item == b"kill":
                os.kill(os.getpid(), signal.SIGKILL)
            print(item.decode(), flush=True)  # noqa: T201 - what the test reads
        seen += len(batch.items)
        if seen >= count:
            done.set()

    async with bus.subscribe("events", durable="ttp", start=Start.FIRST, run=run) as subscription:
        print("ready", flush=True)  # noqa: T201 - the same
        loop = asyncio.create_task(consume(subscription, handle))
        await done.wait()
        await asyncio.sleep(0.1)
        loop.cancel()
    await bus.close()
    database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
