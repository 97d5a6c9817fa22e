"""What boards have published, as the bridge puts it into Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import Producer
from telemetry.record import arrival_headers

from tests.support.brokers import Kafka

Message = tuple[str, bytes]  # MQTT topic, payload


def sensor(number: int) -> bytes:
    """A line that no other number has."""
    return f"0x{number:X},{20 + number % 10}.25,40.5,{('low', 'middle', 'high')[number % 3]}".encode()


class Boards:
    """Publishes on behalf of boards."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        """`topic` stands for broker_message."""
        self._producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 5})
        self._topic = topic

    def publish(self, messages: Iterable[Message], arrival_ms: int | None = None) -> None:
        """Bring all of them to Kafka."""
        for mqtt, payload in messages:
            levels = mqtt.split("/")
            device = levels[1] if len(levels) == 3 else "bridge-0"
            headers = arrival_headers(mqtt, device, "bridge-0", arrival_ms or time.time_ns() // 1_000_000)
            self._producer.produce(self._topic, payload, key=mqtt, headers=headers)
            self._producer.poll(0)
        assert self._producer.flush(20.0) == 0

    def sensors(self, numbers: Iterable[int]) -> None:
        """Readings of ten boards."""
        self.publish((f"iotkit/board-{number % 10}/sensor", sensor(number)) for number in numbers)
