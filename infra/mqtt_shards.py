"""Mosquitto's shards: which one keeps a client's session, and where each is reached."""

from __future__ import annotations

import zlib

from infra import wiring

# Mosquitto's shard 0 has the ports of the wiring and serves anyone; shard n > 0 is at these plus n, at the same host.
PORT, TLS_PORT = 18830, 28830
NODE_PORT, TLS_NODE_PORT = 31900, 32000


def shard_of(client_id: str, shards: int) -> int:
    """Which shard keeps the session of that MQTT client."""
    return zlib.crc32(client_id.encode()) % shards


def endpoints(shards: int) -> list[wiring.Endpoint]:
    """All of them, by number."""
    return [wiring.MOSQUITTO, *(wiring.Endpoint(wiring.MOSQUITTO.host, PORT + number) for number in range(1, shards))]


def shares(shards: int, bridges: int) -> list[list[wiring.Endpoint]]:
    """The shards that each of the bridges reads: every shard is in one share."""
    return [endpoints(shards)[number::bridges] for number in range(bridges)]


def node_ports(shards: int) -> list[int]:
    """The port of each at the lab's address, by number."""
    return [wiring.node_port(wiring.MOSQUITTO.host), *(NODE_PORT + number for number in range(1, shards))]
