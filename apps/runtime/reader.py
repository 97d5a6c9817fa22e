"""Reading Kafka in a group: records come in batches, and their offsets are committed by hand after the effect.

Where reading begins is never guessed: while Kafka doesn't tell, nothing is read. A topic that is deleted and made anew while
it is read would be gone on with at the old offset, and what lies before it would be dropped without a word (librdkafka 2.16,
seen 2026-11), so ids are compared: a batch is handed out only if its topics are still those that it was read from.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from prometheus_client import Counter
from telemetry.record import Record, next_offsets

from runtime.backoff import Backoff
from runtime.errors import UnavailableError
from runtime.gaps import ASK_S, Gaps
from runtime.seldom import Seldom
from runtime.status import Heartbeat
from runtime.topics import Topics

log = logging.getLogger(__name__)

Done = TypeVar("Done")
Place = Callable[[Consumer, list[TopicPartition]], list[TopicPartition]]  # where reading begins in assigned partitions
GATHER_BYTES = 256 * 1024
LOOK_EVERY_S = 5.0  # a topic made anew that has as many records as the old one brings nothing that would show it


@dataclass(frozen=True, slots=True)
class Source:
    """Which topics of which brokers are read, and by which group."""

    brokerlist: str
    group: str
    topics: tuple[str, ...]
    gather_ms: int = 0  # Kafka answers when there is much, or after this time; 0 is as soon as there is one record


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
            **({"fetch.wait.max.ms": source.gather_ms, "fetch.min.bytes": GATHER_BYTES} if source.gather_ms else {}),
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


class Counters(Protocol):
    """What a reader counts: batches that had to wait, topics found made anew, records that Kafka deleted before it read them."""

    waits: Counter
    renewals: Counter
    missed: Counter


class Reader:
    """The records of some topics, shared among the readers of the group."""

    def __init__(self, source: Source, heartbeat: Heartbeat, counters: Counters, *, place: Place | None = None) -> None:
        """Nothing connects before `read`.

        `place` may move where reading begins; without it the group's offsets rule. What it raises for a Kafka that does not
        answer (`UnavailableError`, `KafkaException`) makes it be asked again.
        """
        self.consumer = _consumer(source)
        self._topics = Topics(source.brokerlist, source.topics)
        self._names = source.topics
        self._counters = counters
        self._gaps = Gaps(self.consumer, counters.missed)
        self._heartbeat = heartbeat
        self._place = place
        self._waiting: str | None = None
        self._backoff = Backoff(0.5, 5.0)
        self._early: list[KafkaMessage] = []  # read, and not handed out yet
        self._unplaced: list[TopicPartition] | None = None  # assigned, and not read yet
        self._anew: set[str] = set()  # topics whose beginnings are not committed yet
        self._committed: set[str] = set()  # topics of commits since the last look
        self._reads = False
        self._subscribed = False
        self._next_look_s = 0.0

    @property
    def topic_ids(self) -> Mapping[str, str]:
        """Which topics the records were read from that `read` returned last."""
        return self._topics.ids

    @property
    def why(self) -> str | None:
        """None when it reads, else what it waits for."""
        return self._waiting or (None if self._reads else "no partitions of Kafka are assigned yet")

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign([])  # until `_begin` knows where; an error raised in here would reach nobody who can try again
        self._early.clear()
        self._unplaced = partitions

    def _on_revoke(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._early.clear()
        self._unplaced = None

    def again(self) -> None:
        """Begin again where the group's offsets, or `place`, say: what was read and not committed comes again."""
        self._early.clear()
        self._unplaced = self.consumer.assignment()
        self.consumer.assign([])

    def _begin(self, partitions: list[TopicPartition]) -> None:
        places = [TopicPartition(each.topic, each.partition) for each in partitions]
        if missing := {each.topic for each in places} - set(self.topic_ids):
            raise UnavailableError(f"Kafka has no topic {', '.join(sorted(missing))}")
        firsts = [TopicPartition(each.topic, each.partition, 0) for each in places if each.topic in self._anew]
        if firsts and not self.commit_places(firsts):  # a commit for the old topic may have reached the new one
            raise UnavailableError("Kafka does not take the first offsets of a topic made anew")
        try:
            begins = self._place(self.consumer, places) if self._place else self.consumer.committed(places, timeout=ASK_S)
            self.consumer.assign(begins)
        except KafkaException as failed:
            raise UnavailableError(f"Kafka does not tell where to begin: {failed}") from failed
        self._gaps.begin(begins)
        self.consumer.resume(places)  # librdkafka 2.16 keeps a partition paused that was taken away in `_wait` and comes back
        if places:  # nothing is given while a topic is away for a moment; of another that is not given, others took care
            self._anew.clear()
        self._unplaced, self._reads = None, True
        log.info("reads %d partitions", len(places))

    def _is_current(self) -> bool:
        """Whether the topics are those that were read; if not, reading begins at their beginnings.

        The beginnings are committed only by who has partitions of the topic, or may have committed an offset of the old one:
        whoever is given some much later would undo what others of the group have committed.
        """
        own = {each.topic for each in self._unplaced or self.consumer.assignment()} | self._committed
        for name in self._topics.look():
            log.warning("the topic %s was made anew: it is read from its first record on", name)
            self._counters.renewals.inc()
            if name in own:
                self._anew.add(name)
        self._committed.clear()
        self._next_look_s = time.monotonic() + LOOK_EVERY_S
        if self._unplaced is None and any(each.topic in self._anew for each in self.consumer.assignment()):
            self.again()
        if self._unplaced is None:
            return True
        self._begin(self._unplaced)
        return False

    def read(self, most: int, wait_s: float) -> list[Record]:
        """Up to `most` records; fewer, or none, after `wait_s`."""
        if not self._subscribed:
            self.consumer.subscribe(list(self._names), on_assign=self._on_assign, on_revoke=self._on_revoke)
            self._subscribed = True
        self._heartbeat.beat()
        messages = self._early + self.consumer.consume(most, wait_s)
        self._early.clear()
        needed = bool(messages) or self._unplaced is not None
        try:
            if (needed or time.monotonic() > self._next_look_s) and not self._is_current():
                return []
        except UnavailableError as failed:
            if needed:
                self._early = messages if self._unplaced is None else []
                self._wait(str(failed), self._backoff.next_s())
            return []
        self._go_on()
        records = [record_of(message) for message in messages if self._is_record(message)]
        self._gaps.follow(records)
        return records

    @staticmethod
    def _is_record(message: KafkaMessage) -> bool:
        error = message.error()
        if error is not None:
            log.warning("Kafka: %s", error.str())
        return error is None

    def insist(self, effect: Callable[[], Done], stop: threading.Event) -> Done | None:
        """What `effect` returns, however long it takes; None if told to stop before it succeeded."""
        backoff = Backoff(0.5, 5.0)
        while not stop.is_set():
            try:
                done = effect()
            except UnavailableError as failed:
                self._wait(str(failed), backoff.next_s())
                continue
            self._go_on()
            return done
        return None

    def _go_on(self) -> None:
        self._backoff.reset()
        if self._waiting is not None:
            log.info("goes on")
            self.consumer.resume(self.consumer.assignment())
            self._waiting = None

    def _wait(self, why: str, wait_s: float) -> None:
        """Wait without losing the group's membership: poll, but with every partition paused."""
        log.warning("%s; offsets wait", why)
        self._waiting = why
        self._counters.waits.inc()
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._heartbeat.beat()
            self.consumer.pause(self.consumer.assignment())
            message = self.consumer.poll(min(left_s, 1.0))
            if message is not None:
                self._early.append(message)

    def commit(self, records: Iterable[Record], floors: Mapping[tuple[str, int], int] = MappingProxyType({})) -> bool:
        """Commit what lies behind `records`; False if Kafka did not take it, and they come again.

        `floors` are offsets of topics' partitions that the commit does not pass.
        """
        behind = {place: min(offset, floors.get(place, offset)) for place, offset in next_offsets(records).items()}
        return self.commit_places([TopicPartition(*place, offset) for place, offset in behind.items()])

    def commit_places(self, places: list[TopicPartition]) -> bool:
        """Commit these offsets; False if Kafka did not take them."""
        self._committed |= {each.topic for each in places}
        try:
            done = self.consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as failed:
            error = failed.args[0]
        else:
            error = next((each.error for each in done if each.error is not None), None)
        if error is not None:
            log.warning("offsets are not committed, these records come again: %s", error.str())
        return error is None

    def lag(self) -> dict[str, int]:
        """Records in Kafka that are not yet read, by topic."""
        lag = dict.fromkeys(self._names, 0)
        for place in self.consumer.position(self.consumer.assignment()):
            _low, high = self.consumer.get_watermark_offsets(place, cached=True) or (0, 0)
            if place.offset >= 0:
                lag[place.topic] += max(0, high - place.offset)
        return lag

    def close(self) -> None:
        """Leave the group."""
        self.consumer.close()
