"""Puts records that cannot be used into the dead-letter topic, and says so only when Kafka has them."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Producer
from telemetry.record import dead_letter_headers

from timeseries.batch import BadRecord

CUT_BYTES = 65_536  # what is kept of a record that would not fit with its new headers
LARGEST_BYTES = 900_000
FLUSH_S = 30.0


class NotSavedError(Exception):
    """Kafka has not taken every dead letter; offer them again."""


class DeadLetters:
    """The producer of the dead-letter topic."""

    def __init__(self, brokerlist: str, topic: str, source: str) -> None:
        """`source` is the name of the app that gives up on a record."""
        self._topic = topic
        self._source = source
        self._producer = Producer(
            {
                "bootstrap.servers": brokerlist,
                "client.id": source,
                "acks": "all",
                "message.timeout.ms": int(FLUSH_S * 1000),
                "log_level": 2,
            }
        )
        self._failures: list[str] = []

    def _reported(self, error: KafkaError | None, _record: object) -> None:
        if error is not None:
            self._failures.append(error.str())

    def _offer(self, bad: BadRecord) -> None:
        record = bad.record
        source = f"{self._source} {record.topic}/{record.partition}/{record.offset}"
        headers = dead_letter_headers(record.headers, bad.reason, source, len(record.value))
        value = record.value if len(record.value) <= LARGEST_BYTES else record.value[:CUT_BYTES]
        self._producer.produce(self._topic, value, key=record.key, headers=headers, on_delivery=self._reported)
        self._producer.poll(0)

    def save(self, bad: Sequence[BadRecord]) -> None:
        """Bring all of them to Kafka.

        Raises:
            NotSavedError: at least one is not there; all may be offered again.
        """
        if not bad:
            return
        self._failures.clear()
        try:
            for record in bad:
                self._offer(record)
        except (BufferError, KafkaException) as failed:
            self._failures.append(str(failed))
        if self._producer.flush(FLUSH_S):
            self._failures.append("Kafka does not answer")
        if self._failures:
            raise NotSavedError(f"dead letters are not saved: {self._failures[0]}")
