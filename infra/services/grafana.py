"""Grafana, the dashboards.

It reads InfluxDB with the login that can do nothing else; people look at it. Data sources and the lab's dashboards are code
and made anew at each start; users and the dashboards that people make survive on a volume. Its image is its publisher's: a
lab that nobody brings it to runs without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra import accounts, wiring
from infra.scales import VOLUMES_GB, Scale
from infra.services import dashboards
from infra.services._access import PASSWORD_KEY, Access, Users
from infra.services._password import Password
from infra.services._release import release, resources

KEY_SECRET = f"{wiring.GRAFANA.host}-key"


@dataclass(frozen=True, slots=True)
class GrafanaArgs:
    """What can differ: the image's reference, the size, the counter that renews passwords."""

    image: str
    scale: Scale
    rotation: int = 1


def values(args: GrafanaArgs, secret: str, reads: Access) -> dict[str, Any]:
    """The chart's values; `secret` names the Secret with the administrator's password."""
    databases = [dashboard.series.database for dashboard in dashboards.DASHBOARDS]
    return {
        "image": args.image,
        "existingSecret": secret,
        "keySecret": KEY_SECRET,
        "secretVersion": str(args.rotation),
        "admin": accounts.GRAFANA_ADMIN,
        "influxdb": {
            "app": reads.endpoint.host,
            "port": reads.endpoint.port,
            "user": reads.user,
            "secret": reads.secret,
            "databases": [{"name": name, "uid": dashboards.datasource_uid(name)} for name in databases],
        },
        "dashboards": dashboards.rendered(),
        "external": {"enabled": True, "nodePort": wiring.node_port("grafana"), "sources": list(wiring.PRIVATE_NETWORKS)},
        "clients": wiring.clients_of(wiring.GRAFANA),
        "volumeGb": VOLUMES_GB["grafana"],
        "resources": resources(args.scale.budgets["grafana"]),
    }


class Grafana(pulumi.ComponentResource):
    """The dashboards with their login."""

    def __init__(self, name: str, args: GrafanaArgs, reads: Access, opts: pulumi.ResourceOptions | None = None) -> None:
        """`reads` is InfluxDB."""
        super().__init__("iotlab:services:Grafana", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        users = Users(wiring.GRAFANA, [accounts.GRAFANA_ADMIN], args.rotation, self)
        # What Grafana's database encrypts with; renewed, it could read nothing that it has kept, so no counter renews it.
        key = k8s.core.v1.Secret(
            KEY_SECRET,
            metadata=k8s.meta.v1.ObjectMetaArgs(name=KEY_SECRET, namespace=wiring.NAMESPACE),
            string_data={PASSWORD_KEY: Password(KEY_SECRET, opts=own).value},
            opts=own,
        )
        made = release(name, "grafana", values(args, users.secret, reads), self, [users.made, key, *reads.needs])
        self.access = Access(wiring.GRAFANA, (made,))
        self.register_outputs({})
