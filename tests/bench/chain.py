"""The whole way of a reading beside the one that people build of Telegraf: `./lab bench chain`.

Cars -> two shards of Mosquitto -> bridge -> Kafka -> writer -> InfluxDB, ours and then Telegraf in both places, with the same
cars, Kafka and kinds of servers. `kafka` times end in Kafka's log; the others are the age of the newest point whenever InfluxDB
was asked. Cores are those of the two carriers. What was acknowledged to a car and is no point is lost; copies are Kafka's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra import wiring
from tests.bench import contenders, report, timeseries
from tests.bench.cars import QUICKLY, Cars
from tests.bench.meter import Meter
from tests.bench.run import asked, one_kafka, run
from tests.bench.servers import without_limit
from tests.bench.subscriber import Reading
from tests.bench.topics import Ends, records, timed_topic
from tests.support import apps
from tests.support.brokers import Influx, Kafka, Mosquitto
from tests.support.processes import Process, wait_until

SHARDS = 2
CARS, MOST_CARS = 1_000, 3_000
INTERVAL_S = 0.3
WARM_UP_S, PACED_S = 5.0, 30.0
STILL_S = 10.0  # without a new point, and no more will come
WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works; `folder` is its own."""

    brokers: Sequence[Mosquitto]
    kafka: Kafka
    topic: str
    influx: Influx
    folder: Path


def ours(place: Place) -> list[Process]:
    """The bridge and the writer of this checkout."""
    topics, dead = {wiring.SENSOR_DATA.name: place.topic}, place.kafka.topic("bench-dead", 1)
    return [
        apps.bridge(place.folder, place.brokers, place.kafka.address, topics, dead, LOG_LEVEL="WARNING"),
        apps.timeseries(place.folder, place.kafka, place.influx.url, topics, dead, LOG_LEVEL="WARNING"),
    ]


def telegrafs(place: Place) -> list[Process]:
    """One Telegraf that carries to Kafka and one that carries on, as each is in the bench of its half."""
    to_kafka, to_influx = place.folder / "to-kafka", place.folder / "to-influx"
    to_kafka.mkdir()
    to_influx.mkdir()
    return [
        contenders.telegraf_to_kafka(place.brokers, place.kafka, place.topic, to_kafka),
        timeseries.with_telegraf(timeseries.Place(place.kafka, place.influx, place.topic, to_influx)),
    ]


Start = Callable[[Place], list[Process]]
CONTENDERS: dict[str, Start] = {"ours": ours, "Telegraf": telegrafs}


def _place(stack: ExitStack, kafka: Kafka, folder: Path) -> Place:
    brokers: list[Mosquitto] = []
    for number in range(SHARDS):
        own = folder / f"shard-{number}"
        own.mkdir()
        brokers.append(without_limit(own))
    influx = Influx(folder)
    for server in (*brokers, influx):
        stack.callback(server.close)
        server.start()
    influx.bootstrap()
    return Place(brokers, kafka, timed_topic(kafka), influx, folder)


def _carriers(stack: ExitStack, start: Start, place: Place) -> list[Process]:
    """Started, and subscribed to each shard."""
    carriers = start(place)
    for carrier in carriers:
        stack.callback(carrier.close)
        carrier.start()
    for broker in place.brokers:
        contenders.wait_for_subscription(broker, carriers[0])
    return carriers


def _cars(stack: ExitStack, place: Place, count: int) -> Cars:
    shards = {"FLEET_SHARDS": str(SHARDS), "FLEET_PORTS": json.dumps([broker.port for broker in place.brokers])}
    process = apps.fleet(place.folder, place.brokers[0], count, INTERVAL_S, **QUICKLY, **shards)
    return Cars(stack, process, place.brokers, count)


def _settle(points: timeseries.Points, wanted: int) -> int:
    """Points, when all are there or no more come."""
    count, moved_s = points.count(), time.monotonic()
    while count < wanted and time.monotonic() < moved_s + STILL_S:
        time.sleep(0.5)
        before, count = count, points.count()
        moved_s = time.monotonic() if count > before else moved_s
    return count


def measure(start: Start, cars: int, kafka: Kafka, folder: Path, seconds: float = PACED_S) -> report.Result:
    """Have one contender carry the readings of so many cars."""
    with ExitStack() as stack:
        place = _place(stack, kafka, folder)
        points = timeseries.Points(place.influx, 1)
        ends = Ends(kafka, place.topic)
        stack.callback(ends.close)
        wait_until("Kafka serves the topic", ends.told, 60.0)
        carriers = _carriers(stack, start, place)
        driven = _cars(stack, place, cars)
        wait_until("the first point is stored", lambda: points.count() > 0, WITHIN_S)
        time.sleep(WARM_UP_S)
        from_s, before, meter = time.time(), points.count(), Meter(carriers)
        ages_ms = points.ages_ms(lambda: time.time() < from_s + seconds)
        stored = points.count() - before
        took_s, cores = meter.read()
        acked = driven.stop()
        held = _settle(points, acked)
        kafka_ms, copies = _in_kafka(kafka, place.topic, ends.count(), from_s, from_s + took_s)
    p50_ms, p99_ms = report.quantiles(kafka_ms)
    more = {"kafka_p50_ms": p50_ms, "kafka_p99_ms": p99_ms}
    return report.Result.of(stored / took_s, cores, ages_ms, max(0, acked - held), copies, **more)


def _in_kafka(kafka: Kafka, topic: str, count: int, from_s: float, until_s: float) -> tuple[list[float], int]:
    """How long the readings of these seconds took to Kafka's log, ms; and how many of all are there as copies."""
    decoder, seen, times_ms = msgspec.json.Decoder(Reading), set(), []
    for record in records(kafka, topic, count):
        reading = decoder.decode(record.value() or b"")
        seen.add((reading.car, reading.time))
        if from_s <= reading.time < until_s:
            times_ms.append(record.timestamp()[1] - reading.time * 1000)
    return times_ms, count - len(seen)


if __name__ == "__main__":
    wanted = asked(CONTENDERS, CARS, MOST_CARS)
    load = {"cars": wanted.cars, "interval_s": INTERVAL_S, "paced_s": PACED_S, "qos": 1, "shards": SHARDS}
    with one_kafka() as kafka:
        run(wanted, lambda name, folder: measure(CONTENDERS[name], wanted.cars, kafka, folder), load)
