"""What a Kafka topic holds while a bench runs, and afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from tests.support.brokers import Kafka

PARTITIONS = 3
DRAIN_S = 120.0


class Ends:
    """How many records a topic holds."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        """Asks `kafka`; close it."""
        self._consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": "bench"})
        self._places = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    def count(self) -> int:
        """Now."""
        ends = [self._consumer.get_watermark_offsets(place, timeout=10.0) for place in self._places]
        return sum(end[1] for end in ends if end)

    def told(self) -> bool:
        """Whether Kafka answers for each partition; those of a new topic have no leader for a moment."""
        try:
            self.count()
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """Ask no more."""
        self._consumer.close()


def timed_topic(kafka: Kafka) -> str:
    """A new topic whose records have the time at which Kafka's log got them."""
    return kafka.topic("bench", PARTITIONS, settings={"message.timestamp.type": "LogAppendTime"})


def records(kafka: Kafka, topic: str, count: int) -> Iterator[Message]:
    """The whole topic, which holds `count` records."""
    settings = {"bootstrap.servers": kafka.address, "group.id": "bench", "auto.offset.reset": "earliest"}
    with closing(Consumer(settings)) as consumer:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        until_s = time.monotonic() + DRAIN_S
        while count > 0 and time.monotonic() < until_s:
            for record in consumer.consume(10_000, 1.0):
                count -= 1
                yield record
