"""Our own apps, all installed by one chart: bridge, timeseries, fleet and canary, each given its ends of the flow.

None keeps anything: what they have not finished is still in Mosquitto's session or behind Kafka's committed offset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from infra import wiring
from infra.scales import Budget
from infra.services._release import Reach, Values, image, release, resources, secret
from infra.settings import Settings

PASSWORD = "password"  # noqa: S105 - the key of a Secret, and so the name of a file


@dataclass(frozen=True, slots=True)
class AppArgs:
    """What can differ between two installations of one app."""

    image: str
    budget: Budget
    rotation: int
    env: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    strategy: str = "RollingUpdate"

    @classmethod
    def of(cls, settings: Settings, name: str, **more: str) -> AppArgs:
        """As this stack wants the app `name`; `more` is added to its environment."""
        return cls(image(settings, "apps"), settings.scale.budgets[name], settings.rotation, more)


def secret_name(app: str, reach: Reach) -> str:
    """The Secret with the app's password for one service; appears as a folder of this name."""
    return f"{app}-{reach.endpoint.host}"


def password_file(app: str, reach: Reach) -> str:
    """Where the app finds its password for one service."""
    return f"/run/secrets/{secret_name(app, reach)}/{PASSWORD}"


def values(app: str, args: AppArgs, env: Mapping[str, str], reaches: tuple[Reach, ...]) -> Values:
    """The chart's values: exactly the edges of `reaches` are open."""
    return {
        "image": args.image,
        "module": app,
        "args": list(args.args),
        "env": dict(env) | dict(args.env),
        "secrets": [secret_name(app, reach) for reach in reaches if reach.password is not None],
        "secretVersion": str(args.rotation),
        "strategy": args.strategy,
        "egress": [{"app": reach.endpoint.host, "port": reach.endpoint.port} for reach in reaches],
        "resources": resources(args.budget),
    }


class App(pulumi.ComponentResource):
    """One app with the passwords of the services it reaches."""

    def __init__(
        self,
        name: str,
        args: AppArgs,
        env: Mapping[str, str],
        reaches: tuple[Reach, ...],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`reaches` are the services it speaks to; it starts when they are ready."""
        super().__init__(f"iotlab:services:{type(self).__name__}", name, None, opts)
        secrets = [
            secret(secret_name(name, reach), {PASSWORD: reach.password}, self)
            for reach in reaches
            if reach.password is not None
        ]
        first = [*secrets, *(reach.ready for reach in reaches)]
        release(name, "app", values(name, args, env, reaches), self, first)
        self.register_outputs({})


class Bridge(App):
    """Carries MQTT to Kafka and acknowledges only what Kafka has; one at a time, since its MQTT session has one owner."""

    def __init__(self, args: AppArgs, reads: Reach, writes: Reach, opts: pulumi.ResourceOptions | None = None) -> None:
        """From the broker `reads` to the log `writes`."""
        routes = [{"mqtt": route.mqtt, "kafka": route.kafka.name, "key": route.key} for route in wiring.ROUTES]
        env = {
            "BRIDGE_ID": "bridge-0",
            "BRIDGE_URI": reads.endpoint.url,
            "BRIDGE_USER": reads.user,
            "BRIDGE_PASSWORD_FILE": password_file("bridge", reads),
            "BRIDGE_BROKERLIST": writes.endpoint.address,
            "BRIDGE_ROUTES": json.dumps(routes),
            "BRIDGE_DEAD_LETTER_TOPIC": wiring.DEAD_LETTER.name,
        }
        alone = AppArgs(args.image, args.budget, args.rotation, args.env, args.args, "Recreate")
        super().__init__("bridge", alone, env, (reads, writes), opts)


class Timeseries(App):
    """Writes readings from Kafka into InfluxDB; an offset is committed after its write was answered."""

    def __init__(self, args: AppArgs, reads: Reach, writes: Reach, opts: pulumi.ResourceOptions | None = None) -> None:
        """From the log `reads` to the database `writes`."""
        series = [
            {"topic": line.topic.name, "codec": line.codec, "database": line.database, "measurement": line.measurement}
            for line in wiring.SERIES
        ]
        env = {
            "TIMESERIES_BROKERLIST": reads.endpoint.address,
            "TIMESERIES_GROUP": wiring.TIMESERIES_GROUP,
            "TIMESERIES_SERIES": json.dumps(series),
            "TIMESERIES_DEAD_LETTER_TOPIC": wiring.DEAD_LETTER.name,
            "TIMESERIES_INFLUX_URL": writes.endpoint.url,
            "TIMESERIES_INFLUX_USER": writes.user,
            "TIMESERIES_INFLUX_PASSWORD_FILE": password_file("timeseries", writes),
        }
        super().__init__("timeseries", args, env, (reads, writes), opts)


class Fleet(App):
    """Simulated cars, as many and as often as the scale says."""

    def __init__(
        self, args: AppArgs, cars: int, interval_s: float, writes: Reach, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`cars` publish to the broker `writes` every `interval_s`."""
        env = {
            "FLEET_URI": writes.endpoint.url,
            "FLEET_TOPIC": wiring.CARS_MQTT,
            "FLEET_CLIENT_ID": wiring.CAR_CLIENT_ID,
            "FLEET_CARS": str(cars),
            "FLEET_INTERVAL_S": f"{interval_s:g}",
            "FLEET_QOS": "1",
            "FLEET_USER": writes.user,
            "FLEET_PASSWORD_FILE": password_file("fleet", writes),
            "FLEET_SEED": "1",
        }
        alone = AppArgs(args.image, args.budget, args.rotation, args.env, args.args, "Recreate")
        super().__init__("fleet", alone, env, (writes,), opts)


class Canary(App):
    """The doctor's reading: goes in at the broker and must come out of Kafka and of the database."""

    def __init__(
        self, args: AppArgs, broker: Reach, log: Reach, database: Reach, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """The three hops, in the order of the flow."""
        series = next(line for line in wiring.SERIES if line.topic is wiring.CANARY)
        env = {
            "CANARY_DEVICE": wiring.RESERVED_DEVICE,
            "CANARY_MQTT_URI": broker.endpoint.url,
            "CANARY_MQTT_TOPIC": wiring.CANARY_MQTT,
            "CANARY_MQTT_USER": broker.user,
            "CANARY_MQTT_PASSWORD_FILE": password_file("canary", broker),
            "CANARY_BROKERLIST": log.endpoint.address,
            "CANARY_KAFKA_TOPIC": wiring.CANARY.name,
            "CANARY_INFLUX_URL": database.endpoint.url,
            "CANARY_INFLUX_USER": database.user,
            "CANARY_INFLUX_PASSWORD_FILE": password_file("canary", database),
            "CANARY_DATABASE": series.database,
            "CANARY_MEASUREMENT": series.measurement,
        }
        standing = AppArgs(args.image, args.budget, args.rotation, args.env, ("serve",), "Recreate")
        super().__init__("canary", standing, env, (broker, log, database), opts)
