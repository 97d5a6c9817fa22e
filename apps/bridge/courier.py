"""Brings messages to Kafka until Kafka has them: retries for ever, dead-letters what Kafka refuses for good."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException
from runtime.seldom import Seldom
from telemetry.record import ARRIVAL, Headers, dead_letter_headers

from bridge.metrics import Metrics
from bridge.window import Message

log = logging.getLogger(__name__)

RETRY_S: Final = 1.0  # librdkafka has retried before it reports an error, so there is no hurry
CUT_BYTES: Final = 65_536  # what a dead letter keeps of a message that is too large for Kafka
REFUSED: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.INVALID_RECORD,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._INVALID_ARG,
    }
)
TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.RECORD_LIST_TOO_LARGE})

OF_THE_BATCH: Final = TOO_LARGE | {KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP}  # one bad record fails its neighbours


class Failure(Protocol):
    """What the courier asks of a KafkaError."""

    def code(self) -> int:
        """Its number."""

    def fatal(self) -> bool:
        """Whether the producer is of no more use."""

    def str(self) -> str:
        """In words."""


class Producer(Protocol):
    """What the courier needs of confluent_kafka.Producer."""

    def produce(self, topic: str, value: bytes, *, key: str, headers: Headers, on_delivery: Callable[[Any, Any], None]) -> None:
        """Queue a record; raises BufferError when the queue is full, KafkaException when it is refused at once."""

    def poll(self, timeout: float) -> int:
        """Serve delivery reports."""

    def purge(self) -> None:
        """Forget what is queued and in flight."""


class Courier:
    """Owns the producer; a fatal error of the producer is answered with a new one and all that was not yet saved."""

    def __init__(
        self,
        connect: Callable[[], Producer],
        connect_single: Callable[[], Producer],
        dead_letter_topic: str,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connect` makes a producer, `connect_single` one without batches."""
        self._seldom = Seldom(log)
        self._connect = connect
        self._connect_single = connect_single
        self._dead_letter_topic = dead_letter_topic
        self._metrics = metrics
        self._clock = clock
        self._producer = connect()
        self._single: Producer | None = None  # made when it is needed first
        self._generation = 0
        self._waiting: deque[Message] = deque()
        self._confirmed: list[Message] = []  # and not counted yet
        self._resume_s = 0.0
        self._broken = False

    def send(self, messages: Sequence[Message]) -> None:
        """Take charge of `messages`; the `saved` of each becomes true when Kafka has it."""
        report, generation = self._reported, self._generation  # the usual case is written out: 0.7 us a message against 1.3
        for place, message in enumerate(messages):
            if self._waiting or self._broken:
                self._waiting.extend(messages[place:])
                return
            way, batch = message.way, message.batch
            if way.kafka is None:
                self._produce_or_wait(message)
                continue
            headers = [*way.headers, (ARRIVAL, batch.arrival)]
            delivered = partial(report, generation, message)
            try:
                self._producer.produce(way.kafka, message.payload, key=way.key, headers=headers, on_delivery=delivered)
            except (BufferError, KafkaException):
                self._produce_or_wait(message)

    def _produce_or_wait(self, message: Message) -> None:
        if not self._produce(message):
            self._waiting.append(message)

    def poll(self, unsaved: Callable[[], Iterable[Message]]) -> None:
        """Serve delivery reports and send what waits; `unsaved` tells what a new producer must be given again."""
        self._producer.poll(0)
        if self._single is not None:
            self._single.poll(0)
        if self._broken:
            self._replace(unsaved())
        if self._waiting and self._clock() >= self._resume_s:
            while self._waiting and not self._broken and self._produce(self._waiting[0]):
                self._waiting.popleft()
        if self._confirmed:
            self._metrics.saved(self._confirmed, self._clock())
            self._confirmed = []

    def _replace(self, unsaved: Iterable[Message]) -> None:
        log.error("the producer failed for good; a new one gets everything that is not yet saved")
        self._producer.purge()
        if self._single is not None:
            self._single.purge()
            self._single = None
        self._generation += 1
        self._broken = False
        self._producer = self._connect()
        self._waiting = deque(unsaved)
        self._resume_s = self._clock() + RETRY_S
        self._metrics.producers_replaced.inc()

    def _produce(self, message: Message) -> bool:
        """Offer `message` to the producer; False if it has to wait."""
        if message.way.kafka is None and message.reason is None:
            message.reason = f"no route for {message.way.topic[:200]}"
        try:
            self._offer(message)
        except BufferError:
            self._resume_s = self._clock() + RETRY_S / 100
            return False
        except KafkaException as refused:
            message.alone = True  # the producer itself refuses it
            return self._failed(message, refused.args[0])
        return True

    def _of(self, message: Message) -> Producer:
        if not message.alone:
            return self._producer
        if self._single is None:
            self._single = self._connect_single()
        return self._single

    def _offer(self, message: Message) -> None:
        way = message.way
        headers: Headers = [*way.headers, (ARRIVAL, message.batch.arrival)]
        topic, value, key = way.kafka or self._dead_letter_topic, message.payload, way.key
        if message.reason is not None:
            headers = dead_letter_headers(headers, message.reason, "bridge", len(value))
            topic, value, key = self._dead_letter_topic, value[:CUT_BYTES] if message.cut else value, way.topic
        report = partial(self._reported, self._generation, message)
        self._of(message).produce(topic, value, key=key, headers=headers, on_delivery=report)

    def _reported(self, generation: int, message: Message, error: Failure | None, _record: object) -> None:
        if error is None:
            if not message.saved:
                message.saved = True
                self._confirmed.append(message)
        elif generation == self._generation and not self._failed(message, error):
            self._waiting.append(message)

    def _failed(self, message: Message, error: Failure) -> bool:
        """Decide on an error: True if `message` was sent another way or is given to the next producer, False if it must wait."""
        code = error.code()
        if error.fatal() or code == KafkaError._FATAL:
            self._broken = True
            return True
        if code not in REFUSED or (message.reason is not None and (code not in TOO_LARGE or message.cut)):
            self._seldom.warning(f"Kafka does not take messages yet: {error.str()}")
            self._metrics.retried.inc()
            self._resume_s = self._clock() + RETRY_S
            return False
        if code in OF_THE_BATCH and not message.alone:
            message.alone = True
            return self._produce(message)
        message.reason = message.reason or error.str()
        message.cut = code in TOO_LARGE
        return self._produce(message)
