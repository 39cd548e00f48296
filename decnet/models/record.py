"""What travels on the topic ``events``: events, and between them how far the event time of a sensor has come."""

from __future__ import annotations

import msgspec

from decnet.models.event import Event, packed_event, unpacked_event
from decnet.models.finding import Clock

Record = Event | Clock

_CLOCK_MARK = 0x92  # msgpack: an array of two
_pack = msgspec.msgpack.Encoder().encode
_unpack_clock = msgspec.msgpack.Decoder(tuple[str, int]).decode


def packed_record(record: Record) -> bytes:
    """``record`` as bytes for a message."""
    if isinstance(record, Clock):
        return _pack((record.sensor, record.observed_at))
    return packed_event(record)


def unpacked_record(data: bytes) -> Record:
    """The record that :func:`packed_record` was given.

    :raises msgspec.MsgspecError: ``data`` is no record of this version.
    """
    if data[:1] == bytes([_CLOCK_MARK]):
        return Clock(*_unpack_clock(data))
    return unpacked_event(data)
