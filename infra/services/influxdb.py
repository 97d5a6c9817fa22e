"""InfluxDB, the readings as time series.

Only timeseries writes; people, dashboards and notebooks read with a login that can do nothing else. Points survive a
restart on a volume and are kept for hours stated in the wiring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from infra import accounts, wiring
from infra.scales import Scale
from infra.services._access import Access, Users
from infra.services._release import release, resources

CACHE_SHARE = 0.25  # of the memory limit, for points not yet written to a block


@dataclass(frozen=True, slots=True)
class InfluxDBArgs:
    """What can differ: the image's reference, the size, the counter that renews passwords."""

    image: str
    scale: Scale
    rotation: int = 1


def values(args: InfluxDBArgs, secret: str) -> dict[str, Any]:
    """The chart's values; `secret` names the Secret with all passwords."""
    budget = args.scale.budgets["influxdb"]
    return {
        "image": args.image,
        "existingSecret": secret,
        "secretVersion": str(args.rotation),
        "admin": accounts.INFLUX_ADMIN,
        "databases": [{"name": series.database, "retentionH": series.retention_h} for series in wiring.SERIES],
        "users": [{"name": user.name, "read": list(user.read), "write": list(user.write)} for user in accounts.INFLUX_USERS],
        "clients": wiring.clients_of(wiring.INFLUXDB),
        "volumeGb": args.scale.influx_volume_gb,
        "maxValuesPerTag": args.scale.influx_max_values_per_tag,
        "cacheMb": int(budget.limit_mb * CACHE_SHARE),
        "resources": resources(budget),
    }


class InfluxDB(pulumi.ComponentResource):
    """The database with its logins."""

    def __init__(self, name: str, args: InfluxDBArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """`name` is the release's and the host's name."""
        super().__init__("iotlab:services:InfluxDB", name, None, opts)
        names = [accounts.INFLUX_ADMIN, *(user.name for user in accounts.INFLUX_USERS)]
        self._users = Users(wiring.INFLUXDB, names, args.rotation, self)
        self._server = release(name, "influxdb", values(args, self._users.secret), self, [self._users.made])
        self.register_outputs({})

    def access(self, user: str) -> Access:
        """The endpoint with the login of `user`."""
        return self._users.access(user, self._server)
