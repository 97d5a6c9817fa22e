"""What was measured of each part: value, day, machine, how to repeat it. Forecasts and `./lab plan --fit` reckon with this alone.

Tests hold what has a `file` against it. All machines had two cores, which everything shared.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """When and on what; `file` has the figures, where there is one in the repository."""

    day: str
    machine: str
    repeat: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """One figure; `field` is its place in the source's file, keys with points between."""

    what: str
    value: float
    unit: str
    source: Source
    field: str = ""

    def __str__(self) -> str:
        """Its value with the unit."""
        return f"{self.value:,g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Curve:
    """Cores that a part takes, by messages (or points) a second: pairs as measured, slowest first."""

    what: str
    points: tuple[tuple[float, float], ...]
    source: Source
    unit: str = "cores"

    def cores(self, rate_s: float) -> float:
        """On a line between two loads; beyond the last one each message costs what it did there."""
        before_s, before = 0.0, 0.0
        for at_s, cores in self.points:
            if rate_s <= at_s:
                return before + (cores - before) * (rate_s - before_s) / (at_s - before_s)
            before_s, before = at_s, cores
        return before * rate_s / before_s

    def __str__(self) -> str:
        """Each pair."""
        return ", ".join(f"{cores:g} at {rate_s:,.0f}/s" for rate_s, cores in self.points)


PROTOTYPE = Source("2026-11", "2 cores; a prototype of the same shape, six brokers", "not in this repository")
BRIDGE = Source("2026-11-26", "2 cores, 25 GB, other work beside it", "./lab bench bridge", "docs/measured/bench-bridge.json")
WRITER = Source(
    "2026-11-26", "2 cores, 25 GB, other work beside it", "./lab bench timeseries", "docs/measured/bench-timeseries.json"
)
CHAIN = Source("2026-11-27", "2 cores, 25 GB, other work beside it", "python -m tests.bench.costs", "docs/measured/costs.json")
PODS = Source("2026-11-26", "2 cores, 25 GB, the stack local", "./lab status")

BROKER_SESSION = Cost("a session in Mosquitto", 0.74, "KB", PROTOTYPE)
SIMULATED_CAR = Cost("a car in its fleet's process", 0.8, "KB", PROTOTYPE)
CONNECTION = Cost("a connection in the kernel, both ends", 8.0, "KB", PROTOTYPE)
MOSQUITTO_AT_REST = Cost("Mosquitto with 25 cars", 2, "MB", PODS)
BRIDGE_AT_REST = Cost("the bridge with 25 cars", 28, "MB", PODS)
TOPICS_KNOWN = 200_000  # by a bridge; what belongs to more is made anew each time
BRIDGE_TOPICS = Cost(
    f"the bridge with {TOPICS_KNOWN:,} topics, its most", 163, "MB", Source("2026-11-26", "2 cores, 25 GB", "ADR 23")
)
FLEET_RATE = Cost("fleet and brokers together, a core", 16_500, "messages/s", PROTOTYPE)
SHARD_RATE = Cost("one Mosquitto, in and out to the bridge", 52_956, "messages/s", BRIDGE, "contenders.bridge.msg_s")
WRITER_RATE = Cost("the writer, every reading", 14_958, "messages/s", WRITER, "contenders.ours.msg_s")
SAMPLED_RATE = Cost("the writer, one car in 10", 35_159, "messages/s", WRITER, "contenders.ours, sampled.msg_s")
MANY_SERIES = Cost("InfluxDB with 100,000 series, on 1.75 cores", 11_600, "points/s", PROTOTYPE)
MANY_SERIES_CORES = 1.75
FLEET = {
    0: Curve("the fleet, QoS 0", ((10_192, 0.203),), CHAIN),
    1: Curve("the fleet, QoS 1", ((1_019, 0.078), (1_019, 0.08), (3_458, 0.123), (10_229, 0.27)), CHAIN),
}
MOSQUITTO = {
    0: Curve("Mosquitto, QoS 0", ((10_192, 0.074),), CHAIN),
    1: Curve("Mosquitto, QoS 1", ((1_019, 0.022), (1_019, 0.022), (3_458, 0.055), (10_229, 0.166)), CHAIN),
}
BRIDGE_CORES = {
    0: Curve("the bridge, QoS 0", ((10_192, 0.16),), CHAIN),
    1: Curve("the bridge, QoS 1", ((1_019, 0.063), (1_019, 0.074), (3_458, 0.107), (10_229, 0.178)), CHAIN),
}
KAFKA = Curve("Kafka", ((1_019, 0.18), (1_019, 0.215), (3_458, 0.252), (10_229, 0.231)), CHAIN)
WRITER_ALL = Curve("the writer, each reading", ((993, 0.052), (993, 0.054), (3_814, 0.159)), CHAIN)
WRITER_SAMPLED = Curve("the writer, one car in 20", ((10_116, 0.176),), CHAIN)
INFLUX = Curve("InfluxDB with up to 10,000 series, by points", ((993, 0.046), (993, 0.056), (3_729, 0.258)), CHAIN)
