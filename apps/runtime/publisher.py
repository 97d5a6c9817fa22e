"""Puts records into Kafka and says so only when Kafka has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Producer
from telemetry.record import Headers

from runtime.errors import UnavailableError

FLUSH_S = 30.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be made."""

    topic: str
    key: str
    value: bytes
    headers: Headers


class NotSavedError(UnavailableError):
    """Kafka has not taken every record; offer them again."""


class Publisher:
    """A producer that waits for the acknowledgement of all replicas."""

    def __init__(self, brokerlist: str, client_id: str, flush_s: float = FLUSH_S) -> None:
        """Nothing connects before the first record; Kafka may take `flush_s` for it."""
        self._flush_s = flush_s
        self._producer = Producer(
            {
                "bootstrap.servers": brokerlist,
                "client.id": client_id,
                "acks": "all",
                "message.timeout.ms": int(flush_s * 1000),
                "log_level": 2,
            }
        )
        self._failures: list[str] = []

    def _reported(self, error: KafkaError | None, _record: object) -> None:
        if error is not None:
            self._failures.append(error.str())

    def save(self, records: Iterable[Outgoing]) -> None:
        """Bring all of them to Kafka.

        Raises:
            NotSavedError: at least one is not there; all may be offered again.
        """
        self._failures.clear()
        try:
            for each in records:
                self._producer.produce(each.topic, each.value, key=each.key, headers=each.headers, on_delivery=self._reported)
                self._producer.poll(0)
        except (BufferError, KafkaException) as failed:
            self._failures.append(str(failed))
        if self._producer.flush(self._flush_s):
            self._failures.append("Kafka does not answer")
        if self._failures:
            raise NotSavedError(f"records are not saved: {self._failures[0]}")
