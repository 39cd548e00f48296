"""Reading, evaluating and attributing ahead: a copy of this process does all three, and this one stores what comes.

The copy is made between two batches and goes on exactly where this process stood, with everything that it knew of
sources and sessions; so results do not depend on whether, or when, it was made. It is a few batches ahead: they wait
here, and one in a pipe. Where it has to look into the database it first waits until everything that it sent is stored,
as if there were one process. It ends when this process does, however that comes about.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Pipe
from queue import Queue
from typing import TYPE_CHECKING, NoReturn

import msgspec

from decnet.errors import WorkerEnded
from decnet.intake.prepared import PreparedEvents
from decnet.models.event import Event, EventId
from decnet.models.tag import TTPTag
from decnet.sources.base import Refusal
from decnet.sources.split import Position
from decnet.workers.foreseen import Foreseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from decnet.db.engine import Database

    Read = Callable[[str, bool], Iterator["Ready"]]

PIPE_BYTES = 1 << 20
"""Less than a batch."""
WAITING = 2
"""Batches that wait here: neither process stands still while the other has a longer one."""
_BATCH, _END, _FAULT = b"b", b"e", b"f"
_STORED, _ALONE, _READ = b"s", b"a", b"r"


class Found(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was found in a batch before it is stored, by those who do.

    That is tags by event, the events in the form in which they are stored, and what the batch brings to attribution if
    known.
    """

    tags: list[tuple[EventId, list[TTPTag]]] = []
    prepared: PreparedEvents | None = None
    foreseen: Foreseen | None = None


class Ready(msgspec.Struct, frozen=True, gc=False):
    """A batch of a log, ready to be stored: its events, and the tags of those that have some.

    ``lines`` counts those refused as well. What a copy has read comes without ``events`` but as it is stored. ``end``
    is where reading goes on once this is stored; None where nothing is known yet of what the log holds. ``resumed_at``
    is the number of lines that an earlier run had stored.
    """

    lines: int
    refusals: list[Refusal]
    events: list[Event]
    found: Found
    end: Position | None
    resumed_at: int = 0

    @property
    def given(self) -> int:
        """How many events were read, those that came twice as well."""
        prepared = self.found.prepared
        return len(self.events) if prepared is None else prepared.batch.given


class _Sent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A :class:`Ready` in a pipe."""

    lines: int
    refusals: list[Refusal]
    found: Found
    end: Position | None
    resumed_at: int


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Sent).decode
_unpack_log = msgspec.msgpack.Decoder(tuple[str, bool]).decode


def can_copy() -> bool:
    """Whether this system copies processes, and there is a second processor for the copy."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


class Copy:
    """A copy of this process that goes on with ``batches``, and later with what ``read`` gives for other logs.

    ``database`` is SQLite, and nobody uses it meanwhile. ``on_alone`` is called there each time we :meth:`go_alone`.
    """

    def __init__(
        self, database: Database, batches: Iterator[Ready], read: Read, on_alone: Callable[[], object] = bool
    ) -> None:
        self._from_copy, to_us = Pipe(duplex=False)
        from_us, self._to_copy = Pipe(duplex=False)
        _widen(to_us)
        database.let_go()  # a connection does not survive being copied
        self._process = os.fork()
        if self._process == 0:
            self._from_copy.close()
            self._to_copy.close()
            _Copied(from_us, to_us, on_alone).run(database, batches, read)
        to_us.close()
        from_us.close()
        self._told: Queue[bytes | None] = Queue(WAITING)
        self._receiver = threading.Thread(target=self._receive, daemon=True, name="ahead")
        self._receiver.start()

    def batches(self) -> Iterator[Ready]:
        """The rest of the log that the copy is at. A batch counts as stored when the next one is asked for.

        :raises DecnetError: what reading raised.
        :raises WorkerEnded: the copy was killed.
        """
        while True:
            told = self._told.get()
            if told is None:
                self._told.put(None)
                raise WorkerEnded("the process that reads ahead was killed; run again to go on from there")
            if told[:1] == _END:
                return
            if told[:1] == _FAULT:
                raise pickle.loads(told[1:])  # noqa: S301 - it comes from a copy of this very program
            ready = received(told)
            del told
            yield ready
            del ready  # its memory is for the next one
            with suppress(OSError):  # it was killed; what it sent before is still there
                self._to_copy.send_bytes(_STORED)

    def read(self, path: str, *, again: bool) -> Iterator[Ready]:
        """The batches of another log.

        :raises DecnetError: as :meth:`batches`.
        """
        with suppress(OSError):
            self._to_copy.send_bytes(_READ + _pack((path, again)))
        yield from self.batches()

    def go_alone(self) -> None:
        """Tell the copy that something was attributed here: what it foresees from what it knows does not hold."""
        with suppress(OSError):
            self._to_copy.send_bytes(_ALONE)

    def close(self) -> None:
        """The copy is over, whatever it waits for: it has nothing of its own to keep."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        while self._told.get() is not None:
            pass
        self._receiver.join()
        self._from_copy.close()
        self._to_copy.close()

    def _receive(self) -> None:
        """Take what comes off the pipe, which holds less than a batch, so that the copy goes on; None at the end."""
        try:
            while True:
                self._told.put(self._from_copy.recv_bytes())
        except (EOFError, OSError):
            self._told.put(None)


class _Copied:
    """The copy's side."""

    def __init__(self, from_parent: Connection, to_parent: Connection, on_alone: Callable[[], object]) -> None:
        self._from_parent = from_parent
        self._to_parent = to_parent
        self._on_alone = on_alone
        self._unstored = 0

    def run(self, database: Database, batches: Iterator[Ready], read: Read) -> NoReturn:
        """Send all batches, then those of the logs that are asked for; ends this process."""
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told as well, and ends us
            database.wait_before_reading(self._wait_until_stored)
            gc.freeze()
            while True:
                self._send_all(batches)
                batches = read(*self._next_log())
        except BaseException:  # noqa: BLE001, S110 - the parent is gone, or goes
            pass
        finally:
            os._exit(0)

    def _send_all(self, batches: Iterator[Ready]) -> None:
        try:
            for ready in batches:
                self._send(ready)
                del ready  # its memory is for the next one
        except (OSError, EOFError):
            raise
        except Exception as error:  # noqa: BLE001 - it is raised again in the parent
            self._to_parent.send_bytes(_FAULT + pickle.dumps(error))
        else:
            self._to_parent.send_bytes(_END)

    def _send(self, ready: Ready) -> None:
        while self._from_parent.poll():
            self._hear()
        self._unstored += 1
        self._to_parent.send_bytes(packed_batch(ready))

    def _next_log(self) -> tuple[str, bool]:
        while (told := self._hear()) is None:
            pass
        return told

    def _wait_until_stored(self) -> None:
        while self._unstored:
            self._hear()

    def _hear(self) -> tuple[str, bool] | None:
        """What the parent says next: the log to read, or None for anything else."""
        told = self._from_parent.recv_bytes()
        if told[:1] == _ALONE:
            self._on_alone()
            return None
        if told[:1] == _READ:
            return _unpack_log(told[1:])
        self._unstored -= 1
        return None


def packed_batch(ready: Ready) -> bytes:
    """``ready`` as the copy sends it."""
    return _BATCH + _pack(_Sent(ready.lines, ready.refusals, ready.found, ready.end, ready.resumed_at))


def received(told: bytes) -> Ready:
    """What :func:`packed_batch` was given, without its events."""
    sent = _unpack(memoryview(told)[1:])
    return Ready(sent.lines, sent.refusals, [], sent.found, sent.end, sent.resumed_at)


def _widen(pipe: Connection) -> None:
    """More room, where the system grants it."""
    import fcntl

    with suppress(OSError):
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
