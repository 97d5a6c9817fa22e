"""What a machine can carry and which limit breaks first, from measured costs (infra/lab/costs.py). Pure.

The cars run on the machine as well, as `./lab fleet run` has them; real ones leave their processor time and memory free.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from infra import mqtt_shards, wiring
from infra.lab import costs
from infra.lab.costs import Cost, Curve
from infra.lab.plan.room import Room
from infra.lab.scenario.forecast import OTHER_FILES, SESSIONS_OF_A_PROCESS, Sessions, full_shards, sessions_of
from infra.scales import CLUSTER_CPU_M, CLUSTER_MB, FLEET_SIZES, SCALES, Scale
from infra.services.kafka import KEPT_SHARE

MOST_CARS = 10_000_000  # where looking for a limit ends
CARS_OF_A_BRIDGE = 100_000  # two topics each fill what one remembers
FULL_SHARD = math.ceil(FLEET_SIZES["XL"].cars / FLEET_SIZES["XL"].mqtt_shards)  # cars; above that there are more shards
BROKER_SHARE = 0.8  # of its pod's memory: there Mosquitto stops by itself
READING_BYTES = 530
MANY_SERIES_FROM = 10_000  # series: up to here InfluxDB was measured with so few
NOTHING = 1e-3  # stands for a limit of 0, as where every connection that can be tracked is
TAKE_LONGER = "fewer cars or a longer interval"


@dataclass(frozen=True, slots=True)
class Load:
    """Cars that publish at an interval, and the lab around them: its services as large as a scale makes them."""

    cars: int
    interval_s: float
    qos: int
    services: frozenset[str]
    scale: Scale

    @property
    def msg_s(self) -> float:
        """All cars together."""
        return self.cars / self.interval_s

    @property
    def sessions(self) -> Sessions:
        """Shards, processes, files; more shards than the scale's where these were fuller than XL's."""
        return sessions_of(self.cars, max(self.scale.mqtt_shards, full_shards(self.cars)))

    @property
    def cars_of_a_shard(self) -> int:
        """At most: where shards are added, so many were on each just before, and a machine has to carry those as well."""
        return min(math.ceil(self.cars / self.scale.mqtt_shards), FULL_SHARD)

    @property
    def topics_of_a_bridge(self) -> int:
        """At most, in the same way."""
        return min(2 * self.cars, costs.TOPICS_KNOWN)

    @property
    def pods(self) -> dict[str, int]:
        """How many of each service."""
        several = {"mosquitto": self.sessions.shards, "bridge": math.ceil(self.cars / CARS_OF_A_BRIDGE)}
        return {service: several.get(service, self.scale.pods_of(service)) for service in self.services}

    @property
    def points_s(self) -> float:
        """Readings that InfluxDB gets one by one."""
        return self.msg_s / self.scale.sampled_cars

    @property
    def kafka_keeps_h(self) -> float:
        """How long a reading stays in Kafka, uncompressed."""
        kept = self.scale.kafka_volume_gb * 2**30 * KEPT_SHARE * wiring.SENSOR_DATA.share
        return kept / (self.msg_s * READING_BYTES) / 3600


@dataclass(frozen=True, slots=True)
class Need:
    """One limit: what the load needs of it, what there is (None: not known from here), by which figures, and what helps."""

    limit: str
    need: float
    have: float | None
    unit: str
    remedy: str
    by: tuple[Cost | Curve, ...] = ()

    @property
    def used(self) -> float:
        """The share that is used up, 1 is all; 0 where the limit is not known."""
        return 0.0 if self.have is None else self.need / max(self.have, NOTHING)


def _cores(load: Load, room: Room) -> list[Need]:
    curves = [costs.FLEET[load.qos], costs.MOSQUITTO[load.qos], costs.BRIDGE_CORES[load.qos], costs.KAFKA]
    writer = costs.WRITER_SAMPLED if load.scale.sampled_cars > 1 else costs.WRITER_ALL
    used = CLUSTER_CPU_M / 1000 + sum(curve.cores(load.msg_s) for curve in curves) + writer.cores(load.msg_s)
    many = load.cars / load.scale.sampled_cars > MANY_SERIES_FROM
    point_us = costs.MANY_SERIES_CORES / costs.MANY_SERIES.value
    used += point_us * load.points_s if many else costs.INFLUX.cores(load.points_s)
    by = (*curves, writer, costs.MANY_SERIES if many else costs.INFLUX)
    most = costs.FLEET_RATE.value * room.cores
    return [
        Need("processor, all together", used, room.cores, "cores", f"take more cores, {TAKE_LONGER}", by),
        Need("fleet and brokers", load.msg_s, most, "messages/s", f"take more cores, {TAKE_LONGER}", (costs.FLEET_RATE,)),
    ]


def _rates(load: Load, _: Room) -> list[Need]:
    """Of what is one thread or one process, so that more cores don't help."""
    sampled = load.scale.sampled_cars > 1
    writer, sample = (costs.SAMPLED_RATE, "") if sampled else (costs.WRITER_RATE, "write one car in so many (sampled_cars), or ")
    return [
        Need(
            "Mosquitto, one shard's thread",
            load.cars_of_a_shard / load.interval_s,
            costs.SHARD_RATE.value,
            "messages/s",
            "take more shards (mqtt_shards)",
            (costs.SHARD_RATE,),
        ),
        Need(
            "bridge and Kafka, as far as measured",
            load.msg_s,
            costs.SHARD_RATE.value,
            "messages/s",
            f"nobody measured more: bench it, or take {TAKE_LONGER}",
            (costs.SHARD_RATE,),
        ),
        Need("writer to InfluxDB", load.msg_s, writer.value, "messages/s", f"{sample}take {TAKE_LONGER}", (writer,)),
        Need(
            "InfluxDB's points",
            load.points_s,
            costs.MANY_SERIES.value,
            "points/s",
            "write one car in more (sampled_cars)",
            (costs.MANY_SERIES,),
        ),
        Need(
            "InfluxDB's cars",
            load.cars / load.scale.sampled_cars,
            load.scale.influx_max_values_per_tag,
            "series",
            "write one car in more (sampled_cars)",
        ),
    ]


def _memory(load: Load, room: Room) -> list[Need]:
    budgets, clients = load.scale.budgets, load.sessions
    simulated_mb = clients.processes * budgets["fleet"].request_mb + load.cars * costs.SIMULATED_CAR.value / 1024
    pods_mb = sum(count * budgets[service].limit_mb for service, count in load.pods.items())
    kernel_mb = load.cars * costs.CONNECTION.value / 1024
    broker_mb = costs.MOSQUITTO_AT_REST.value + load.cars_of_a_shard * costs.BROKER_SESSION.value / 1024
    topics_mb = (costs.BRIDGE_TOPICS.value - costs.BRIDGE_AT_REST.value) * load.topics_of_a_bridge / costs.TOPICS_KNOWN
    return [
        Need(
            "memory, all together",
            CLUSTER_MB + pods_mb + simulated_mb + kernel_mb,
            room.memory_mb,
            "MB",
            "take more memory or fewer services",
            (costs.CONNECTION, costs.SIMULATED_CAR),
        ),
        Need(
            "memory of a shard, its queue full",
            broker_mb + budgets["mosquitto"].limit_mb / 2,
            budgets["mosquitto"].limit_mb * BROKER_SHARE,
            "MB",
            "take more shards, or raise mosquitto's budget",
            (costs.MOSQUITTO_AT_REST, costs.BROKER_SESSION),
        ),
        Need(
            "memory of a bridge",
            costs.BRIDGE_AT_REST.value + topics_mb,
            budgets["bridge"].limit_mb,
            "MB",
            "take more bridges, or raise their budget",
            (costs.BRIDGE_AT_REST, costs.BRIDGE_TOPICS),
        ),
    ]


def _kernel(load: Load, room: Room) -> list[Need]:
    clients, a_shard = load.sessions, load.cars_of_a_shard
    of_a_process = max(a_shard, min(load.cars, SESSIONS_OF_A_PROCESS)) + OTHER_FILES
    return [
        Need("open files of a process", of_a_process, room.files, "files", "raise ulimit -Hn"),
        Need("open files, all together", clients.files, room.all_files, "files", "raise fs.file-max"),
        Need("tracked connections", load.cars, room.tracked, "entries", "raise net.netfilter.nf_conntrack_max"),
        Need("local ports to a shard", a_shard, room.ports, "ports", "widen net.ipv4.ip_local_port_range, or take more shards"),
        Need("node ports of shards", clients.shards, most_shards(), "shards", "put more cars on a shard; ports end there"),
    ]


def _disk(load: Load, room: Room) -> list[Need]:
    volumes_gb = sum(count * load.scale.volumes_gb.get(service, 0) for service, count in load.pods.items())
    return [Need("disk", room.system_gb + volumes_gb, room.disk_gb, "GB", "take a larger disk, or smaller volumes")]


def most_shards() -> int:
    """So many shards have node ports, plain and TLS, that are nobody else's."""
    others = {row.node_port for row in wiring.EXPOSED}
    number = 1
    while not {mqtt_shards.NODE_PORT + number, mqtt_shards.TLS_NODE_PORT + number} & others and (
        mqtt_shards.NODE_PORT + number < mqtt_shards.TLS_NODE_PORT
    ):
        number += 1
    return number


def needs(load: Load, room: Room) -> list[Need]:
    """Every limit."""
    return [need for part in (_cores, _rates, _memory, _kernel, _disk) for need in part(load, room)]


@dataclass(frozen=True, slots=True)
class Size:
    """A size of the design on that machine, the fullest limit first."""

    name: str
    load: Load
    needs: tuple[Need, ...]

    @property
    def fits(self) -> bool:
        """Whether no known limit breaks."""
        return self.needs[0].used <= 1


def sizes(room: Room, services: frozenset[str]) -> list[Size]:
    """Each of them, with its own scale, or the largest there is."""
    largest = list(SCALES.values())[-1]
    found = []
    for name, size in FLEET_SIZES.items():
        load = Load(size.cars, size.interval_s, size.qos, services, SCALES.get(name, largest))
        found.append(Size(name, load, tuple(sorted(needs(load, room), key=lambda need: -need.used))))
    return found


@dataclass(frozen=True, slots=True)
class Most:
    """The most cars at an interval and a QoS, with the scale that carries most; `first` breaks with one more, `then` is next."""

    interval_s: float
    qos: int
    scale: str
    cars: int
    first: Need
    then: Need
    then_cars: int


def impossible(room: Room, services: frozenset[str]) -> dict[str, Need]:
    """Scales that cannot be there with one car: what breaks by the services alone."""
    found = {}
    for name, scale in SCALES.items():
        broken = [need for need in needs(Load(1, 1.0, 0, services, scale), room) if need.used > 1]
        if broken:
            found[name] = max(broken, key=lambda need: need.used)
    return found


def most(interval_s: float, qos: int, room: Room, services: frozenset[str]) -> Most:
    """Look for it, scale by scale and limit by limit."""
    return max((_most(interval_s, qos, room, services, scale) for scale in SCALES.values()), key=lambda found: found.cars)


def _most(interval_s: float, qos: int, room: Room, services: frozenset[str], scale: Scale) -> Most:
    def at(cars: int) -> list[Need]:
        return needs(Load(cars, interval_s, qos, services, scale), room)

    ends = sorted((_last(at, place), place) for place in range(len(at(1))))
    (cars, first), (later, then), *_ = ends
    return Most(interval_s, qos, scale.name, cars, at(cars + 1)[first], at(later + 1)[then], later)


def _last(at: Callable[[int], list[Need]], place: int) -> int:
    """The most cars, up to MOST_CARS, with which the limit at `place` holds; 0 if it never does."""
    low, high = 0, MOST_CARS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if at(middle)[place].used <= 1 else (low, middle - 1)
    return low
