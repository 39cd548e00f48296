"""Leases on the server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from nats.js import api
from nats.js import errors as js_errors

from decnet.bus.base import Leases

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from decnet.bus.nats.connection import Connection

_WRONG_LAST_SEQUENCE = 10071
"""JSStreamWrongLastSequenceErrF: somebody else wrote the key."""


class NatsLeases(Leases):
    """Keys of a bucket whose entries the server removes after the life of a lease."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stream = connection.settings.lease_stream
        self._keys = f"$KV.{connection.settings.bucket}."
        self._revisions: dict[str, int] = {}

    @property
    def ttl_s(self) -> float:
        return self._connection.settings.lease_s

    async def acquire(self, names: Collection[str], holder: str) -> frozenset[str]:
        return await self._each(names, holder, self._acquire)

    async def renew(self, names: Collection[str], holder: str) -> frozenset[str]:
        return await self._each(names, holder, self._renew)

    async def release(self, names: Collection[str], holder: str) -> None:
        await self._each(names, holder, self._release)

    async def _each(
        self, names: Collection[str], holder: str, act: Callable[[str, str], Awaitable[bool]]
    ) -> frozenset[str]:
        """Those of ``names`` for which ``act`` says yes, asked all at once."""
        answers = await asyncio.gather(*(act(name, holder) for name in names))
        return frozenset(name for name, answer in zip(names, answers, strict=True) if answer)

    async def _acquire(self, name: str, holder: str) -> bool:
        return await self._write(name, holder, 0) or await self._is_ours(name, holder)

    async def _renew(self, name: str, holder: str) -> bool:
        known = self._revisions.get(name, 0)
        if known and await self._write(name, holder, known):
            return True
        # An answer that was lost may have left a newer revision of ours.
        return await self._is_ours(name, holder) and await self._write(name, holder, self._revisions[name])

    async def _release(self, name: str, holder: str) -> bool:
        revision = self._revisions.pop(name, 0)
        if not revision and await self._is_ours(name, holder):
            revision = self._revisions.pop(name)
        if revision:
            async with self._connection.asking(f"releasing {name}"):
                await self._connection.js.purge_stream(self._stream, seq=revision + 1, subject=self._keys + name)
        return bool(revision)

    async def taken(self, prefix: str) -> frozenset[str]:
        subject = f"{self._keys}{prefix.removesuffix('.')}.>"
        async with self._connection.asking("reading leases"):
            info = await self._connection.js.stream_info(self._stream, subjects_filter=subject)
        return frozenset(name.removeprefix(self._keys) for name in info.state.subjects or ())

    async def _write(self, name: str, holder: str, revision: int) -> bool:
        headers: dict[str, Any] = {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision)}
        async with self._connection.asking(f"leasing {name}"):
            try:
                stored = await self._connection.js.publish(self._keys + name, holder.encode(), headers=headers)
            except js_errors.APIError as error:
                if error.err_code != _WRONG_LAST_SEQUENCE:
                    raise
                self._revisions.pop(name, None)
                return False
        self._revisions[name] = stored.seq
        return True

    async def _is_ours(self, name: str, holder: str) -> bool:
        async with self._connection.asking(f"reading the lease {name}"):
            try:
                message = await self._connection.js.get_last_msg(self._stream, self._keys + name)
            except js_errors.NotFoundError:
                return False
        if message.data != holder.encode() or not message.seq:
            return False
        self._revisions[name] = message.seq
        return True
