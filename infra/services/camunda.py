"""Camunda, where an alert becomes a process that people and apps work on.

Alert consumers, Node-RED and people start processes by REST; technicians work on tasks in the browser; process-worker
answers the external tasks. Processes, tasks and history survive a restart, and a kill, in a database file on a volume.
Models come from the chart's folder `processes` by a job; nobody makes one by a typing error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import accounts, wiring
from infra.scales import VOLUMES_GB, Scale
from infra.services._access import Access, Users
from infra.services._release import release, resources

HEAP_SHARE = 0.5  # of the memory limit; classes, compiled code, threads and buffers take 200 MB more


@dataclass(frozen=True, slots=True)
class CamundaArgs:
    """What can differ: the image's reference, the size, the counter that renews passwords."""

    image: str
    scale: Scale
    rotation: int = 1


def values(args: CamundaArgs, secret: str) -> dict[str, Any]:
    """The chart's values; `secret` names the Secret with all passwords."""
    budget = args.scale.budgets["camunda"]
    return {
        "image": args.image,
        "existingSecret": secret,
        "secretVersion": str(args.rotation),
        "users": [{"name": user.name, "role": user.role} for user in accounts.CAMUNDA_USERS],
        "clients": wiring.clients_of(wiring.CAMUNDA),
        "egress": [{"app": reached.host, "port": reached.port} for reached in wiring.reached_by("camunda")],
        "external": {"enabled": True, "nodePort": wiring.node_port("camunda"), "sources": list(wiring.PRIVATE_NETWORKS)},
        "heapMb": int(budget.limit_mb * HEAP_SHARE),
        "volumeGb": VOLUMES_GB["camunda"],
        "resources": resources(budget),
    }


class Camunda(pulumi.ComponentResource):
    """The engine with its logins and models."""

    def __init__(self, name: str, args: CamundaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` is the release's and the host's name."""
        super().__init__("iotlab:services:Camunda", name, None, opts)
        self._users = Users(wiring.CAMUNDA, [user.name for user in accounts.CAMUNDA_USERS], args.rotation, self)
        self._server = release(name, "camunda", values(args, self._users.secret), self, [self._users.made])
        self.register_outputs({})

    def access(self, user: str) -> Access:
        """The endpoint with the login of `user`."""
        return self._users.access(user, self._server)
