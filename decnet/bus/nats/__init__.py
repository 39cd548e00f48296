"""The bus on a NATS server with JetStream (2.9 or newer), for workers on several hosts. Nothing else imports ``nats``.

========================  =============================================================================================
subject                   ``decnet.<topic>.p<NN>``; the body is msgpack, an array of the items
stream of messages        all declared topics; limits of age and bytes; a full one refuses, after what every durable has
                          acknowledged was purged
consumer                  a durable pull consumer per (durable, topic filter, partition), one message outstanding: that
                          is what keeps the order. NATS 2.9 knows one filter per consumer
stream of dead letters    ``decnet.dead.<durable>``
key-value bucket          leases; the server ends them, so hosts need no common clock
========================  =============================================================================================

The connection comes back by itself, for ever. Credentials are part of the URL (``nats://token@host``,
``nats://user:password@host``) or an owner-only file; they are in no message of ours.
"""

from decnet.bus.nats.bus import NatsBus, connect_nats
from decnet.bus.nats.consumers import consumer_name
from decnet.bus.nats.leases import NatsLeases
from decnet.bus.nats.settings import NatsSettings

__all__ = ["NatsBus", "NatsLeases", "NatsSettings", "connect_nats", "consumer_name"]
