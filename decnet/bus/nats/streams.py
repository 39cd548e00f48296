"""What the server keeps for the bus: a stream of messages, one of dead letters, a bucket of leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nats.js import api
from nats.js import errors as js_errors

from decnet.bus.topics import TOPICS

if TYPE_CHECKING:
    from decnet.bus.nats.connection import Connection

_DUPLICATES_S = 120.0
_NAME_IN_USE = 10058
"""JSStreamNameExistErr: there is one with another configuration."""


async def make_streams(connection: Connection) -> None:
    """The streams and the bucket are there and as the settings say.

    :raises BusUnavailable, BusError: the server does not answer, or refuses them.
    """
    ours = connection.settings
    subjects = [f"{ours.prefix}{topic.subject}.*" for topic in TOPICS]
    async with connection.asking("making its streams"):
        await _make_stream(connection, ours.stream, subjects, ours.max_bytes, ours.max_age_s)
        await _make_stream(connection, ours.dead_stream, [ours.dead_subject("*")], ours.dead_max_bytes, 0)
        await _make_bucket(connection)


async def _make_stream(
    connection: Connection, name: str, subjects: list[str], max_bytes: int, max_age_s: float
) -> None:
    config = api.StreamConfig(
        name=name,
        subjects=subjects,
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_bytes=max_bytes,
        max_age=max_age_s,
        num_replicas=connection.settings.replicas,
        duplicate_window=min(_DUPLICATES_S, max_age_s or _DUPLICATES_S),
    )
    try:
        await connection.js.add_stream(config)
    except js_errors.APIError as error:
        if error.err_code != _NAME_IN_USE:
            raise
        await connection.js.update_stream(config)


async def _make_bucket(connection: Connection) -> None:
    ours, js = connection.settings, connection.js
    config = api.KeyValueConfig(bucket=ours.bucket, ttl=ours.lease_s, history=1, replicas=ours.replicas)
    try:
        await js.create_key_value(config)
    except js_errors.APIError as error:
        if error.err_code != _NAME_IN_USE:
            raise
        info = await js.stream_info(ours.lease_stream)
        window = min(info.config.duplicate_window, ours.lease_s)
        await js.update_stream(info.config.evolve(max_age=ours.lease_s, duplicate_window=window))
