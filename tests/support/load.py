"""Cars that publish and remember what the broker acknowledged, and a look at what Kafka holds: what lies between is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from fleet.cars import Cars, Traits
from fleet.readings import readings
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from telemetry.car import CarReading, encode_json

from infra import wiring
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.mock_kafka import MockKafka

Identity = tuple[str, float]  # car, time: what makes a reading unique


def reading(number: int, sequence: int) -> CarReading:
    """A car's reading whose time is its sequence number in milliseconds after a fixed moment."""
    return msgspec.structs.replace(_first_reading(number), time=1_700_000_000.0 + sequence / 1000)


@cache
def _first_reading(number: int) -> CarReading:
    seen = Cars(range(number, number + 1), Traits(seed=1, interval_s=10.0)).live(np.array([0])).seen
    return next(readings([wiring.CAR_CLIENT_ID.format(number=number)], seen, 0.0))


def identities(payloads: list[bytes]) -> list[Identity]:
    """Who they are; payloads that are no readings are left out."""
    found = []
    for payload in payloads:
        try:
            fields = msgspec.json.decode(payload)
            found.append((str(fields["car"]), float(fields["time"])))
        except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
            continue
    return found


class PublishingCar:
    """One publishing car: QoS 1, and a reading counts as acknowledged when its PUBACK came."""

    def __init__(self, mosquitto: Mosquitto, number: int) -> None:
        """Connects and keeps reconnecting."""
        self.sent: dict[int, Identity] = {}  # by packet id
        self.name = wiring.CAR_CLIENT_ID.format(number=number)
        self._number = number
        self._acked: list[int] = []  # no lock: paho holds its own while it calls back, and publish takes that one
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=self.name, clean_session=False)
        self.client.username_pw_set("fleet", PASSWORDS["fleet"])
        self.client.reconnect_delay_set(1, 1)
        self.client.on_publish = lambda _c, _d, mid, _r, _p: self._acked.append(mid)
        self.client.connect("127.0.0.1", mosquitto.port, 30)
        self.client.loop_start()

    def acknowledged(self) -> set[Identity]:
        """What the broker has promised to keep."""
        return {self.sent[mid] for mid in list(self._acked) if mid in self.sent}

    def publish(self, sequence: int) -> None:
        """Send reading number `sequence`."""
        sent = reading(self._number, sequence)
        told = self.client.publish(f"{wiring.CARS_MQTT}/{self.name}", encode_json(sent), 1)
        self.sent[told.mid] = (sent.car, sent.time)

    def close(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        self.client.loop_stop()


class Load:
    """Cars that publish `rate` readings a second together until told to stop."""

    def __init__(self, mosquitto: Mosquitto, cars: int, rate: float, first: int) -> None:
        """Connects the cars; the first has the number `first`."""
        self._cars = [PublishingCar(mosquitto, number) for number in range(first, first + cars)]
        self._pause_s = 1.0 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)

    @property
    def acknowledged(self) -> set[Identity]:
        """What the broker has promised to keep."""
        return set().union(*(car.acknowledged() for car in self._cars))

    @property
    def sent(self) -> set[Identity]:
        """What was published."""
        return set().union(*(car.sent.values() for car in self._cars))

    def _publish(self) -> None:
        sequence, next_s = 0, time.monotonic()
        while not self._stop.is_set():
            for car in self._cars:
                car.publish(sequence)
                next_s += self._pause_s
                time.sleep(max(0.0, next_s - time.monotonic()))
            sequence += 1

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Publish no more, and wait until all that was sent is acknowledged."""
        self._stop.set()
        self._thread.join()
        until_s = time.monotonic() + timeout_s
        while len(self.acknowledged) < len(self.sent) and time.monotonic() < until_s:
            time.sleep(0.05)

    def close(self) -> None:
        """Disconnect the cars."""
        self._stop.set()
        for car in self._cars:
            car.close()


@contextmanager
def load(mosquitto: Mosquitto, *, cars: int = 5, rate: float = 300.0, first: int = 1) -> Iterator[Load]:
    """Running cars; they are disconnected afterwards."""
    running = Load(mosquitto, cars, rate, first)
    try:
        running.start()
        yield running
    finally:
        running.close()


Headers = dict[str, str]


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def _headers(message: Message) -> Headers:
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return {name: _text(value) for name, value in pairs}


def contents(kafka: Kafka | MockKafka, topic: str) -> list[tuple[str, bytes, Headers]]:
    """Everything in `topic` now: key, value, headers."""
    return [(_text(message.key()), message.value() or b"", _headers(message)) for message in _messages(kafka, topic)]


def largest_gap_s(kafka: Kafka, topic: str) -> float:
    """The longest time between two records of `topic`, by Kafka's timestamps."""
    times_ms = sorted(message.timestamp()[1] for message in _messages(kafka, topic))
    return max(later - earlier for earlier, later in pairwise(times_ms)) / 1000


def _messages(kafka: Kafka | MockKafka, topic: str) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": "test", "enable.auto.commit": False})
    found: list[Message] = []
    try:
        ends: dict[int, int] = {}
        for number in consumer.list_topics(topic, timeout=10.0).topics[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10.0) or (0, 0)
            if high > low:
                ends[number] = high
        consumer.assign([TopicPartition(topic, number, 0) for number in ends])
        while any(place.offset < ends[place.partition] for place in consumer.position(consumer.assignment())):
            for message in consumer.consume(1000, 0.5):
                assert message.error() is None, message.error()
                found.append(message)
    finally:
        consumer.close()
    return found


def committed(kafka: Kafka, group: str, topic: str, partitions: int = 3) -> int:
    """Records of `topic` that `group`, named with the topic behind it, has committed; partitions without any count as none."""
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": f"{group}-{topic}"})
    try:
        places = consumer.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=10.0)
    except KafkaException:  # the group has no coordinator for a moment
        return -1
    finally:
        consumer.close()
    return sum(max(0, place.offset) for place in places)
