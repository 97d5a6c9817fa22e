"""What each part of the chain takes at a steady load: `python -m tests.bench.costs`.

Cars of our own fleet through one Mosquitto and the bridge to Kafka, and on through the writer to InfluxDB; processor time and
memory of every process meanwhile. `./lab plan --fit` reckons with these figures (docs/measured/costs.json). It needs
`eval "$(./lab env)"` and `PYTHONPATH=.:apps`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from infra import wiring
from infra.scales import SCALES
from tests.bench.report import Report
from tests.support.apps import App, bridge, fleet, timeseries
from tests.support.brokers import Influx, Kafka, Mosquitto
from tests.support.processes import Process, wait_until

SETTLE_S, SECONDS = 10.0, 20.0
KAFKA_TOPICS = (wiring.SENSOR_DATA, wiring.FLEET_TRUTH)


@dataclass(frozen=True, slots=True)
class Load:
    """So many cars in a lab of that scale, which says the partitions, the bridge's linger and how many cars are sampled."""

    scale: str
    cars: int
    interval_s: float
    qos: int


LOADS = (
    Load("M", 1_000, 1.0, 1),
    Load("L", 10_000, 10.0, 1),
    Load("L", 10_000, 3.0, 1),
    Load("XL", 10_000, 1.0, 1),
    Load("XL", 10_000, 1.0, 0),
)


def _cpu_s(parts: dict[str, Process]) -> dict[str, float]:
    return {name: sum(psutil.Process(part.pid).cpu_times()[:2]) for name, part in parts.items()}


def _memory_mb(parts: dict[str, Process]) -> dict[str, float]:
    return {name: round(psutil.Process(part.pid).memory_info().rss / 2**20, 1) for name, part in parts.items()}


def measure(load: Load, kafka: Kafka, folder: Path) -> dict[str, Any]:
    """Messages a second that Kafka and InfluxDB took; of each part the cores, and the memory at the end."""
    with ExitStack() as stack:

        def started(part: Process) -> None:
            stack.callback(part.close)
            part.start()

        mosquitto, influx = Mosquitto(folder), Influx(folder)
        started(mosquitto)
        started(influx)
        influx.bootstrap()
        scale = SCALES[load.scale]
        topics = {topic.name: kafka.topic("costs", scale.partitions) for topic in KAFKA_TOPICS}
        dead = kafka.topic("costs-dead", 1)
        linger = {"BRIDGE_LINGER_MS": str(scale.linger_ms)}
        carrier = bridge(folder, mosquitto, kafka.address, topics, dead, LOG_LEVEL="WARNING", **linger)
        started(carrier)
        carrier.wait_until_ready()
        writer = timeseries(folder, kafka, influx.url, topics, dead, scale.sampled_cars, LOG_LEVEL="WARNING")
        started(writer)
        fast = {"FLEET_QOS": str(load.qos), "FLEET_CONNECTS_PER_S": "1500", "LOG_LEVEL": "WARNING"}
        cars = fleet(folder, mosquitto, load.cars, load.interval_s, **fast)
        started(cars)
        parts: dict[str, Process] = {"fleet": cars, "mosquitto": mosquitto, "bridge": carrier, "kafka": kafka}
        return _steady(load, carrier, writer, parts | {"timeseries": writer, "influxdb": influx})


def _steady(load: Load, carrier: App, writer: App, parts: dict[str, Process]) -> dict[str, Any]:
    wait_until("all cars have sent", lambda: carrier.metric("bridge_delivered_total") > load.cars, 120.0, 1.0)
    time.sleep(SETTLE_S)
    counters: dict[str, Callable[[], float]] = {
        "msg_s": lambda: carrier.metric("bridge_delivered_total"),
        "records_s": lambda: writer.metric("timeseries_records_read_total"),
        "points_s": lambda: writer.metric("timeseries_points_written_total"),
    }
    counted = {name: count() for name, count in counters.items()}
    begun_s, before = time.monotonic(), _cpu_s(parts)
    time.sleep(SECONDS)
    after, took_s = _cpu_s(parts), time.monotonic() - begun_s
    rates = {name: round((count() - counted[name]) / took_s) for name, count in counters.items()}
    cores = {name: round((after[name] - before[name]) / took_s, 3) for name in parts}
    return asdict(load) | {"sample": SCALES[load.scale].sampled_cars} | rates | {"cores": cores, "memory_mb": _memory_mb(parts)}


def main() -> None:
    """Measure one load after another beside one Kafka."""
    with tempfile.TemporaryDirectory(prefix="iotlab-costs-") as made, ExitStack() as stack:
        folders = [Path(made, name) for name in ("kafka", *(str(number) for number in range(len(LOADS))))]
        for folder in folders:
            folder.mkdir()
        kafka = Kafka(folders[0])
        stack.callback(kafka.close)
        kafka.start()
        told: dict[str, Any] = {"day": time.strftime("%Y-%m-%d", time.gmtime()), "machine": Report({}, {}).machine, "loads": []}
        for load, folder in zip(LOADS, folders[1:], strict=True):
            told["loads"].append(measure(load, kafka, folder))
            sys.stderr.write(f"{told['loads'][-1]}\n")
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
