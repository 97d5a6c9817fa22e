"""Boards that publish numbered sensor lines and remember them, and what of it Kafka holds, in order."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from infra import wiring
from tests.support.brokers import PASSWORDS, Kafka, Mosquitto
from tests.support.load import contents

Sent = dict[str, int]  # MQTT topic -> how many messages were published under it


def connect(mosquitto: Mosquitto, client_id: str = "boards") -> Client:
    """A client with the login of people and boards."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
    client.username_pw_set("lab", PASSWORDS["lab"])
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    return client


class Boards:
    """`count` boards that publish `rate` lines a second together, QoS 1."""

    def __init__(self, mosquitto: Mosquitto, count: int, rate: float) -> None:
        """Connects them."""
        self.topics = [f"{wiring.IOTKIT_MQTT}/board-{number}/sensor" for number in range(count)]
        self.sent: Sent = dict.fromkeys(self.topics, 0)
        self._client = connect(mosquitto)
        self._pause_s = 1.0 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)

    def _publish(self) -> None:
        next_s = time.monotonic()
        last = None
        while not self._stop.is_set():
            for topic in self.topics:
                last = self._client.publish(topic, f"0x{self.sent[topic]:X},21.00,51.4,low".encode(), 1)
                self.sent[topic] += 1
                next_s += self._pause_s
                time.sleep(max(0.0, next_s - time.monotonic()))
        if last:
            last.wait_for_publish(10.0)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> Sent:
        """Publish no more; what was sent."""
        self._stop.set()
        self._thread.join(20.0)
        self._client.disconnect()
        self._client.loop_stop()
        return self.sent


@contextmanager
def publishing(mosquitto: Mosquitto, count: int = 5, rate: float = 100.0) -> Iterator[Boards]:
    """Boards that publish while the body runs."""
    boards = Boards(mosquitto, count, rate)
    boards.start()
    try:
        yield boards
    finally:
        boards.stop()


def numbers(kafka: Kafka, topic: str) -> dict[str, list[int]]:
    """Key -> the numbers of its lines in the order in which Kafka holds them."""
    found: dict[str, list[int]] = defaultdict(list)
    for key, value, _ in contents(kafka, topic):
        found[key].append(int(value.split(b",")[0], 16))
    return found


def all_in_order(kafka: Kafka, topic: str, sent: Sent, within_s: float = 30.0) -> int:
    """Wait until every line is in Kafka; fail if a key's order is not that of publishing. Returns how many came twice."""

    def missing() -> dict[str, list[int]]:
        found = numbers(kafka, topic)
        lacking = {key: sorted(set(range(count)) - set(found[key])) for key, count in sent.items()}
        return {key: lines for key, lines in lacking.items() if lines}

    until_s = time.monotonic() + within_s
    while lost := missing():
        assert time.monotonic() < until_s, f"not in Kafka after {within_s:.0f} s: {lost}"
        time.sleep(0.2)
    found = numbers(kafka, topic)
    for key, count in sent.items():
        first_seen = list(dict.fromkeys(found[key]))
        assert first_seen == list(range(count)), f"{key}: {first_seen[:20]}…"
    return sum(len(each) for each in found.values()) - sum(sent.values())
