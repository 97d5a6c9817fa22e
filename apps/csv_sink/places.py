"""Where reading begins in each partition: what the journal knows, and what it is told where it knows nothing."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition
from runtime.errors import UnavailableError

from csv_sink.table import Table

ASK_S = 10.0


def journaled(topic_id: str, partition: int) -> str:
    """Offsets of a topic that was made anew begin anew, so the journal names a topic by its id."""
    return f"{topic_id}/{partition}"


def placed(table: Table, topic_id: str, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """The journal knows best what is in the file: it is written before the group's offset is committed.

    A partition that it doesn't know begins where the group is, or at 0 if the journal knows older topics only; it is
    journaled at once, because a quiet one would be unknown at the next start, too, beside others of its topic.

    Raises:
        UnavailableError: Kafka doesn't tell, or the volume is away or full.
        KafkaException: Kafka doesn't answer.
    """
    if unknown := [each for each in partitions if table.next_of(journaled(topic_id, each.partition)) is None]:
        of_older_topics = bool(table.topics) and topic_id not in table.topics
        firsts = dict.fromkeys((each.partition for each in unknown), 0) if of_older_topics else _committed(consumer, unknown)
        table.append([], {journaled(topic_id, partition): offset for partition, offset in firsts.items()})
    known = [(each, table.next_of(journaled(topic_id, each.partition)) or 0) for each in partitions]
    return [TopicPartition(each.topic, each.partition, offset) for each, offset in known]


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> dict[int, int]:
    """The group's offset of each partition, 0 where it has none."""
    found = {}
    for place in consumer.committed(partitions, timeout=ASK_S):
        if place.error is not None:
            raise UnavailableError(f"Kafka does not tell the offset of {place.topic}/{place.partition}: {place.error.str()}")
        found[place.partition] = max(0, place.offset)
    return found
