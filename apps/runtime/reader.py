"""Reading Kafka in a group: records come in batches, and their offsets are committed by hand after the effect."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from prometheus_client import Counter
from telemetry.record import Record, next_offsets

from runtime.backoff import Backoff
from runtime.errors import UnavailableError
from runtime.seldom import Seldom
from runtime.status import Heartbeat

log = logging.getLogger(__name__)

Done = TypeVar("Done")
Place = Callable[[Consumer, list[TopicPartition]], list[TopicPartition]]  # where reading begins in assigned partitions


@dataclass(frozen=True, slots=True)
class Source:
    """Which topics of which brokers are read, and by which group."""

    brokerlist: str
    group: str
    topics: tuple[str, ...]


def _consumer(source: Source) -> Consumer:
    seldom = Seldom(log)

    def on_error(error: KafkaError) -> None:
        seldom.warning(f"Kafka: {error.str()}")

    return Consumer(
        {
            "bootstrap.servers": source.brokerlist,
            "group.id": source.group,
            "client.id": source.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10_000,  # a killed reader's partitions are free again after this time
            "queued.max.messages.kbytes": 16_384,
            "topic.metadata.refresh.interval.ms": 10_000,  # a topic made after us is found soon
            "reconnect.backoff.max.ms": 2000,
            "socket.keepalive.enable": True,
            "error_cb": on_error,
            "log_level": 2,  # the client's own log would say the same again, many times a second
        }
    )


def record_of(message: KafkaMessage) -> Record:
    """Freed of the client library."""
    key = message.key() or b""
    headers = message.headers() or []
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=key.decode(errors="replace") if isinstance(key, bytes) else key,
        value=message.value() or b"",
        headers=headers if isinstance(headers, list) else list(headers.items()),
        timestamp_ms=message.timestamp()[1],
    )


class Reader:
    """The records of some topics, shared among the readers of the group."""

    def __init__(self, source: Source, heartbeat: Heartbeat, waits: Counter, *, place: Place | None = None) -> None:
        """Nothing connects before `read`; `waits` counts how often a batch had to wait.

        `place` may move where reading begins; without it the group's offsets rule.
        """
        self.consumer = _consumer(source)
        self.assignments = 0  # how often partitions were assigned; what was read before the last time comes again
        self._waiting: str | None = None
        self._topics = source.topics
        self._waits = waits
        self._heartbeat = heartbeat
        self._place = place
        self._early: list[KafkaMessage] = []  # came from a newly assigned partition while a batch waited
        self._subscribed = False

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._place is not None:
            consumer.assign(self._place(consumer, partitions))
        self.assignments += 1
        self._early.clear()  # every partition begins again where the group's offsets, or `place`, say
        log.info("reads %d partitions", len(partitions))

    @property
    def why(self) -> str | None:
        """None when it reads, else what it waits for."""
        return self._waiting or (None if self.assignments else "no partitions of Kafka are assigned yet")

    def read(self, most: int, wait_s: float) -> list[Record]:
        """Up to `most` records; fewer, or none, after `wait_s`."""
        if not self._subscribed:
            self.consumer.subscribe(list(self._topics), on_assign=self._on_assign)
            self._subscribed = True
        self._heartbeat.beat()
        messages = self._early + self.consumer.consume(most, wait_s)
        self._early = []
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(record_of(message))
            else:
                log.warning("Kafka: %s", error.str())
        return records

    def insist(self, effect: Callable[[], Done], stop: threading.Event) -> Done | None:
        """What `effect` returns, however long it takes; None if told to stop before it succeeded."""
        backoff = Backoff(0.5, 5.0)
        waited = False
        while not stop.is_set():
            try:
                done = effect()
            except UnavailableError as failed:
                self._wait(str(failed), backoff.next_s())
                waited = True
                continue
            if waited:
                log.info("goes on")
                self.consumer.resume(self.consumer.assignment())
                self._waiting = None
            return done
        return None

    def _wait(self, why: str, wait_s: float) -> None:
        """Wait without losing the group's membership: poll, but with every partition paused."""
        log.warning("%s; offsets wait", why)
        self._waiting = why
        self._waits.inc()
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._heartbeat.beat()
            self.consumer.pause(self.consumer.assignment())
            message = self.consumer.poll(min(left_s, 1.0))
            if message is not None:
                self._early.append(message)

    def commit(self, records: Iterable[Record]) -> bool:
        """Commit what lies behind `records`; False if Kafka did not take it, and they come again."""
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in next_offsets(records).items()]
        return self.commit_places(places)

    def commit_places(self, places: list[TopicPartition]) -> bool:
        """Commit these offsets; False if Kafka did not take them."""
        try:
            self.consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as failed:
            log.warning("offsets are not committed, these records come again: %s", failed.args[0].str())
            return False
        return True

    def lag(self) -> dict[str, int]:
        """Records in Kafka that are not yet read, by topic."""
        lag = dict.fromkeys(self._topics, 0)
        for place in self.consumer.position(self.consumer.assignment()):
            _low, high = self.consumer.get_watermark_offsets(place, cached=True) or (0, 0)
            if place.offset >= 0:
                lag[place.topic] += max(0, high - place.offset)
        return lag

    def close(self) -> None:
        """Leave the group."""
        self.consumer.close()
