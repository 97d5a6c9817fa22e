"""InfluxDB, the time series: the timeseries app writes cars and canaries; people, dashboards and notebooks read.

What survives a restart: every write that was answered with 204, until its database's retention has passed.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra import wiring
from infra.scales import Budget
from infra.services._password import Password
from infra.services._release import Reach, Values, clients, image, release, resources, secret
from infra.settings import Settings

SECRET = "influxdb-users"
CACHE_SHARE = 4  # a quarter of the memory holds points not yet written to a block


@dataclass(frozen=True, slots=True)
class InfluxDBArgs:
    """What can differ between two databases."""

    image: str
    budget: Budget
    volume_gb: int
    max_values_per_tag: int
    clients: tuple[str, ...]
    rotation: int

    @classmethod
    def of(cls, settings: Settings) -> InfluxDBArgs:
        """As this stack wants it."""
        scale = settings.scale
        return cls(
            image=image(settings, "influxdb"),
            budget=scale.budgets["influxdb"],
            volume_gb=scale.influx_volume_gb,
            max_values_per_tag=scale.influx_max_values_per_tag,
            clients=clients(settings, "influxdb"),
            rotation=settings.rotation,
        )


def values(args: InfluxDBArgs) -> Values:
    """The chart's values."""
    retention_h = {series.database: series.retention_h for series in wiring.SERIES}
    return {
        "image": args.image,
        "existingSecret": SECRET,
        "secretVersion": str(args.rotation),
        "admin": wiring.INFLUX_ADMIN,
        "databases": [{"name": name, "retentionH": hours} for name, hours in retention_h.items()],
        "users": [{"name": user.name, "read": list(user.read), "write": list(user.write)} for user in wiring.INFLUX_USERS],
        "clients": list(args.clients),
        "volumeGb": args.volume_gb,
        "cacheMb": args.budget.limit_mb // CACHE_SHARE,
        "maxValuesPerTag": args.max_values_per_tag,
        "resources": resources(args.budget),
    }


class InfluxDB(pulumi.ComponentResource):
    """One database server with its logins."""

    def __init__(self, args: InfluxDBArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`args` say how large, and who may connect."""
        super().__init__("iotlab:services:InfluxDB", "influxdb", None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        names = (wiring.INFLUX_ADMIN, *(user.name for user in wiring.INFLUX_USERS))
        self._passwords = {name: Password(f"influxdb-{name}", rotation=args.rotation, opts=inside).value for name in names}
        users = secret(SECRET, self._passwords, self)
        self._chart = release("influxdb", "influxdb", values(args), self, [users])
        self.endpoint = wiring.INFLUXDB
        self.register_outputs({"url": self.endpoint.url})

    def reach(self, user: str) -> Reach:
        """The way in as `user`."""
        return Reach(self.endpoint, self._chart, user, self._passwords[user])
