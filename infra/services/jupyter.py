"""Jupyter, where people learn from the readings: notebooks that speak to MQTT, Kafka, InfluxDB, Camunda and Kubernetes.

People write and run notebooks; nothing else depends on it. Their home, with every changed notebook and every plot, survives
a restart on a volume; the shared data at /data are the consumers'. Notebooks find each service by the environment that is
made here from the accesses handed in, and say in a sentence which one a lab doesn't have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra import accounts, wiring
from infra.scales import VOLUMES_GB, Scale
from infra.services._access import Access, Users
from infra.services._release import release, resources
from infra.services.namespace import Namespace
from infra.services.shared_data import Volume


@dataclass(frozen=True, slots=True)
class JupyterArgs:
    """What can differ: the image's reference, the one that exercises run, the size, the counter that renews the token."""

    image: str
    lesson_image: str
    scale: Scale
    rotation: int = 1


def env(args: JupyterArgs, speaks: Sequence[Access]) -> dict[str, str]:
    """What notebooks read: `<HOST>_ADDRESS`, `_URL`, `_USER` and `_PASSWORD_FILE` of each service, names of topics and data."""
    found = {
        "DATA_FILE": wiring.CSV_FILE,
        "IOTKIT_TOPIC": wiring.IOTKIT_MQTT,
        "KAFKA_TOPIC": wiring.BROKER_MESSAGE.name,
        "CARS_DATABASE": wiring.CARS_DB,
        "LAB_NAMESPACE": wiring.NAMESPACE,
        "LESSON_IMAGE": args.lesson_image,
    }
    for access in speaks:
        name = access.endpoint.host.replace("-", "_").upper()
        found |= {f"{name}_ADDRESS": access.endpoint.address, f"{name}_URL": access.endpoint.url}
        if access.secret:
            found |= {f"{name}_USER": access.user, f"{name}_PASSWORD_FILE": access.password_file}
    return found


def values(args: JupyterArgs, secret: str, speaks: Sequence[Access], data: Volume | None) -> dict[str, Any]:
    """The chart's values; `secret` names the Secret with the token, `data` is the shared volume."""
    return {
        "image": args.image,
        "existingSecret": secret,
        "user": accounts.JUPYTER_USER,
        "secretVersion": str(args.rotation),
        "env": env(args, speaks),
        "secrets": [access.secret for access in speaks if access.secret],
        "external": {"enabled": True, "nodePort": wiring.node_port("jupyter"), "sources": list(wiring.PRIVATE_NETWORKS)},
        "clients": wiring.clients_of(wiring.JUPYTER),
        "egress": [{"app": access.endpoint.host, "port": access.endpoint.port} for access in speaks],
        "apiServer": {"networks": list(wiring.PRIVATE_NETWORKS), "ports": list(wiring.API_PORTS)},
        "lessons": {"namespace": wiring.LESSONS},
        "dataClaim": data.claim if data else "",
        "volumeGb": VOLUMES_GB["jupyter"],
        "resources": resources(args.scale.budgets["jupyter"]),
    }


class Jupyter(pulumi.ComponentResource):
    """The server with its token, and the namespace for lessons."""

    def __init__(
        self,
        name: str,
        args: JupyterArgs,
        speaks: Sequence[Access],
        data: Volume | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`name` is the release's and the host's name; `speaks` are the services that notebooks use, `data` the shared volume."""
        super().__init__("iotlab:services:Jupyter", name, None, opts)
        self._users = Users(wiring.JUPYTER, [accounts.JUPYTER_USER], args.rotation, self)
        self.lessons = Namespace("lessons", wiring.LESSONS, pulumi.ResourceOptions(parent=self))
        needs = [self._users.made, self.lessons, *(resource for access in speaks for resource in access.needs)]
        needs += data.needs if data else ()
        self._server = release(name, "jupyter", values(args, self._users.secret, speaks, data), self, needs)
        self.access = self._users.access(accounts.JUPYTER_USER, self._server)
        self.register_outputs({})
