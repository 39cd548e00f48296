"""The alerts worker: new tags out of messages, alerts to whoever asked for them.

What a hook wants is noted in the transaction that acknowledges the message, and sent beside it: one delivery per hook
at a time, the oldest first, so that a receiver that is slow or away delays nobody else, and tagging least of all. A
delivery that failed is due again later, through restarts too, until it is delivered or given up. It may come twice,
under the same number, where a process is killed between sending and noting that.

One process works at a time, under a lease. Where there is no hook nothing is read from the bus at all. Nothing is
published here, so no alert can cause another.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from decnet.alerts.alert import Alert, named, sample_tag
from decnet.alerts.cef import cef_line
from decnet.alerts.filter import is_wanted, may_want
from decnet.alerts.limit import admit, held_back, is_over
from decnet.alerts.syslog import syslog_around, syslog_line
from decnet.alerts.target import target_of
from decnet.alerts.webhook import hook_secret, webhook_body, webhook_headers
from decnet.bus.base import Start
from decnet.bus.consume import Counters
from decnet.bus.topics import TAGGED
from decnet.db.hooks import (
    active_hooks,
    add_delivery,
    add_tag_deliveries,
    count_waiting,
    delete_ended,
    due_deliveries,
    end_delivery,
    give_up_old,
    heads_of,
    hook_numbered,
    note_failures,
    postpone_delivery,
    set_window,
)
from decnet.db.leases import acquire_lease, release_lease
from decnet.db.tag_pages import tags_at
from decnet.errors import DeliveryFailed, StorageError, TargetRefused
from decnet.models.announcement import Tagged
from decnet.models.hook import MOST_WAITING, Window
from decnet.telemetry import logger
from decnet.workers.stopping import consume_until, pause_unless

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from decnet.attack.catalog import Catalog
    from decnet.bus.base import Bus
    from decnet.bus.consume import Batch
    from decnet.db.engine import Database
    from decnet.db.hooks import Due
    from decnet.models.hook import DeliveryState, Hook
    from decnet.models.tag import TagKey
    from decnet.workers.sending import Sender

DURABLE = "alerts"
LEASE = "alerts"

_S = 1_000_000
_TIDY_US = 600 * _S
_TIDY_STEP = 500
_tagged = msgspec.msgpack.Decoder(Tagged).decode
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds.

    ``retries_s``: pauses after each further failure; the last one repeats. After ``tries`` failures, or when it has
    waited for ``given_up_s``, a delivery is dead. What was delivered is kept for ``delivered_s``, what is dead for
    ``dead_s``. ``look_s``: how often we look whether there are hooks, ``poll_s`` for what is due.
    """

    retries_s: tuple[float, ...] = (10, 30, 60, 300, 900, 3_600)
    tries: int = 8
    given_up_s: float = 86_400
    delivered_s: float = 86_400
    dead_s: float = 30 * 86_400
    look_s: float = 2.0
    poll_s: float = 1.0
    lease_s: float = 15.0
    last_s: float = 10.0
    """How long what is under way may take once the worker is told to stop."""

    def retry_s(self, failures: int) -> float:
        """How long to pause after so many failures in a row."""
        return self.retries_s[min(failures, len(self.retries_s)) - 1]


class AlertsWorker:
    """Tells the hooks in ``database`` of the tags that ``bus`` announces, through ``sender``.

    ``key`` is the installation's: secrets are made of it. ``catalog_of`` gives the ATT&CK catalogue of a release,
    ``newest`` is the one in force. ``holder`` names this process among all that share the database.
    """

    def __init__(
        self,
        database: Database,
        sender: Sender,
        *,
        key: bytes,
        catalog_of: Callable[[str], Catalog],
        newest: Catalog,
        holder: str,
        clock: Callable[[], int],
        pace: Pace | None = None,
    ) -> None:
        self._database = database
        self._sender = sender
        self._key = key
        self._catalog_of = catalog_of
        self._newest = newest
        self._holder = holder
        self._clock = clock
        self._pace = pace or Pace()
        self._is_leading = asyncio.Event()
        self._wanted = asyncio.Event()
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._tidied_at = 0
        self._windows_at = 0
        self.counters = Counters()
        self.delivered = 0
        self.failed = 0
        self.is_reading = False
        """There are hooks, and messages are read."""

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; servers that are away, ours and receivers, are waited for."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hold_lease(stop))
            while not stop.is_set():
                if self._is_leading.is_set():
                    if await self._has_hooks():
                        await self._serve(bus, stop)
                        continue
                    await bus.forget(DURABLE)  # or the bus would keep for us what nobody wants
                    await self._wait_for_hooks(stop)
                await pause_unless(stop, self._pace.look_s / 10)

    async def handle(self, batch: Batch) -> None:
        """Note which hooks are to be told of the batch's tags; nobody is told here."""
        picked = await asyncio.to_thread(self._database.read, partial(self._pick, batch=batch))
        await asyncio.to_thread(self._database.write, partial(self._note, picked=picked, batch=batch))
        if picked:
            self._wanted.set()

    # --- what is to be told

    def _pick(self, connection: Connection, batch: Batch) -> dict[int, list[TagKey]]:
        """The tags of ``batch`` that each hook wants, by the hook's number."""
        hooks = active_hooks(connection)
        told = [_tagged(item) for item in batch.items]
        keys = {key for one in told if any(may_want(hook.wanted, one) for hook in hooks) for key in one.tags}
        tags = tags_at(connection, sorted(keys))
        picked = {}
        for hook in hooks if tags else ():
            named_now = heads_of(connection, hook.wanted.identities) if hook.wanted.identities else frozenset()
            wanted = [tag.key for tag in tags if is_wanted(hook.wanted, tag, named_now)]
            if wanted:
                picked[hook.id] = wanted
        return picked

    def _note(self, connection: Connection, picked: dict[int, list[TagKey]], batch: Batch) -> None:
        for number, keys in sorted(picked.items()):
            hook = hook_numbered(connection, number)
            if hook is not None:
                self._admit(connection, hook, keys)
        batch.acknowledge_within(connection)

    def _admit(self, connection: Connection, hook: Hook, keys: list[TagKey]) -> None:
        """Deliveries for as many of ``keys`` as the hook may get; the others are counted."""
        now = self._clock()
        room = MOST_WAITING - count_waiting(connection, hook.id, MOST_WAITING)
        admitted = admit(hook.window, len(keys), room=room, per_minute=hook.per_minute, now=now)
        if admitted.over is not None:
            add_delivery(connection, hook.id, "suppressed", admitted.over, now=now)
        add_tag_deliveries(connection, hook.id, keys[: admitted.let_through], now=now)
        set_window(connection, hook.id, admitted.window)

    # --- whether there is anything to do

    async def _has_hooks(self) -> bool:
        return bool(await asyncio.to_thread(self._database.read, active_hooks))

    async def _wait_for_hooks(self, stop: asyncio.Event) -> None:
        while self._is_leading.is_set() and not stop.is_set() and not await self._has_hooks():
            await pause_unless(stop, self._pace.look_s)

    async def _serve(self, bus: Bus, stop: asyncio.Event) -> None:
        """Read and send, until ``stop`` is set, the lease is lost or the last hook goes."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(stop, over))
            tasks.create_task(self._send(over))
            async with bus.subscribe(TAGGED.pattern, durable=DURABLE, start=Start.NEW) as subscription:
                self.is_reading = True
                await consume_until(over, subscription, self.handle, counters=self.counters)
            self.is_reading = False
            over.set()

    async def _watch(self, stop: asyncio.Event, over: asyncio.Event) -> None:
        try:
            while self._is_leading.is_set() and not stop.is_set() and await self._has_hooks():
                await pause_unless(stop, self._pace.look_s)
        finally:
            over.set()

    async def _hold_lease(self, stop: asyncio.Event) -> None:
        """Have the lease whenever it can be had; give it back in the end."""
        try:
            while not stop.is_set():
                fence = await asyncio.to_thread(self._database.write, self._acquire)
                if fence is None:
                    self._is_leading.clear()
                else:
                    self._is_leading.set()
                    await self._tidy()
                await pause_unless(stop, self._pace.lease_s / 3)
        finally:
            self._is_leading.clear()
            await asyncio.to_thread(self._database.write, partial(release_lease, name=LEASE, holder=self._holder))

    def _acquire(self, connection: Connection) -> int | None:
        length_us = int(self._pace.lease_s * _S)
        return acquire_lease(connection, LEASE, self._holder, now=self._clock(), length_us=length_us)

    async def _tidy(self) -> None:
        """Now and then delete what ended long ago, a few rows per transaction."""
        now = self._clock()
        if now < self._tidied_at + _TIDY_US:
            return
        self._tidied_at = now
        kept: tuple[tuple[DeliveryState, float], ...] = (
            ("delivered", self._pace.delivered_s),
            ("dead", self._pace.dead_s),
        )
        for state, kept_s in kept:
            step = partial(delete_ended, state=state, before=now - int(kept_s * _S), limit=_TIDY_STEP)
            while await asyncio.to_thread(self._database.write, step) == _TIDY_STEP:
                pass

    # --- telling it

    async def _send(self, over: asyncio.Event) -> None:
        """Send what is due until ``over`` is set, a delivery per hook at a time; then let what is under way end."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while not over.is_set():
                    self._wanted.clear()
                    await self._close_windows()
                    now, busy = self._clock(), frozenset(self._sending)
                    for due in await asyncio.to_thread(
                        self._database.read, partial(due_deliveries, now=now, busy=busy)
                    ):
                        self._begin(tasks, due)
                    await self._pause(over)
                await self._end()
        finally:
            self._sending.clear()

    def _begin(self, tasks: asyncio.TaskGroup, due: Due) -> None:
        def ended(_task: asyncio.Task[None]) -> None:
            self._sending.pop(due.hook.id, None)
            self._wanted.set()

        self._sending[due.hook.id] = tasks.create_task(self._deliver(due))
        self._sending[due.hook.id].add_done_callback(ended)

    async def _pause(self, over: asyncio.Event) -> None:
        """Return when there may be something due, or ``over`` is set."""
        waiting = {asyncio.create_task(over.wait()), asyncio.create_task(self._wanted.wait())}
        try:
            await asyncio.wait(waiting, timeout=self._pace.poll_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _end(self) -> None:
        """What is under way has come to its end, or is dropped and due again later."""
        running = set(self._sending.values())
        if running:
            _, late = await asyncio.wait(running, timeout=self._pace.last_s)
            for task in late:
                task.cancel()

    async def _close_windows(self) -> None:
        """Tell of each minute that is over how many alerts it held back."""
        now = self._clock()
        if now < self._windows_at:
            return
        self._windows_at = now + int(self._pace.poll_s * _S)
        hooks = await asyncio.to_thread(self._database.read, active_hooks)
        if any(hook.window.held and is_over(hook.window, now) for hook in hooks):
            await asyncio.to_thread(self._database.write, partial(_tell_windows, now=now))

    async def _deliver(self, due: Due) -> None:
        """One try, and what came of it."""
        try:
            await self._tell(due)
        except (StorageError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a receiver: what it sends is untrusted
            failed = error if isinstance(error, DeliveryFailed) else DeliveryFailed(_readable(error))
            await asyncio.to_thread(self._database.write, partial(self._note_failure, due=due, error=failed))
            self.failed += 1
            return
        await asyncio.to_thread(self._database.write, partial(self._note_success, due=due))
        self.delivered += 1

    async def _tell(self, due: Due) -> None:
        alert, hook = self._alert(due), due.hook
        target = target_of(hook.url)
        if hook.format == "json":
            body = webhook_body(alert)
            headers = webhook_headers(alert, hook_secret(self._key, hook.salt), body)
            await self._sender.post(target, body, headers)
            return
        host, process = socket.gethostname(), os.getpid()
        if hook.format == "cef":
            line = syslog_around(alert, cef_line(alert), host=host, process=process)
        else:
            line = syslog_line(alert, host=host, process=process)
        await self._sender.send_line(target, line)

    def _alert(self, due: Due) -> Alert:
        """:raises DeliveryFailed: the tag is stored no more."""
        delivery, now = due.delivery, self._clock()
        make = partial(Alert, id=delivery.id, kind=delivery.kind, hook=due.hook.name, sent_at=now)
        if delivery.kind == "suppressed":
            return make(suppressed=delivery.suppressed)
        if delivery.kind == "test":
            return make(about=named(sample_tag(self._newest, now=now), self._catalog_of))
        if due.tag is None:
            raise _Gone("its tag is stored no more")
        return make(about=named(due.tag, self._catalog_of))

    def _note_success(self, connection: Connection, due: Due) -> None:
        tries = due.delivery.tries + 1
        end_delivery(connection, due.delivery.id, "delivered", tries=tries, error="", now=self._clock())
        if due.hook.failures:
            note_failures(connection, due.hook.id, 0, closed_until=0)
            _log.info("hook %d (%s) takes alerts again", due.hook.id, due.hook.name)

    def _note_failure(self, connection: Connection, due: Due, error: DeliveryFailed) -> None:
        """Due again later, or dead; where the fault is the receiver's, its other alerts wait too."""
        now, hook, delivery = self._clock(), due.hook, due.delivery
        tries, failures = delivery.tries + 1, hook.failures + 1
        wish_s = error.retry_after_s
        pause_s = wish_s if wish_s is not None else self._pace.retry_s(tries if error.is_about_alert else failures)
        until = now + int(pause_s * _S)
        if tries >= self._pace.tries or isinstance(error, _Gone):
            end_delivery(connection, delivery.id, "dead", tries=tries, error=str(error), now=now)
        else:
            postpone_delivery(connection, delivery.id, tries=tries, error=str(error), due_at=until)
        if error.is_about_alert:
            return
        note_failures(connection, hook.id, failures, closed_until=until)
        before = now - int(self._pace.given_up_s * _S)
        give_up_old(connection, hook.id, before=before, error=f"waited too long; {error}", now=now)
        if failures == 1:
            _log.warning("hook %d (%s) fails: %s; tried again in %.0f s", hook.id, hook.name, error, pause_s)


class _Gone(DeliveryFailed):
    """There is nothing left to tell."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_about_alert=True)


def _tell_windows(connection: Connection, now: int) -> None:
    for hook in active_hooks(connection):
        held = held_back(hook.window)
        if held is not None and is_over(hook.window, now):
            add_delivery(connection, hook.id, "suppressed", held, now=now)
            set_window(connection, hook.id, Window())


def _readable(error: Exception) -> str:
    """What is stored of a failure: ours as it is, of any other the kind alone."""
    return str(error) if isinstance(error, TargetRefused) else type(error).__name__
