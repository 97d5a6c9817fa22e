"""Mosquitto, the way in for every device.

Devices, the fleet and people write; the bridge reads. Nobody enters without a login, with TLS or without, and the access
list binds a car to its own topic. Sessions, queues and retained messages are on a volume and survive a restart; a broker
killed outright loses what came in since the last write (the chart's `autosaveS`). One broker is one thread: a large fleet is
shared among several, each with its own sessions and port; a client's is `mqtt_shards.shard_of(client id, shards)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import accounts, mqtt_shards, wiring
from infra.scales import Scale
from infra.services._access import Access, Users
from infra.services._certificate import secret_of, tls
from infra.services._release import release, resources

KB_PER_MESSAGE = 1  # a queued reading of 530 bytes with topic and bookkeeping
FLEET_CARS = 1_000  # from here on a line of log for each connection drowns all others


@dataclass(frozen=True, slots=True)
class MosquittoArgs:
    """What can differ: image, size, the counter that renews passwords and certificate, further names that this is for."""

    image: str
    scale: Scale
    rotation: int = 1
    hosts: tuple[str, ...] = ()


def values(args: MosquittoArgs, secret: str) -> dict[str, Any]:
    """The chart's values; `secret` names the Secret with all passwords.

    Half of the memory may be queued for clients that are away.
    """
    budget = args.scale.budgets["mosquitto"]
    return {
        "image": args.image,
        "existingSecret": secret,
        "secretVersion": str(args.rotation),
        "users": [{"name": user.name, "access": list(user.access)} for user in accounts.MQTT_USERS],
        "patterns": list(accounts.MQTT_PATTERNS),
        "tlsSecret": wiring.MQTT_TLS,
        "shards": args.scale.mqtt_shards,
        "shardPort": mqtt_shards.PORT,
        "shardTlsPort": mqtt_shards.TLS_PORT,
        "external": {
            "enabled": True,
            "nodePort": wiring.node_port("mosquitto"),
            "tlsNodePort": wiring.node_port("mosquitto", wiring.MOSQUITTO_TLS.port),
            "shardNodePort": mqtt_shards.NODE_PORT,
            "shardTlsNodePort": mqtt_shards.TLS_NODE_PORT,
            "sources": list(wiring.PRIVATE_NETWORKS),
        },
        "clients": wiring.clients_of(wiring.MOSQUITTO),
        "tlsClients": wiring.clients_of(wiring.MOSQUITTO_TLS),
        "volumeGb": args.scale.mqtt_volume_gb,
        "maxQueuedMessages": budget.limit_mb * 1024 // 2 // KB_PER_MESSAGE,
        "logConnections": args.scale.mqtt_shards == 1 and args.scale.cars < FLEET_CARS,
        "resources": resources(budget),
    }


class Mosquitto(pulumi.ComponentResource):
    """The broker with its logins and its certificate."""

    def __init__(self, name: str, args: MosquittoArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` is the release's and the host's name."""
        super().__init__("iotlab:services:Mosquitto", name, None, opts)
        self._users = Users(wiring.MOSQUITTO, [user.name for user in accounts.MQTT_USERS], args.rotation, self)
        made = tls(name, wiring.MQTT_TLS, (*wiring.MQTT_HOSTS, *args.hosts), args.rotation, self)
        self._server = release(name, "mosquitto", values(args, self._users.secret), self, [self._users.made, made.secret])
        authority = secret_of(wiring.MQTT_AUTHORITY, {wiring.CA_KEY: made.authority}, self)
        self.by_tls = Access(wiring.MOSQUITTO_TLS, (self._server, authority), authority=wiring.MQTT_AUTHORITY)
        self.register_outputs({})

    def access(self, user: str) -> Access:
        """The endpoint with the login of `user`."""
        return self._users.access(user, self._server)
