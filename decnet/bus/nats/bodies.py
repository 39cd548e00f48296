"""What messages and dead letters look like on the server: msgpack, readable with any client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.models.message import Message

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from decnet.bus.nats.settings import NatsSettings

packed = msgspec.msgpack.Encoder().encode
_items = msgspec.msgpack.Decoder(tuple[bytes, ...])


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """The body of a dead letter."""

    durable: str
    topic: str
    partition: int
    item: bytes
    error: str
    tries: int


_letters = msgspec.msgpack.Decoder(Letter)


def message_of(raw: Msg, settings: NatsSettings) -> Message:
    """The message that came in as ``raw``.

    :raises msgspec.DecodeError: it was not published by this program.
    """
    topic, _, partition = raw.subject.removeprefix(settings.prefix).rpartition(".p")
    return Message(topic, int(partition), _items.decode(raw.data))


def letter_of(body: bytes) -> Letter:
    """The dead letter in ``body``, whoever wrote it."""
    try:
        return _letters.decode(body)
    except msgspec.DecodeError:
        return Letter("", "", 0, body, "this dead letter was not written by this program", 0)
