"""Mosquitto, the broker all devices speak to: cars, boards and lessons publish; the bridge reads everything.

What survives a restart: sessions, queued and retained messages, up to the flush window of the chart (5 s).
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra import wiring
from infra.scales import Budget
from infra.services._password import Password
from infra.services._release import Reach, Values, clients, image, release, resources, secret
from infra.settings import Settings

SECRET = "mosquitto-users"
KB_PER_MESSAGE = 1  # a queued reading of 530 bytes with topic and bookkeeping
FLEET_CARS = 1_000  # from here on a line of log per connection drowns all others


@dataclass(frozen=True, slots=True)
class MosquittoArgs:
    """What can differ between two brokers."""

    image: str
    budget: Budget
    volume_gb: int
    cars: int
    clients: tuple[str, ...]
    device_cidr: str
    rotation: int

    @classmethod
    def of(cls, settings: Settings) -> MosquittoArgs:
        """As this stack wants it."""
        scale = settings.scale
        return cls(
            image=image(settings, "mosquitto"),
            budget=scale.budgets["mosquitto"],
            volume_gb=scale.mqtt_volume_gb,
            cars=scale.cars,
            clients=clients(settings, "mosquitto"),
            device_cidr=settings.device_cidr,
            rotation=settings.rotation,
        )


def values(args: MosquittoArgs) -> Values:
    """The chart's values. Half of the memory may be queued messages of clients that are away."""
    port = next(port for port in wiring.EXPOSED if port.service == "mosquitto")
    return {
        "image": args.image,
        "existingSecret": SECRET,
        "secretVersion": str(args.rotation),
        "users": [{"name": user.name, "access": list(user.access)} for user in wiring.MQTT_USERS],
        "patterns": list(wiring.MQTT_PATTERNS),
        "external": {"nodePort": port.node_port, "sources": [args.device_cidr] if args.device_cidr else []},
        "clients": list(args.clients),
        "volumeGb": args.volume_gb,
        "maxQueuedMessages": args.budget.limit_mb * 1024 // 2 // KB_PER_MESSAGE,
        "logConnections": args.cars < FLEET_CARS,
        "resources": resources(args.budget),
    }


class Mosquitto(pulumi.ComponentResource):
    """One broker with its logins."""

    def __init__(self, args: MosquittoArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`args` say how large, and who may connect."""
        super().__init__("iotlab:services:Mosquitto", "mosquitto", None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        self._passwords = {
            user.name: Password(f"mosquitto-{user.name}", rotation=args.rotation, opts=inside).value
            for user in wiring.MQTT_USERS
        }
        users = secret(SECRET, self._passwords, self)
        self._chart = release("mosquitto", "mosquitto", values(args), self, [users])
        self.endpoint = wiring.MOSQUITTO
        self.register_outputs({"address": self.endpoint.address})

    def reach(self, user: str) -> Reach:
        """The way in as `user`."""
        return Reach(self.endpoint, self._chart, user, self._passwords[user])
