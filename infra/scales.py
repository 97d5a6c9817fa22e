"""The sizes of a lab as data. Stacks name one; nothing else in the project knows a size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Budget:
    """What one pod of a service may use: the request is what it needs at rest, the limit what it must never pass."""

    request_mb: int
    limit_mb: int
    cpu_request_m: int


@dataclass(frozen=True, slots=True)
class MachineType:
    """A machine of the cloud, as its maker describes it; prices stand in infra/cloud/prices.yaml.

    A `burstable` one works at a fraction of its cores for long; it is told to slow down then, and never to charge for more.
    """

    name: str
    vcpus: int
    memory_gb: int
    burstable: bool = False

    @property
    def memory_mb(self) -> int:
        """Memory in the unit of the budgets."""
        return self.memory_gb * 1024


# The default has whole cores at a price that never changes. A burstable type costs a sixth less and is slow while it first
# boots: it begins without credits, at a fifth (t3.medium) to two fifths (t3.xlarge) of its cores.
MACHINE_TYPES = {
    one.name: one
    for one in (
        MachineType("t3.medium", 2, 4, burstable=True),
        MachineType("t3.large", 2, 8, burstable=True),
        MachineType("t3.xlarge", 4, 16, burstable=True),
        MachineType("m6i.large", 2, 8),
        MachineType("m6i.xlarge", 4, 16),
        MachineType("m6i.2xlarge", 8, 32),
    )
}
MACHINE_DISK_GB = 14  # system and microk8s 6 (estimated), images 8 (as on a laptop: infra/lab/preflight.py); volumes come on top

VOLUMES_GB = {  # of services that need the same at every scale
    "camunda": 2,  # processes and their history
    "node-red": 1,  # flows, and the outbox of what Kafka has not taken yet
    "jupyter": 2,  # a person's home
    "registry": 2,  # images that students push
    "grafana": 1,  # users, and the dashboards that people make
    "iot-kafka-consumer": 5,  # the volume that it shares with notebooks
}


@dataclass(frozen=True, slots=True)
class FleetSize:
    """How many cars send how often and by which quality of service; how many shards of Mosquitto and bridges carry them."""

    cars: int
    interval_s: float
    qos: int
    mqtt_shards: int
    bridges: int = 1


# S and XL are the two runs of the original; XXL is a plan for more than one machine. One bridge carries more than the 10,000
# messages a second of either (42,000, the prototype at rest), but knows 200,000 topics, two for each car of XL: XXL has ten.
FLEET_SIZES = {
    "S": FleetSize(25, 5.0, 1, 1),
    "M": FleetSize(1_000, 10.0, 1, 1),
    "L": FleetSize(10_000, 10.0, 1, 2),
    "XL": FleetSize(100_000, 10.0, 0, 6),
    "XXL": FleetSize(1_000_000, 100.0, 0, 60, 10),
}


@dataclass(frozen=True, slots=True)
class Scale:
    """One size: how many devices, how they are split, and what each service may take.

    `cars` are those that the lab runs itself; more may come from outside, as by `./lab fleet run`.
    """

    name: str
    cars: int
    interval_s: float
    iotkit: int
    mqtt_shards: int
    kafka_brokers: int
    partitions: int
    kafka_volume_gb: int
    mqtt_volume_gb: int
    influx_volume_gb: int
    influx_max_values_per_tag: int
    sampled_cars: int  # InfluxDB gets every reading of one car in so many, and summaries of all if that is more than one
    budgets: dict[str, Budget]
    machine_type: str
    bridges: int
    linger_ms: int  # how long a bridge gathers records for each partition of Kafka

    def pods_of(self, service: str) -> int:
        """How many pods that service has; a budget and a volume are one pod's."""
        several = {"mosquitto": self.mqtt_shards, "kafka": self.kafka_brokers, "bridge": self.bridges}
        return several.get(service, 1)

    @property
    def fleet(self) -> dict[str, int]:
        """Simulated devices by kind."""
        return {"car": self.cars, "iotkit": self.iotkit, "fan": 0}

    @property
    def msg_s(self) -> float:
        """Messages a second that all cars send."""
        return self.cars / self.interval_s

    @property
    def volumes_gb(self) -> dict[str, int]:
        """What each service that keeps data may fill, GB."""
        return VOLUMES_GB | {"mosquitto": self.mqtt_volume_gb, "kafka": self.kafka_volume_gb, "influxdb": self.influx_volume_gb}


_SMALL = {
    "mosquitto": Budget(32, 128, 50),
    "kafka": Budget(512, 900, 200),
    "influxdb": Budget(128, 512, 100),
    "bridge": Budget(48, 160, 50),
    "timeseries": Budget(48, 160, 50),
    "fleet": Budget(48, 160, 50),
    "canary": Budget(48, 160, 20),
    "camunda": Budget(500, 700, 100),
    # 13 to 25 MB of its own; but its file has 185 MB, and the pages read of it count: with a limit of 96 it reads 4.6 GB
    # at its start (3 s), with 128 1 GB, with 192 each page once (0.3 s); measured 2026-11 with cgroup v1
    "ingress": Budget(48, 192, 20),
    "iot-kafka-consumer": Budget(48, 160, 20),
    "iot-kafka-pipe": Budget(48, 160, 20),
    # the server 110 MB, a kernel with pandas 140, with TensorFlow training 330 and 410 of pages of its library; 2026-11
    "jupyter": Budget(256, 1500, 50),
    "iot-kafka-alert": Budget(48, 160, 20),
    "process-worker": Budget(48, 160, 20),
    # 145 MB of its own at rest, 160 after the editor was used and 1,000 msg/s carried; measured 2026-11
    "node-red": Budget(160, 320, 50),
    # not measured: its image can't be had where this was written; its publisher asks for 512 MB
    "grafana": Budget(192, 512, 50),
    "registry": Budget(24, 64, 10),  # 24 MB at its highest while two layers of 100 MB each were pushed, 2026-11
    "headlamp": Budget(64, 128, 10),  # not measured, as with Grafana; its publisher's chart sets no limit
}

# L and XL are of many cars. A bridge that knows the topics of 100,000 cars takes 163 MB; a shard with a sixth of them, and its
# queue for a bridge that is away, twice what 25 need; Kafka gets 5 MB a second and keeps what it writes in the page cache.
_LARGE = _SMALL | {
    "mosquitto": Budget(64, 384, 50),
    "kafka": Budget(768, 1536, 200),
    "influxdb": Budget(128, 1024, 100),
    "bridge": Budget(64, 400, 50),
    "timeseries": Budget(64, 256, 50),
    "fleet": Budget(64, 256, 50),
}


def _fleet(name: str) -> dict[str, Any]:
    """The fields of a scale that are its fleet's."""
    size = FLEET_SIZES[name]
    return {
        "name": name,
        "cars": size.cars,
        "interval_s": size.interval_s,
        "mqtt_shards": size.mqtt_shards,
        "bridges": size.bridges,
    }


OWN_AT_XL = 25  # a fleet's pod is one process and has no files for 100,000: these come by `./lab fleet run XL`
# At 10,000 messages a second over 12 partitions 5 ms gather four records a batch, and Kafka takes 0.7 of a core; 25 ms gather
# twenty, and it takes 0.24 (2026-11-27, two cores). InfluxDB alone would take 1.5 for every reading of 100,000 cars.
S = Scale(
    **_fleet("S"),
    iotkit=3,
    kafka_brokers=1,
    partitions=3,
    kafka_volume_gb=5,
    mqtt_volume_gb=1,
    influx_volume_gb=5,
    influx_max_values_per_tag=100_000,
    sampled_cars=1,
    budgets=_SMALL,
    machine_type="m6i.large",
    linger_ms=5,
)
M = replace(S, **_fleet("M"), iotkit=20, partitions=6, kafka_volume_gb=20, influx_volume_gb=10, machine_type="m6i.xlarge")
L = replace(M, **_fleet("L"), partitions=12, budgets=_LARGE, machine_type="m6i.2xlarge")
XL = replace(L, **_fleet("XL") | {"cars": OWN_AT_XL}, iotkit=3, influx_volume_gb=5, sampled_cars=20, linger_ms=25)
SCALES = {scale.name: scale for scale in (S, M, L, XL)}
CLUSTER_MB = 1_200  # the embedded cluster's own parts, measured 2026-11 at rest: 0.8 GB
CLUSTER_CPU_M = 400  # the same, thousandths of a core: 0.2 at rest, twice that while pods start
