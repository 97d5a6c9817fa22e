"""Headlamp, a page that shows the objects of the cluster.

Whoever visits logs in with a token of a service account, for lessons that of Jupyter's, and sees and changes what this one
may; the page has no rights of its own and keeps nothing. Its image is its publisher's: a lab that nobody brings it to runs
without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import wiring
from infra.scales import Scale
from infra.services._release import release, resources


@dataclass(frozen=True, slots=True)
class HeadlampArgs:
    """What can differ: the image's reference and the size."""

    image: str
    scale: Scale


def values(args: HeadlampArgs) -> dict[str, Any]:
    """The chart's values."""
    return {
        "image": args.image,
        "external": {"enabled": True, "nodePort": wiring.node_port("headlamp"), "sources": list(wiring.PRIVATE_NETWORKS)},
        "clients": wiring.clients_of(wiring.HEADLAMP),
        "apiServer": {"networks": list(wiring.PRIVATE_NETWORKS), "ports": list(wiring.API_PORTS)},
        "resources": resources(args.scale.budgets["headlamp"]),
    }


class Headlamp(pulumi.ComponentResource):
    """The page."""

    def __init__(self, name: str, args: HeadlampArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` is the release's and the host's name."""
        super().__init__("iotlab:services:Headlamp", name, None, opts)
        release(name, "headlamp", values(args), self)
        self.register_outputs({})
