"""Node-RED, where a person draws what happens to a message.

It reads what boards publish from Mosquitto and writes to Kafka; whether it is the one that carries iotkit/# the stack says.
Flows are made from the wiring; what people change in them stays. Flows, the session at Mosquitto and the outbox of messages
that Kafka does not have yet survive a restart, the outbox and flows on a volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra import accounts, wiring
from infra.scales import VOLUMES_GB, Scale
from infra.services import flows
from infra.services._access import Access, Users
from infra.services._password import Password
from infra.services._release import release, resources

KEY = "node-red-key"  # the Secret with the key that encrypts what people type into flows
HEAP_SHARE = 0.5  # of the memory limit; code, buffers and the rest of Node take about 100 MB (measured 2026-11)


@dataclass(frozen=True, slots=True)
class NodeRedArgs:
    """What can differ: image, size, counter, whether it carries iotkit/# and starts processes, a dashboard's address."""

    image: str
    scale: Scale
    rotation: int = 1
    carries: bool = False
    starts: bool = False
    shows: str = ""


def logins(reached: Sequence[Access]) -> list[dict[str, str]]:
    """Which nodes of a flow are given which login: those of `type` that speak to `server`."""
    found = []
    for access in reached:
        match access.endpoint:
            case wiring.MOSQUITTO:
                kind = {"type": "mqtt-broker", "field": "broker", "server": access.endpoint.host}
            case wiring.CAMUNDA:
                kind = {"type": "http request", "field": "url", "server": access.endpoint.url}
            case _:
                continue
        found.append(kind | {"user": access.user, "secret": access.secret})
    return found


def values(args: NodeRedArgs, secret: str, reached: Sequence[Access]) -> dict[str, Any]:
    """The chart's values; `secret` names the Secret with the editor's password, `reached` are the servers of this stack."""
    there = {access.endpoint for access in reached}
    budget = args.scale.budgets["node-red"]
    return {
        "image": args.image,
        "existingSecret": secret,
        "keySecret": KEY,
        "secretVersion": str(args.rotation),
        "admin": accounts.NODE_RED_ADMIN,
        "flows": flows.flows(carries=args.carries, starts=args.starts, shows=args.shows),
        "carrier": {"node": flows.CARRIER, "enabled": args.carries},
        "kafka": wiring.KAFKA.address,
        "topics": [topic.name for topic in wiring.TOPICS],
        "deadLetterTopic": wiring.DEAD_LETTER.name,
        "edge": flows.EDGE,
        "logins": logins(reached),
        "external": {"enabled": True, "nodePort": wiring.node_port("node-red"), "sources": list(wiring.PRIVATE_NETWORKS)},
        "clients": wiring.clients_of(wiring.NODE_RED),
        "egress": [{"app": end.host, "port": end.port} for end in wiring.reached_by("node-red") if end in there],
        "heapMb": int(budget.limit_mb * HEAP_SHARE),
        "volumeGb": VOLUMES_GB["node-red"],
        "resources": resources(budget),
    }


class NodeRed(pulumi.ComponentResource):
    """The editor and its flows; `access` is where they are."""

    def __init__(
        self,
        name: str,
        args: NodeRedArgs,
        *,
        reads: Access,
        writes: Access,
        starts: Access | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`reads` is Mosquitto, `writes` is Kafka, `starts` is Camunda where the stack has it."""
        super().__init__("iotlab:services:NodeRed", name, None, opts)
        users = Users(wiring.NODE_RED, [accounts.NODE_RED_ADMIN], args.rotation, self)
        reached = [access for access in (reads, writes, starts) if access]
        needs = [users.made, self._key(), *(resource for access in reached for resource in access.needs)]
        server = release(name, "node-red", values(args, users.secret, reached), self, needs)
        self.access = users.access(accounts.NODE_RED_ADMIN, server)
        self.register_outputs({})

    def _key(self) -> k8s.core.v1.Secret:
        """Not renewed with the passwords: nobody logs in with it, and a new one would make what people typed unreadable."""
        own = pulumi.ResourceOptions(parent=self)
        metadata = k8s.meta.v1.ObjectMetaArgs(name=KEY, namespace=wiring.NAMESPACE)
        return k8s.core.v1.Secret(KEY, metadata=metadata, string_data={"key": Password(KEY, opts=own).value}, opts=own)
