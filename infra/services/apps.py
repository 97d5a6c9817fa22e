"""Our own Python apps: all from one image, by one chart, told apart by module and environment.

Bridge carries MQTT to Kafka, timeseries carries Kafka to InfluxDB, fleet is the simulated devices, canary is the doctor's
standing pod. None keeps anything itself: what must survive a restart is in Mosquitto's session and Kafka's offsets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi

from infra import mqtt_shards, wiring
from infra.scales import Scale
from infra.services._access import Access
from infra.services._release import release, resources
from infra.services.kafka import topics
from infra.services.shared_data import Volume
from infra.wiring import Endpoint


@dataclass(frozen=True, slots=True)
class AppArgs:
    """What can differ: the image's reference, the size, the counter that renews passwords.

    `service` names the service of which the release is one process among several; alone, it is its own.
    """

    image: str
    scale: Scale
    rotation: int = 1
    service: str = ""


def values(
    name: str,
    args: AppArgs,
    env: Mapping[str, str],
    logins: Sequence[str],
    strategy: Literal["RollingUpdate", "Recreate"],
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """The chart's values; `logins` name the Secrets whose passwords the app reads."""
    service = args.service or name
    module = wiring.module_of(service)
    return {
        "image": args.image,
        "module": module,
        "memberOf": args.service,
        "args": list(arguments),
        "env": {f"{module.upper()}_{key}": value for key, value in env.items()},
        "secrets": list(logins),
        "secretVersion": str(args.rotation),
        "strategy": strategy,
        "clients": wiring.clients_of(_status(service)),
        "egress": [{"app": reached.host, "port": reached.port} for reached in wiring.reached_by(service)],
        "resources": resources(args.scale.budgets[service]),
    }


def _status(name: str) -> Endpoint:
    return Endpoint(name, wiring.METRICS_PORT, "http")


class App(pulumi.ComponentResource):
    """One app; `status` is where it says how it is."""

    strategy: Literal["RollingUpdate", "Recreate"] = "RollingUpdate"
    arguments: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()

    def __init__(
        self, name: str, args: AppArgs, env: Mapping[str, str], reached: Sequence[Access], opts: pulumi.ResourceOptions | None
    ) -> None:
        """`env` without the module's prefix; `reached` are the services it speaks to."""
        super().__init__(f"iotlab:services:{type(self).__name__}", name, None, opts)
        logins = [access.secret for access in reached if access.secret]
        needs = [*(each.needs for each in reached), *(each.needs for each in self.volumes)]
        chosen = values(name, args, env, logins, self.strategy, self.arguments)
        chosen["claims"] = [{"name": volume.claim, "path": volume.path} for volume in self.volumes]
        made = release(name, "app", chosen, self, [resource for several in needs for resource in several])
        self.status = Access(_status(name), (made,))
        self.register_outputs({})


@dataclass(frozen=True, slots=True)
class BridgeArgs(AppArgs):
    """And what it carries, from which of Mosquitto's shards."""

    routes: tuple[wiring.Route, ...] = ()
    shards: tuple[Endpoint, ...] = ()


class Bridge(App):
    """MQTT to Kafka; in an upgrade the new one takes the old one's sessions as soon as it can read, and nobody waits."""

    def __init__(
        self, name: str, args: BridgeArgs, *, reads: Access, writes: Access, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`reads` is Mosquitto's login, `writes` is Kafka."""
        table = [{"mqtt": route.mqtt, "kafka": route.kafka.name, "key": route.key} for route in args.routes]
        env = {
            "ID": f"{args.service or name}-0",  # of the session at each shard, whichever process reads it: docs/adr/0023
            "URIS": json.dumps([shard.url for shard in args.shards]),
            "USER": reads.user,
            "PASSWORD_FILE": reads.password_file,
            "BROKERLIST": writes.endpoint.address,
            "ROUTES": json.dumps(table),
            "UNSUBSCRIBE": json.dumps([route.mqtt for route in wiring.ROUTES if route not in args.routes]),
            "DEAD_LETTER_TOPIC": wiring.DEAD_LETTER.name,
            "LINGER_MS": str(args.scale.linger_ms),
        }
        super().__init__(name, args, env, [reads, writes], opts)


def bridges(
    name: str,
    args: AppArgs,
    routes: tuple[wiring.Route, ...],
    *,
    reads: Access,
    writes: Access,
    opts: pulumi.ResourceOptions | None = None,
) -> None:
    """As many as the scale says, each with its share of Mosquitto's shards: `name`, `name`-1 and so on."""
    shares = mqtt_shards.shares(args.scale.mqtt_shards, args.scale.bridges)
    service = name if len(shares) > 1 else ""
    for number, shards in enumerate(shares):
        one = BridgeArgs(args.image, args.scale, args.rotation, service, routes, tuple(shards))
        Bridge(f"{name}-{number}" if number else name, one, reads=reads, writes=writes, opts=opts)


class Timeseries(App):
    """Kafka to InfluxDB."""

    def __init__(
        self, name: str, args: AppArgs, *, reads: Access, writes: Access, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`reads` is Kafka, `writes` is InfluxDB."""
        series = [
            {"topic": one.topic.name, "codec": one.codec, "database": one.database, "measurement": one.measurement}
            | ({"sample": args.scale.sampled_cars} if one.topic == wiring.SENSOR_DATA else {})
            for one in wiring.SERIES
        ]
        env = {
            "BROKERLIST": reads.endpoint.address,
            "GROUP": wiring.TIMESERIES_GROUP,
            "SERIES": json.dumps(series),
            "INFLUX_URL": writes.endpoint.url,
            "INFLUX_USER": writes.user,
            "INFLUX_PASSWORD_FILE": writes.password_file,
            "DEAD_LETTER_TOPIC": wiring.DEAD_LETTER.name,
        }
        super().__init__(name, args, env, [reads, writes], opts)


class Fleet(App):
    """Simulated devices; two at a time would fight for the devices' client ids, so it is recreated."""

    strategy = "Recreate"

    def __init__(
        self,
        name: str,
        args: AppArgs,
        *,
        devices: Mapping[str, int],
        writes: Access,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`devices` is how many of each kind; `writes` is Mosquitto."""
        shards = mqtt_shards.endpoints(args.scale.mqtt_shards)
        env = {
            "URI": writes.endpoint.url,
            "SHARDS": str(len(shards)),
            "PORTS": json.dumps([shard.port for shard in shards]),
            "USER": writes.user,
            "PASSWORD_FILE": writes.password_file,
            "TOPIC": wiring.CARS_MQTT,
            "TRUTH_TOPIC": wiring.TRUTH_MQTT,
            "CLIENT_ID": wiring.CAR_CLIENT_ID,
            "CARS": str(devices["car"]),
            "INTERVAL_S": f"{args.scale.interval_s:g}",
            "IOTKIT": str(devices["iotkit"]),
            "IOTKIT_TOPIC": wiring.IOTKIT_MQTT,
            "IOTKIT_CLIENT_ID": wiring.BOARD_CLIENT_ID,
            "FANS": str(devices["fan"]),
            "FAN_TOPIC": wiring.FAN_MQTT,
            "FAN_CLIENT_ID": wiring.FAN_CLIENT_ID,
        }
        super().__init__(name, args, env, [writes], opts)


@dataclass(frozen=True, slots=True)
class CanaryArgs(AppArgs):
    """And which hops there are beyond the core."""

    hops: tuple[str, ...] = ()


class Canary(App):
    """The doctor's standing pod."""

    arguments = ("serve",)

    def __init__(
        self,
        name: str,
        args: CanaryArgs,
        *,
        mqtt: Access,
        kafka: Access,
        influxdb: Access,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """A reading goes in at `mqtt` and must be seen at `kafka` and `influxdb`."""
        lane = next(series for series in wiring.SERIES if series.topic == wiring.CANARY)
        env = {
            "DEVICE": wiring.RESERVED_DEVICE,
            "MQTT_URI": mqtt.endpoint.url,
            "MQTT_URIS": json.dumps([shard.url for shard in mqtt_shards.endpoints(args.scale.mqtt_shards)]),
            "DROPS_TOPIC": wiring.DROPS_MQTT,
            "MQTT_TOPIC": wiring.CANARY_MQTT,
            "MQTT_USER": mqtt.user,
            "MQTT_PASSWORD_FILE": mqtt.password_file,
            "BROKERLIST": kafka.endpoint.address,
            "KAFKA_TOPIC": wiring.CANARY.name,
            "TOPICS": json.dumps({topic["name"]: topic["partitions"] for topic in topics(args.scale)}),
            "INFLUX_URL": influxdb.endpoint.url,
            "INFLUX_USER": influxdb.user,
            "INFLUX_PASSWORD_FILE": influxdb.password_file,
            "DATABASE": lane.database,
            "MEASUREMENT": lane.measurement,
            "HOPS": json.dumps(args.hops),
            "BOARD_MQTT_TOPIC": wiring.BOARD_CANARY_MQTT,
            "FLOW_MQTT_TOPIC": wiring.FLOW_CANARY_MQTT,
            "BOARD_TOPIC": wiring.BOARD_CANARY.name,
            "ANSWER_TOPIC": wiring.CANARY_DONE.name,
        }
        super().__init__(name, args, env, [mqtt, kafka, influxdb], opts)
