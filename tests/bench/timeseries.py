"""The writer beside Telegraf, one after another on the same Kafka, each with an InfluxDB of its own: `./lab bench timeseries`.

First a backlog that Kafka holds already: readings a second until all are points. Then a steady load, and how old the newest
point is whenever InfluxDB is asked. `ours, sampled` writes every reading of one car in ten and summaries of all, as at XL.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
from confluent_kafka import Producer
from telemetry.car import CarReading, encode_json
from telemetry.record import arrival_headers

from infra import wiring
from tests.bench import report
from tests.bench.meter import Meter
from tests.bench.run import asked, one_kafka, run
from tests.support.apps import timeseries
from tests.support.brokers import PASSWORDS, Influx, Kafka
from tests.support.load import reading
from tests.support.processes import Process, wait_until
from tests.support.telegraf import telegraf

CARS, SAMPLE = 1_000, 10
BACKLOG = 200_000
PACED_MSG_S, PACED_S = 3_333, 15.0
LOOK_EVERY_S = 0.05
WITHIN_S = 300.0
PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works; `folder` is its own."""

    kafka: Kafka
    influx: Influx
    topic: str
    folder: Path


def _ours(sample: int) -> Callable[[Place], Process]:
    def start(place: Place) -> Process:
        topics = {wiring.SENSOR_DATA.name: place.topic}
        dead = place.kafka.topic("bench-dead", 1)
        return timeseries(place.folder, place.kafka, place.influx.url, topics, dead, sample, LOG_LEVEL="WARNING")

    return start


TELEGRAF = """
[agent]
  omit_hostname = true
  metric_batch_size = 5000
  metric_buffer_limit = 100000
  flush_interval = "200ms"
[[inputs.kafka_consumer]]
  brokers = ["{brokerlist}"]
  topics = ["{topic}"]
  kafka_version = "3.6.0"
  consumer_group = "telegraf"
  offset = "oldest"
  max_undelivered_messages = 20000
  name_override = "car"
  data_format = "json"
  tag_keys = ["car"]
  json_time_key = "time"
  json_time_format = "unix"
  json_string_fields = ["failure_occurred"]
[[outputs.influxdb]]
  urls = ["{url}"]
  database = "{database}"
  skip_database_creation = true
  username = "timeseries"
  password = "{password}"
"""


def with_telegraf(place: Place) -> Process:
    """Telegraf with the same topic, tag, fields and times."""
    told = {"brokerlist": place.kafka.address, "topic": place.topic, "url": place.influx.url, "database": wiring.CARS_DB}
    config = place.folder / "telegraf.conf"
    config.write_text(TELEGRAF.format(password=PASSWORDS["timeseries"], **told))
    return Process("telegraf", [telegraf(), "--config", config], place.folder)


CONTENDERS: dict[str, tuple[Callable[[Place], Process], int]] = {  # who, and of how many cars one is written
    "ours": (_ours(1), 1),
    "telegraf": (with_telegraf, 1),
    "ours, sampled": (_ours(SAMPLE), SAMPLE),
}


def _readings(count: int) -> Iterator[tuple[str, CarReading]]:
    """Car by car; the times of a car's readings differ, or they would be one point."""
    begun_s = time.time() - 3600.0
    first = [reading(number, 0) for number in range(1, CARS + 1)]
    for sequence in range(count):
        given = first[sequence % CARS]
        yield given.car, msgspec.structs.replace(given, time=round(begun_s + sequence / 1000, 3))


def _produce(producer: Producer, topic: str, car: str, given: CarReading) -> None:
    key = f"{wiring.CARS_MQTT}/{car}"
    headers = arrival_headers(key, car, "bridge-0", time.time_ns() // 1_000_000)
    while True:
        try:
            producer.produce(topic, encode_json(given), key=key, headers=headers)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def _producer(kafka: Kafka) -> Producer:
    return Producer({"bootstrap.servers": kafka.address, "linger.ms": 5, "compression.type": "lz4"})


def filled(kafka: Kafka) -> str:
    """A topic with the backlog."""
    topic, producer = kafka.topic("bench", PARTITIONS), _producer(kafka)
    for car, given in _readings(BACKLOG):
        _produce(producer, topic, car, given)
    assert producer.flush(60.0) == 0
    return topic


class Points:
    """What an InfluxDB holds, for a contender that writes every reading of one car in `sample`."""

    def __init__(self, influx: Influx, sample: int) -> None:
        """`sample` 1: the points are counted; else the readings of the summaries."""
        self._influx, self._summarised = influx, sample > 1

    def count(self) -> int:
        """Readings that are stored."""
        asked = 'SUM("readings") FROM "car_summary"' if self._summarised else 'COUNT("speed") FROM "car"'
        rows = self._influx.ask(f"SELECT {asked}", wiring.CARS_DB)
        return int(float(str(rows[0][1]))) if rows else 0

    def newest_ms(self) -> float:
        """The time of the newest point of a car."""
        rows = self._influx.ask('SELECT "speed" FROM "car" ORDER BY time DESC LIMIT 1', wiring.CARS_DB)
        return float(str(rows[0][0]))

    def ages_ms(self, going: Callable[[], bool]) -> list[float]:
        """How old the newest point was, whenever it was asked for, while `going`."""
        found = []
        while going():
            found.append(time.time() * 1000 - self.newest_ms())
            time.sleep(LOOK_EVERY_S)
        return found


def _backlog(points: Points, carrier: Process) -> tuple[float, float]:
    """Readings a second and cores, from the first that is stored to the last."""
    wait_until("the first readings are stored", lambda: points.count() > 0, WITHIN_S, LOOK_EVERY_S)
    first, meter = points.count(), Meter([carrier])
    wait_until("all readings are stored", lambda: points.count() >= BACKLOG, WITHIN_S, LOOK_EVERY_S)
    took_s, cores = meter.read()
    return (BACKLOG - first) / took_s, cores


def _paced(kafka: Kafka, topic: str, points: Points) -> list[float]:
    """The ages of the newest point, ms."""
    done = threading.Event()

    def send() -> None:
        producer, begun_s = _producer(kafka), time.monotonic()
        for sent, (car, given) in enumerate(_readings(int(PACED_MSG_S * PACED_S))):
            while (ahead_s := sent / PACED_MSG_S - (time.monotonic() - begun_s)) > 0:
                time.sleep(min(ahead_s, 0.005))
            _produce(producer, topic, car, msgspec.structs.replace(given, time=time.time()))
            producer.poll(0)
        producer.flush(30.0)
        done.set()

    threading.Thread(target=send, daemon=True).start()
    time.sleep(2.0)
    return points.ages_ms(lambda: not done.is_set())


def measure(start: Callable[[Place], Process], sample: int, kafka: Kafka, topic: str, folder: Path) -> report.Result:
    """Have one contender store a backlog, then a steady load."""
    with ExitStack() as stack:
        influx = Influx(folder)
        stack.callback(influx.close)
        influx.start()
        influx.bootstrap()
        points = Points(influx, sample)
        carrier = start(Place(kafka, influx, topic, folder))
        stack.callback(carrier.close)
        carrier.start()
        msg_s, cores = _backlog(points, carrier)
        stored = points.count()
        ages_ms = _paced(kafka, topic, points)
    return report.Result.of(msg_s, cores, ages_ms, BACKLOG - stored, 0)


if __name__ == "__main__":
    wanted = asked(CONTENDERS, CARS)
    load = {"cars": wanted.cars, "backlog": BACKLOG, "paced_s": PACED_S, "paced_msg_s": PACED_MSG_S, "sample": SAMPLE}
    with one_kafka() as kafka:
        run(wanted, lambda name, folder: measure(*CONTENDERS[name], kafka, filled(kafka), folder), load)
