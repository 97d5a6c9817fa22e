"""Where the effects of a partition begin, as Kafka tells it. What it doesn't tell is asked again, and never guessed."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, TopicPartition
from runtime.errors import UnavailableError

ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Begin:
    """The first record of `topic` and `partition` that is there, the first that has its effect, and whether the group is new."""

    topic: str
    partition: int
    low: int
    effects_from: int
    new: bool


def _refuse(place: TopicPartition, error: KafkaError | None) -> None:
    if error is not None:
        raise UnavailableError(f"Kafka does not tell where {place.topic}/{place.partition} begins: {error.str()}")


def _first_since(consumer: Consumer, place: TopicPartition, first_ms: int, high: int) -> int:
    (told,) = consumer.offsets_for_times([TopicPartition(place.topic, place.partition, first_ms)], timeout=ASK_S)
    _refuse(place, told.error)
    return told.offset if told.offset >= 0 else high  # negative: no record is as young as that


def begins(consumer: Consumer, partitions: list[TopicPartition], first_ms: int) -> list[Begin]:
    """At the group's offset; for a new group at the first record since `first_ms`.

    Raises:
        UnavailableError: Kafka does not tell one of them.
        KafkaException: it does not answer.
    """
    found = []
    for place in consumer.committed(partitions, timeout=ASK_S):
        _refuse(place, place.error)
        marks = consumer.get_watermark_offsets(place, timeout=ASK_S)
        if marks is None:
            raise UnavailableError(f"Kafka does not tell where {place.topic}/{place.partition} begins: no answer")
        low, high = marks
        new = place.offset < 0
        begin = _first_since(consumer, place, first_ms, high) if new else place.offset
        found.append(Begin(place.topic, place.partition, low, min(max(begin, low), high), new))
    return found
