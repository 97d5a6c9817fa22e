"""The ingress, the one TLS port for every web page of the lab.

Browsers come in here and reach the services that have a path in the wiring; each of those asks for its own login. It keeps
nothing: routes are Ingress objects, and the certificate is a Pulumi secret that is renewed by an `up` in its last month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra import wiring
from infra.scales import Scale
from infra.services._access import Access
from infra.services._certificate import tls_secret
from infra.services._release import release, resources
from infra.wiring import Endpoint


@dataclass(frozen=True, slots=True)
class IngressArgs:
    """What can differ: the image's reference, the size, the counter that renews the certificate, further names for it."""

    image: str
    scale: Scale
    rotation: int = 1
    hosts: tuple[str, ...] = ()


def routes(behind: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """The chart's routes to those endpoints."""
    paths = {
        endpoint: [{"path": web.path, "type": web.match} for web in wiring.WEB_PATHS if web.leads_to == endpoint]
        for endpoint in behind
    }
    return [{"service": endpoint.host, "port": endpoint.port, "paths": listed} for endpoint, listed in paths.items()]


def values(args: IngressArgs, behind: Sequence[Endpoint]) -> dict[str, Any]:
    """The chart's values."""
    return {
        "image": args.image,
        "tlsSecret": wiring.INGRESS_TLS,
        "routes": routes(behind),
        "address": wiring.INGRESS_HOSTS[0],
        "external": {"enabled": True, "nodePort": wiring.node_port("ingress"), "sources": list(wiring.PRIVATE_NETWORKS)},
        "apiServer": {"networks": list(wiring.PRIVATE_NETWORKS), "ports": list(wiring.API_PORTS)},
        "resources": resources(args.scale.budgets["ingress"]),
    }


class Ingress(pulumi.ComponentResource):
    """The ingress controller with the lab's certificate."""

    def __init__(
        self, name: str, args: IngressArgs, behind: Sequence[Access], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`behind` are the services that browsers reach through it."""
        super().__init__("iotlab:services:Ingress", name, None, opts)
        secret = tls_secret(name, wiring.INGRESS_TLS, (*wiring.INGRESS_HOSTS, *args.hosts), args.rotation, self)
        needs = [secret, *(resource for access in behind for resource in access.needs)]
        release(name, "ingress", values(args, [access.endpoint for access in behind]), self, needs)
        self.register_outputs({})
